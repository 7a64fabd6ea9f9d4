package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// maxWriteDepth bounds the nesting of indexes that are written.
const maxWriteDepth = 8

// putFunc stores one blob or manifest at a destination.
type putFunc func(ctx context.Context, d v1.Descriptor, manifest bool, open func() (io.ReadCloser, error)) error

// walker visits everything that an entry consists of, children before parents
// and each digest once, and puts it somewhere.
type walker struct {
	put  putFunc
	mu   sync.Mutex
	seen map[v1.Hash]bool
}

// first reports whether this is the first visit of a digest.
func (w *walker) first(h v1.Hash) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[h] {
		return false
	}
	if w.seen == nil {
		w.seen = map[v1.Hash]bool{}
	}
	w.seen[h] = true
	return true
}

// entry puts an image or index and returns its descriptor.
func (w *walker) entry(ctx context.Context, e Entry) (v1.Descriptor, error) {
	if _, err := e.content(); err != nil {
		return v1.Descriptor{}, err
	}
	if e.Image != nil {
		return w.image(ctx, e.Image)
	}
	return w.index(ctx, e.Index, 1)
}

func (w *walker) image(ctx context.Context, img v1.Image) (v1.Descriptor, error) {
	raw, d, err := documentOf(img)
	if err != nil {
		return d, err
	}
	if !w.first(d.Digest) {
		return d, nil
	}
	m, err := img.Manifest()
	if err != nil {
		return d, err
	}
	layers, err := img.Layers()
	if err != nil {
		return d, err
	}
	if len(layers) != len(m.Layers) {
		return d, fmt.Errorf("image %s has %d layers, its manifest %d", d.Digest, len(layers), len(m.Layers))
	}
	if err := w.layers(ctx, layers, m.Layers); err != nil {
		return d, err
	}
	config, err := img.RawConfigFile()
	if err != nil {
		return d, err
	}
	if w.first(m.Config.Digest) {
		if err := w.put(ctx, m.Config, false, openBytes(config)); err != nil {
			return d, fmt.Errorf("config %s: %w", m.Config.Digest, err)
		}
	}
	if err := w.put(ctx, d, true, openBytes(raw)); err != nil {
		return d, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return d, nil
}

// layers puts the layers side by side; each is a stream.
func (w *walker) layers(ctx context.Context, layers []v1.Layer, descriptors []v1.Descriptor) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for i, l := range layers {
		d := descriptors[i]
		if !w.first(d.Digest) {
			continue
		}
		g.Go(func() error {
			if err := w.put(ctx, d, false, l.Compressed); err != nil {
				return fmt.Errorf("layer %s: %w", d.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (w *walker) index(ctx context.Context, idx v1.ImageIndex, depth int) (v1.Descriptor, error) {
	raw, d, err := documentOf(idx)
	if err != nil {
		return d, err
	}
	if depth > maxWriteDepth {
		return d, fmt.Errorf("index %s: nested deeper than %d", d.Digest, maxWriteDepth)
	}
	if !w.first(d.Digest) {
		return d, nil
	}
	im, err := idx.IndexManifest()
	if err != nil {
		return d, err
	}
	for _, m := range im.Manifests {
		if err := w.member(ctx, idx, m, depth); err != nil {
			return d, err
		}
	}
	if err := w.put(ctx, d, true, openBytes(raw)); err != nil {
		return d, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	return d, nil
}

func (w *walker) member(ctx context.Context, idx v1.ImageIndex, m v1.Descriptor, depth int) error {
	var d v1.Descriptor
	switch {
	case m.MediaType.IsImage():
		img, err := idx.Image(m.Digest)
		if err != nil {
			return err
		}
		if d, err = w.image(ctx, img); err != nil {
			return err
		}
	case m.MediaType.IsIndex():
		child, err := idx.ImageIndex(m.Digest)
		if err != nil {
			return err
		}
		if d, err = w.index(ctx, child, depth+1); err != nil {
			return err
		}
	default:
		return checkManifestType(m.MediaType)
	}
	if d.Digest != m.Digest || d.Size != m.Size {
		return errors.New("index lists " + m.Digest.String() + ", its member is " + d.Digest.String())
	}
	return nil
}
