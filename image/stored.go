package image

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// opener opens a blob for reading; what it returns need not be verified.
type opener func(v1.Descriptor) (io.ReadCloser, error)

// storedImage is an image whose documents are in memory, checked, and whose
// layers are read, verified, where they are stored.
type storedImage struct {
	descriptor  v1.Descriptor
	rawManifest []byte
	manifest    *v1.Manifest
	rawConfig   []byte
	config      *v1.ConfigFile // nil for an artifact
	layers      []*storedLayer
}

var _ v1.Image = (*storedImage)(nil)

func newStoredImage(d v1.Descriptor, rawManifest []byte, m *v1.Manifest, rawConfig []byte, cfg *v1.ConfigFile, open opener) *storedImage {
	img := &storedImage{descriptor: d, rawManifest: rawManifest, manifest: m, rawConfig: rawConfig, config: cfg}
	for i, l := range m.Layers {
		diffID := l.Digest // an artifact has none
		if cfg != nil {
			diffID = cfg.RootFS.DiffIDs[i]
		}
		img.layers = append(img.layers, &storedLayer{descriptor: l, diffID: diffID, open: open})
	}
	return img
}

// Layers implements v1.Image.
func (i *storedImage) Layers() ([]v1.Layer, error) {
	out := make([]v1.Layer, len(i.layers))
	for n, l := range i.layers {
		out[n] = l
	}
	return out, nil
}

// MediaType implements v1.Image.
func (i *storedImage) MediaType() (types.MediaType, error) { return i.descriptor.MediaType, nil }

// Size implements v1.Image.
func (i *storedImage) Size() (int64, error) { return int64(len(i.rawManifest)), nil }

// ConfigName implements v1.Image.
func (i *storedImage) ConfigName() (v1.Hash, error) { return i.manifest.Config.Digest, nil }

// ConfigFile implements v1.Image. An artifact has an empty one.
func (i *storedImage) ConfigFile() (*v1.ConfigFile, error) {
	if i.config == nil {
		return &v1.ConfigFile{}, nil
	}
	return i.config.DeepCopy(), nil
}

// RawConfigFile implements v1.Image.
func (i *storedImage) RawConfigFile() ([]byte, error) { return bytes.Clone(i.rawConfig), nil }

// Digest implements v1.Image.
func (i *storedImage) Digest() (v1.Hash, error) { return i.descriptor.Digest, nil }

// Manifest implements v1.Image.
func (i *storedImage) Manifest() (*v1.Manifest, error) { return i.manifest.DeepCopy(), nil }

// RawManifest implements v1.Image.
func (i *storedImage) RawManifest() ([]byte, error) { return bytes.Clone(i.rawManifest), nil }

// LayerByDigest implements v1.Image. The config counts as a layer here, as in
// go-containerregistry.
func (i *storedImage) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if h == i.manifest.Config.Digest {
		return &storedLayer{descriptor: i.manifest.Config, diffID: h, open: i.openConfig}, nil
	}
	for _, l := range i.layers {
		if l.descriptor.Digest == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("image %s has no layer %s", i.descriptor.Digest, h)
}

func (i *storedImage) openConfig(v1.Descriptor) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(i.rawConfig)), nil
}

// LayerByDiffID implements v1.Image.
func (i *storedImage) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for _, l := range i.layers {
		if l.diffID == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("image %s has no layer with diff ID %s", i.descriptor.Digest, h)
}

// storedLayer is one layer of a storedImage.
type storedLayer struct {
	descriptor v1.Descriptor
	diffID     v1.Hash
	open       opener
}

var _ v1.Layer = (*storedLayer)(nil)

// Digest implements v1.Layer.
func (l *storedLayer) Digest() (v1.Hash, error) { return l.descriptor.Digest, nil }

// DiffID implements v1.Layer.
func (l *storedLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size implements v1.Layer.
func (l *storedLayer) Size() (int64, error) { return l.descriptor.Size, nil }

// MediaType implements v1.Layer.
func (l *storedLayer) MediaType() (types.MediaType, error) { return l.descriptor.MediaType, nil }

// Descriptor returns the layer's descriptor as its manifest has it; mutate and
// partial ask for it so that annotations survive.
func (l *storedLayer) Descriptor() (*v1.Descriptor, error) { return l.descriptor.DeepCopy(), nil }

// Compressed implements v1.Layer: the stored bytes, verified.
func (l *storedLayer) Compressed() (io.ReadCloser, error) {
	r, err := l.open(l.descriptor)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", l.descriptor.Digest, err)
	}
	return verified(r, l.descriptor.Digest, l.descriptor.Size), nil
}

// Uncompressed implements v1.Layer: the tar bytes, verified on both sides. A
// blob of an artifact comes as it is stored.
func (l *storedLayer) Uncompressed() (io.ReadCloser, error) {
	stored, err := l.Compressed()
	if err != nil || l.diffID == l.descriptor.Digest {
		return stored, err
	}
	kind, err := layerCompression(l.descriptor.MediaType)
	if err != nil {
		return nil, errors.Join(err, stored.Close())
	}
	r, err := newInflated(stored, kind, l.diffID)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("layer %s: %w", l.descriptor.Digest, err), stored.Close())
	}
	return r, nil
}

// inflated reads a compressed layer's content. At its end the diff ID is
// checked and the stored blob is read to its end, so that it is verified too.
type inflated struct {
	io.Reader
	stored io.ReadCloser
	close  func()
	sum    hash.Hash
	want   v1.Hash
	err    error
}

func newInflated(stored io.ReadCloser, kind codec, want v1.Hash) (*inflated, error) {
	f := &inflated{stored: stored, close: func() {}, sum: sha256.New(), want: want}
	switch kind {
	case gzipped:
		z, err := gzip.NewReader(stored)
		if err != nil {
			return nil, fmt.Errorf("reading gzip: %w", err)
		}
		f.Reader = z
	case zstandard:
		z, err := zstd.NewReader(stored, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("reading zstd: %w", err)
		}
		f.Reader, f.close = z, z.Close
	case uncompressed:
		f.Reader = stored
	}
	return f, nil
}

// zstdWindow is the largest window that a zstd decoder has to support (RFC 8878
// recommends 8 MiB; --long=27 of the command line tool makes 128 MiB).
const zstdWindow = 128 << 20

// Read implements io.Reader.
func (f *inflated) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.Reader.Read(p)
	_, _ = f.sum.Write(p[:n]) // a hash never fails
	if errors.Is(err, io.EOF) {
		err = f.finish()
	}
	f.err = err
	return n, err
}

func (f *inflated) finish() error {
	if _, err := io.Copy(io.Discard, f.stored); err != nil {
		return err
	}
	if got := sumDigest(f.sum); got != f.want {
		return fmt.Errorf("layer content has diff ID %s, the config says %s", got, f.want)
	}
	return io.EOF
}

// Close implements io.Closer.
func (f *inflated) Close() error {
	f.close()
	return f.stored.Close()
}
