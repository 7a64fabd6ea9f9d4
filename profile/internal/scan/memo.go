package scan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Bounds of what is kept of earlier values. Whatever is kept, the same comes of
// a value: only how long it takes differs.
const (
	maxWord  = 128 // bytes of a text that is kept
	wordRows = 2048

	maxSpan  = 4 << 10 // bytes of an object that is kept
	minSpan  = 32      // below, reading it again is as fast
	memoRows = 64
	memoWays = 4
)

// words makes equal texts one string: those that came last.
type words [][wordRows]string

func (w *words) of(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if len(text) > maxWord {
		return string(text)
	}
	if *w == nil {
		*w = make(words, 1)
	}
	at := &(*w)[0][mix(uint64(len(text)), head(text), tail(text))%wordRows]
	if *at != string(text) {
		*at = string(text)
	}
	return *at
}

// head is the first eight bytes, as far as there are.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var n uint64
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return n
}

// tail is the last eight bytes, as far as there are.
func tail(b []byte) uint64 { return head(b[max(0, len(b)-8):]) }

// mix is a hash of some words.
func mix(list ...uint64) uint64 {
	var h uint64
	for _, n := range list {
		h = bits.RotateLeft64(h^n, 23) * 0x9e3779b97f4a7c15
	}
	return h ^ h>>32
}

// Memo keeps what objects were decoded to, by all of their bytes: some hundred of
// those that came last. Its zero value is ready for use.
type Memo[T any] struct {
	rows []row[T]
}

type row[T any] struct {
	ways [memoWays]kept[T]
	next int
}

type kept[T any] struct {
	bytes []byte // of an object, whole
	value T
}

// find takes the next value if it is an object that is kept, and gives what it
// was decoded to; else it is nil. The value is shared: callers copy it and do not
// write through its pointers.
func (m *Memo[T]) find(s *Scanner) *T {
	if s.Peek() != '{' || m.rows == nil {
		return nil
	}
	// No object is the beginning of another.
	rest := s.data[s.at:]
	row := &m.rows[rowOf(rest)]
	for i := range row.ways {
		if k := &row.ways[i]; len(k.bytes) > 0 && bytes.HasPrefix(rest, k.bytes) {
			s.at += len(k.bytes)
			return &k.value
		}
	}
	return nil
}

// keep keeps what the object that starts at from and was read just now was
// decoded to.
func (m *Memo[T]) keep(s *Scanner, from int, value *T) {
	size := s.at - from
	if s.failed || size < minSpan || size > maxSpan || s.data[from] != '{' {
		return
	}
	if m.rows == nil {
		m.rows = make([]row[T], memoRows)
	}
	row := &m.rows[rowOf(s.data[from:])]
	k := &row.ways[row.next]
	row.next = (row.next + 1) % memoWays
	k.bytes = append(k.bytes[:0], s.data[from:s.at]...)
	k.value = *value
}

// rowOf is the row of an object by its first bytes, which are those of its
// first members.
func rowOf(b []byte) uint64 {
	var list [8]uint64
	for i := range list {
		if len(b) < 8*i+8 {
			break
		}
		list[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return mix(list[:]...) % memoRows
}
