package harden

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
)

// Digest is the SHA-256 of a content; the zero value says that there is none.
type Digest [sha256.Size]byte

// String gives hex digits, or nothing for the zero value.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// Records is a list of [Record], one for each entry of an image. A million of
// them would be most of the memory of a run if each held its own words, reasons
// and metadata: files of a package share theirs, so they are kept once. The zero
// value is an empty list.
type Records struct {
	list    []packed
	words   table[string] // types, classes, actions
	reasons table[Reason]
	metas   table[Meta]
	sums    []Digest
	edits   map[int32]rewrite
}

// packed is a record with its shared parts as positions in their tables.
type packed struct {
	path               string
	size               int64
	layer              int32
	reason, meta       int32
	sum                int32 // -1: none
	typ, class, action uint16
}

// rewrite is what only a rewritten entry has.
type rewrite struct {
	size    int64
	content []byte
}

// maxShared bounds how many values a table looks for equals among.
const maxShared = 1 << 14

// table keeps equal values once, as long as it does not meet too many.
type table[T comparable] struct {
	list  []T
	known map[T]int32
}

func (t *table[T]) put(v T) int32 {
	if at, ok := t.known[v]; ok {
		return at
	}
	at := int32(len(t.list)) //nolint:gosec // as many as entries
	t.list = append(t.list, v)
	if t.known == nil {
		t.known = map[T]int32{}
	}
	if len(t.known) < maxShared {
		t.known[v] = at
	}
	return at
}

// settle forgets what is only needed to add more.
func (t *table[T]) settle() { t.known = nil }

// Len is the number of records.
func (l *Records) Len() int { return len(l.list) }

// Append adds a record.
func (l *Records) Append(r Record) {
	l.list = append(l.list, packed{})
	l.Set(len(l.list)-1, r)
}

// Set replaces record i.
func (l *Records) Set(i int, r Record) {
	at := int32(i) //nolint:gosec // layers limits entries
	p := packed{
		path: r.Path, size: r.Size, layer: int32(r.Layer), //nolint:gosec // layers limits layers
		reason: l.reasons.put(r.Reason), meta: l.metas.put(r.Meta), sum: -1,
		typ: l.word(r.Type), class: l.word(r.Class), action: l.word(string(r.Action)),
	}
	if r.SHA256 != (Digest{}) {
		p.sum = int32(len(l.sums)) //nolint:gosec // as many as entries
		l.sums = append(l.sums, r.SHA256)
	}
	delete(l.edits, at)
	if r.NewSize != 0 || r.content != nil {
		if l.edits == nil {
			l.edits = map[int32]rewrite{}
		}
		l.edits[at] = rewrite{r.NewSize, r.content}
	}
	l.list[i] = p
}

func (l *Records) word(w string) uint16 {
	return uint16(l.words.put(w)) //nolint:gosec // a few dozen words
}

// At gives record i.
func (l *Records) At(i int) Record {
	p := &l.list[i]
	r := Record{
		Path: p.path, Size: p.size, Layer: int(p.layer), Reason: l.reasons.list[p.reason], Meta: l.metas.list[p.meta],
		Type: l.words.list[p.typ], Class: l.words.list[p.class], Action: Action(l.words.list[p.action]),
	}
	if p.sum >= 0 {
		r.SHA256 = l.sums[p.sum]
	}
	if e, ok := l.edits[int32(i)]; ok { //nolint:gosec // as many as entries
		r.NewSize, r.content = e.size, e.content
	}
	return r
}

// All yields the records with their positions, which are the IDs of the entries.
func (l *Records) All() iter.Seq2[int, Record] {
	return func(yield func(int, Record) bool) {
		for i := range l.list {
			if !yield(i, l.At(i)) {
				return
			}
		}
	}
}

// setSum gives record i its digest.
func (l *Records) setSum(i int, sum Digest) {
	l.list[i].sum = int32(len(l.sums)) //nolint:gosec // as many as entries
	l.sums = append(l.sums, sum)
}

// grow makes room for n records.
func (l *Records) grow(n int) { l.list = make([]packed, 0, n) }

// settle forgets what is only needed to add more.
func (l *Records) settle() {
	l.words.settle()
	l.reasons.settle()
	l.metas.settle()
}
