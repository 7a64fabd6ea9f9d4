package layers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// Tree is every entry of every layer of an image, and the root filesystem that
// they make. It is immutable and safe for concurrent use until Close.
type Tree struct {
	b       *builder
	spooled []*spooled
	doc     *document
	config  *v1.ConfigFile
	dir     string
	limits  Limits
}

// Open reads the layers of an image, each once, into temporary files below dir
// (empty: the system's) and checks every size, digest and diff ID on the way.
// The caller closes the Tree.
func Open(ctx context.Context, img v1.Image, dir string, opts ...Option) (*Tree, error) {
	o := newOptions(opts)
	doc, config, err := readDocument(img)
	if err != nil {
		return nil, err
	}
	ls, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the image's layers: %w", err)
	}
	if len(ls) != len(config.RootFS.DiffIDs) {
		return nil, fmt.Errorf("the manifest has %d layers, the config %d diff IDs", len(ls), len(config.RootFS.DiffIDs))
	}
	if len(ls) > o.limits.Layers {
		return nil, &LimitError{What: "layers", Limit: int64(o.limits.Layers)}
	}
	t := &Tree{doc: doc, config: config, dir: dir, limits: o.limits, spooled: make([]*spooled, len(ls))}
	if err := t.spoolAll(ctx, ls, o); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	entries := 0
	for _, s := range t.spooled {
		entries += len(s.archive.entries)
	}
	t.b = newBuilder(o.limits.Depth, entries)
	for i, s := range t.spooled {
		if err := t.b.add(i, s.archive); err != nil {
			return nil, errors.Join(err, t.Close())
		}
		s.archive = nil
	}
	return t, nil
}

// spoolAll reads the layers in parallel, as many at a time as there are cores.
func (t *Tree) spoolAll(ctx context.Context, ls []v1.Layer, o *options) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	budget := &budget{limits: o.limits}
	for i, l := range ls {
		g.Go(func() error {
			s, err := spool(ctx, l, t.dir, o.limits, budget.take)
			if err != nil {
				digest, _ := l.Digest() // only to name the layer
				return fmt.Errorf("layer %d (%s): %w", i, digest, err)
			}
			t.spooled[i] = s
			if want := t.config.RootFS.DiffIDs[i]; s.diffID != want {
				return fmt.Errorf("layer %d: the archive inside has the diff ID %s, the config says %s", i, s.diffID, want)
			}
			o.progress(Event{Kind: LayerRead, Layer: i, Layers: len(ls), Bytes: s.tarSize})
			return nil
		})
	}
	return g.Wait()
}

// Close frees the temporary files.
func (t *Tree) Close() error {
	for _, s := range t.spooled {
		s.close()
	}
	return nil
}

// Forget lets go of the entries. Nothing can be asked of the tree afterwards;
// images that Rewrite made of it stay readable until Close.
func (t *Tree) Forget() { t.b = nil }

// budget counts entries and bytes of all layers together.
type budget struct {
	mu       sync.Mutex
	limits   Limits
	entries  int
	expanded int64
}

func (b *budget) take(entries int, expanded int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries += entries
	b.expanded += expanded
	switch {
	case b.entries > min(b.limits.Entries, math.MaxInt32):
		return &LimitError{What: "entries", Limit: int64(b.limits.Entries)}
	case expanded < 0, b.expanded < 0, b.expanded > b.limits.Expanded:
		return &LimitError{What: "expanded", Limit: b.limits.Expanded}
	}
	return nil
}

// Config is the image's configuration.
func (t *Tree) Config() *v1.ConfigFile { return t.config.DeepCopy() }

// Layers is the number of layers.
func (t *Tree) Layers() int { return len(t.spooled) }

// LayerInfo says what a layer is in the input.
type LayerInfo struct {
	Digest, DiffID v1.Hash
	MediaType      string
	Compression    Compression
	Size           int64 // bytes of the blob
	Expanded       int64 // bytes of the archive inside
	Entries        int
}

// Layer gives the facts of layer i, 0 being the base.
func (t *Tree) Layer(i int) LayerInfo {
	s := t.spooled[i]
	return LayerInfo{
		Digest: s.digest, DiffID: s.diffID, MediaType: string(s.mediaType), Compression: s.compression,
		Size: s.blobSize, Expanded: s.tarSize, Entries: t.b.layers[i].count,
	}
}

// content gives the expanded content of a regular entry.
func (t *Tree) content(e *entry) *io.SectionReader {
	return io.NewSectionReader(t.spooled[e.layer].tar, e.content(), e.physical())
}
