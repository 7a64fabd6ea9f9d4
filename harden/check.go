package harden

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lathe-build/lathe/layers"
)

// maxProblems bounds how many differences a check lists.
const maxProblems = 20

// problems collects differences, the first few in words.
type problems struct {
	list []string
	more int
}

func (p *problems) add(format string, args ...any) {
	if len(p.list) < maxProblems {
		p.list = append(p.list, fmt.Sprintf(format, args...))
	} else {
		p.more++
	}
}

func (p *problems) all() []string {
	if p.more > 0 {
		return append(p.list, fmt.Sprintf("and %d more differences", p.more))
	}
	return p.list
}

// CheckOutput compares an image with the plan that it was made by: every entry
// that stays is there, in its layer, with the content, mode, owner, times and
// attributes that the plan says; nothing else is in any layer; the config's
// commands resolve. It gives the differences in words.
func CheckOutput(ctx context.Context, out *layers.Tree, pl *Plan) ([]string, error) {
	var p problems
	want, next := keptByLayer(pl)
	if len(want) != out.Layers() {
		p.add("the image has %d layers, the plan leaves %d", out.Layers(), len(want))
		return p.all(), nil
	}
	var ids []int
	var sums []Digest
	for e := range out.Entries() {
		if e.Shadowed {
			p.add("layer %d: %q is hidden by a later layer", e.Layer, e.Path)
		}
		at, ok := want[e.Layer][e.Path]
		if !ok {
			p.add("layer %d: %q is not in the plan", e.Layer, e.Path)
			continue
		}
		if later, more := next[at]; more {
			want[e.Layer][e.Path] = later
		} else {
			delete(want[e.Layer], e.Path)
		}
		r := pl.Records.At(at)
		p.compare(out, e, &r)
		if r.SHA256 != (Digest{}) && hasContent(out, e) {
			ids, sums = append(ids, e.ID), append(sums, r.SHA256)
		}
	}
	for i, layer := range want {
		for _, name := range slices.Sorted(maps.Keys(layer)) {
			p.add("layer %d: %q is missing", i, name)
		}
	}
	if err := p.contents(ctx, out, ids, sums); err != nil {
		return nil, err
	}
	if err := p.starts(out, pl); err != nil {
		return nil, err
	}
	return p.all(), nil
}

func hasContent(t *layers.Tree, e layers.Entry) bool {
	return e.Type == layers.Regular || e.Type == layers.HardLink && t.Entry(e.Data).Type == layers.Regular
}

// keptByLayer gives for each layer that is left its records that stay, by path:
// the position of the first, and of each record the next one of the same path.
// A layer that never had an entry is left.
func keptByLayer(pl *Plan) (list []map[string]int, next map[int]int) {
	kept := make([]map[string]int, pl.Layers)
	entries := make([]int, pl.Layers)
	next = map[int]int{}
	for i := pl.Records.Len() - 1; i >= 0; i-- {
		r := pl.Records.At(i)
		entries[r.Layer]++
		if r.Action == ActDrop {
			continue
		}
		if kept[r.Layer] == nil {
			kept[r.Layer] = map[string]int{}
		}
		if later, ok := kept[r.Layer][r.Path]; ok {
			next[i] = later
		}
		kept[r.Layer][r.Path] = i
	}
	for i, m := range kept {
		if m != nil || entries[i] == 0 {
			list = append(list, m)
		}
	}
	return list, next
}

// compare checks one entry against its record. A hard link may carry content
// of its own now.
func (p *problems) compare(out *layers.Tree, e layers.Entry, r *Record) {
	typ := e.Type.String()
	promoted := r.Type == layers.HardLink.String() && e.Type != layers.HardLink
	if typ != r.Type && !promoted {
		p.add("%q is a %s, the plan says %s", e.Path, typ, r.Type)
	}
	got := metaOf(e)
	if promoted {
		got.Link, got.Dev = r.Meta.Link, r.Meta.Dev
	}
	if got != r.Meta {
		p.add("%q has %+v, the plan says %+v", e.Path, got, r.Meta)
	}
	if r.Action == ActRewrite && e.Size != r.NewSize {
		p.add("%q has %d bytes, the plan says %d", e.Path, e.Size, r.NewSize)
	}
	if r.SHA256 != (Digest{}) && !hasContent(out, e) {
		p.add("%q has no content", e.Path)
	}
}

func (p *problems) contents(ctx context.Context, t *layers.Tree, ids []int, want []Digest) error {
	sums, err := t.Digests(ctx, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if got := Digest(sums[i]); got != want[i] {
			p.add("%q has the content sha256:%s, the plan says sha256:%s", t.Entry(id).Path, got, want[i])
		}
	}
	return nil
}

// CheckSource compares a plan with the image that it was made for: what stays
// is in the source with the same content and metadata, package databases
// excepted, and the plan leaves no entry of the source out.
func CheckSource(ctx context.Context, src *layers.Tree, pl *Plan) ([]string, error) {
	var p problems
	if src.Len() != pl.Records.Len() {
		p.add("the source has %d entries, the plan decides %s", src.Len(), strconv.Itoa(pl.Records.Len()))
		return p.all(), nil
	}
	var ids []int
	var sums []Digest
	for e := range src.Entries() {
		r := pl.Records.At(e.ID)
		if r.Path != e.Path || r.Layer != e.Layer || r.Type != e.Type.String() {
			p.add("entry %d of the source is %q, the plan has %q", e.ID, e.Path, r.Path)
			continue
		}
		if r.Action == ActDrop {
			continue
		}
		if got := metaOf(e); got != r.Meta {
			p.add("%q has %+v in the source, the plan says %+v", e.Path, got, r.Meta)
		}
		if r.Action == ActKeep && r.SHA256 != (Digest{}) {
			ids, sums = append(ids, e.ID), append(sums, r.SHA256)
		}
	}
	if err := p.contents(ctx, src, ids, sums); err != nil {
		return nil, err
	}
	return p.all(), nil
}
