package layers

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// Edit says what becomes of one entry. The zero Edit keeps it byte for byte.
type Edit struct {
	Drop    bool
	Content []byte // new content of a regular file, when Replace is set
	Replace bool
}

// Result is what Rewrite made.
type Result struct {
	Image  v1.Image
	Layers []LayerResult // one an input layer
	Stats  Stats
}

// LayerResult says what became of an input layer.
type LayerResult struct {
	Layer     int
	Removed   bool
	Rewritten bool
	Digest    v1.Hash // of the output blob, when not removed
	DiffID    v1.Hash
	Size      int64 // bytes of the output blob
}

// Stats count the entries that are not the same bytes as in the input.
type Stats struct {
	Promoted int // hard links that carry their content now
	Relinked int // hard links that name another mate
	Replaced int // files with new content
	Folded   int // entries that took the records of a global PAX header
	Moved    int // hard links moved behind their target
}

var errResurrect = errors.New("what hides it would be dropped, but it would stay")

// Rewrite writes the image of a Tree with one edit an entry. Entries that a
// dropped entry hides must be dropped too. The image reads its new layers from
// temporary files that live as long as the Tree.
func Rewrite(ctx context.Context, t *Tree, edit func(Entry) Edit, opts ...Option) (*Result, error) {
	o := newOptions(opts)
	s, err := newScript(t, edit)
	if err != nil {
		return nil, err
	}
	res := &Result{Layers: make([]LayerResult, t.Layers())}
	out := make([]*outLayer, t.Layers())
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	stats := make([]Stats, t.Layers())
	for i := range t.Layers() {
		g.Go(func() error {
			l, err := s.layer(gctx, i, o, slots, &stats[i])
			if err != nil {
				return fmt.Errorf("writing layer %d: %w", i, err)
			}
			out[i] = l
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		for _, l := range out {
			l.close()
		}
		return nil, err
	}
	for i, l := range out {
		res.Layers[i] = l.result(i)
		res.Stats.add(stats[i])
	}
	res.Image, err = t.doc.image(out, o.annotations)
	return res, err
}

func (s *Stats) add(o Stats) {
	s.Promoted += o.Promoted
	s.Relinked += o.Relinked
	s.Replaced += o.Replaced
	s.Folded += o.Folded
	s.Moved += o.Moved
}

// script is the edits of a whole image, with hard links settled.
type script struct {
	t       *Tree
	drop    []bool
	replace map[int][]byte
	carrier map[int]int // hard link ID → data entry whose content it carries now
	relink  map[int]int // hard link ID → entry ID that it names now
	behind  map[int][]int
	moved   map[int]bool
}

func newScript(t *Tree, edit func(Entry) Edit) (*script, error) {
	s := &script{
		t: t, drop: make([]bool, t.Len()), replace: map[int][]byte{},
		carrier: map[int]int{}, relink: map[int]int{}, behind: map[int][]int{}, moved: map[int]bool{},
	}
	for i := range t.b.entries {
		e := &t.b.entries[i]
		d := edit(e.public())
		s.drop[i] = d.Drop
		if d.Drop || !d.Replace {
			continue
		}
		if e.typ != Regular && e.typ != HardLink {
			return nil, fmt.Errorf("%q is a %s: only a regular file can get new content", e.path, e.typ)
		}
		s.replace[i] = d.Content
	}
	for i := range t.b.entries {
		e := &t.b.entries[i]
		if e.hiddenBy >= 0 && !s.drop[i] && s.drop[e.hiddenBy] {
			return nil, fmt.Errorf("%q in layer %d: %w", e.path, e.layer, errResurrect)
		}
	}
	s.settleLinks()
	return s, nil
}

// apart tells whether an entry no longer has the content that its mates share:
// it goes, or it gets content of its own.
func (s *script) apart(id int) bool {
	_, replaced := s.replace[id]
	return replaced || s.drop[id]
}

// settleLinks finds for each hard link that stays what it must carry or name.
// The first name that stays carries the content when the entry that held it goes.
func (s *script) settleLinks() {
	first := map[int]int{} // data ID → ID that carries the content
	for i := range s.t.b.entries {
		e := &s.t.b.entries[i]
		if e.typ != HardLink || s.drop[i] {
			continue
		}
		if s.apart(i) {
			continue // a file of its own now
		}
		if s.apart(e.data()) {
			c, carried := first[e.data()]
			switch {
			case !carried:
				first[e.data()] = i
				s.carrier[i] = e.data()
			case s.apart(e.target()), e.late: // what it names may come later than the content now
				s.setTarget(i, c)
			}
			continue
		}
		if s.apart(e.target()) {
			s.setTarget(i, e.data())
		} else if e.late && s.t.b.entries[e.target()].layer == e.layer {
			s.behind[e.target()] = append(s.behind[e.target()], i)
			s.moved[i] = true
		}
	}
}

// setTarget makes link i name another mate, and puts it behind that mate where
// the archive has them the other way round.
func (s *script) setTarget(i, target int) {
	s.relink[i] = target
	if target > i {
		s.behind[target] = append(s.behind[target], i)
		s.moved[i] = true
	}
}

// edited reports whether a layer has an edit or is one that engines read
// differently, and whether an entry stays.
func (s *script) edited(layer int) (edited, stays bool) {
	f := s.t.b.layers[layer]
	edited = f.irregular
	for i := f.first; i < f.first+f.count; i++ {
		_, replaced := s.replace[i]
		_, carries := s.carrier[i]
		_, relinked := s.relink[i]
		edited = edited || s.drop[i] || replaced || carries || relinked
		stays = stays || !s.drop[i]
	}
	return edited, stays || f.count == 0
}

// linkName is how an archive names the entry with the given ID.
func (s *script) linkName(id int) string {
	e := &s.t.b.entries[id]
	clean, err := cleanName(e.name)
	if err != nil {
		return e.path
	}
	return path.Clean(clean)
}

// layer writes one layer, or passes it on.
func (s *script) layer(ctx context.Context, i int, o *options, slots chan struct{}, stats *Stats) (*outLayer, error) {
	in := s.t.spooled[i]
	edited, stays := s.edited(i)
	switch {
	case edited && !stays:
		return &outLayer{removed: true}, nil
	case !edited && in.mediaType != dockerUncompressed:
		o.progress(Event{Kind: LayerReused, Layer: i, Layers: s.t.Layers(), Bytes: in.tarSize})
		return in.reuse(), nil
	}
	c := in.compression
	if o.compression != "" {
		c = o.compression
	}
	if c == Uncompressed && in.mediaType == dockerUncompressed {
		c = Gzip
	}
	w, err := newLayerWriter(s.t.dir, c, slots)
	if err != nil {
		return nil, err
	}
	if edited {
		err = s.emit(ctx, i, w, stats)
	} else {
		err = w.copyAll(ctx, in)
	}
	if err != nil {
		w.abort()
		return nil, err
	}
	l, err := w.finish()
	if err != nil {
		w.abort()
		return nil, err
	}
	l.rewritten = edited
	l.source = in
	o.progress(Event{Kind: LayerWritten, Layer: i, Layers: s.t.Layers(), Bytes: in.tarSize})
	return l, nil
}
