package image

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// lazyImage is a member of an index that is read when it is first needed.
type lazyImage struct {
	descriptor v1.Descriptor
	load       func() (*storedImage, error)
}

var _ v1.Image = (*lazyImage)(nil)

func (l *loader) lazyImage(ctx context.Context, d v1.Descriptor) *lazyImage {
	return &lazyImage{descriptor: d, load: sync.OnceValues(func() (*storedImage, error) {
		raw, err := l.document(ctx, d)
		if err != nil {
			return nil, err
		}
		doc, mt, err := readDocumentKind(raw, d.MediaType)
		if err == nil && !mt.IsImage() {
			err = fmt.Errorf("an index, although its descriptor says %q", string(d.MediaType))
		}
		if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
		}
		return l.image(ctx, d, raw, doc)
	})}
}

// Digest implements v1.Image; it needs no reading.
func (i *lazyImage) Digest() (v1.Hash, error) { return i.descriptor.Digest, nil }

// Size implements v1.Image; it needs no reading.
func (i *lazyImage) Size() (int64, error) { return i.descriptor.Size, nil }

// MediaType implements v1.Image; it needs no reading.
func (i *lazyImage) MediaType() (types.MediaType, error) { return i.descriptor.MediaType, nil }

// Layers implements v1.Image.
func (i *lazyImage) Layers() ([]v1.Layer, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.Layers()
}

// ConfigName implements v1.Image.
func (i *lazyImage) ConfigName() (v1.Hash, error) {
	img, err := i.load()
	if err != nil {
		return v1.Hash{}, err
	}
	return img.ConfigName()
}

// ConfigFile implements v1.Image.
func (i *lazyImage) ConfigFile() (*v1.ConfigFile, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.ConfigFile()
}

// RawConfigFile implements v1.Image.
func (i *lazyImage) RawConfigFile() ([]byte, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.RawConfigFile()
}

// Manifest implements v1.Image.
func (i *lazyImage) Manifest() (*v1.Manifest, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.Manifest()
}

// RawManifest implements v1.Image.
func (i *lazyImage) RawManifest() ([]byte, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.RawManifest()
}

// LayerByDigest implements v1.Image.
func (i *lazyImage) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.LayerByDigest(h)
}

// LayerByDiffID implements v1.Image.
func (i *lazyImage) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	img, err := i.load()
	if err != nil {
		return nil, err
	}
	return img.LayerByDiffID(h)
}

// storedIndex is an index whose document is in memory, checked.
type storedIndex struct {
	descriptor v1.Descriptor
	raw        []byte
	manifest   *v1.IndexManifest
	image      func(v1.Descriptor) (v1.Image, error)
	index      func(v1.Descriptor) (v1.ImageIndex, error)
}

var _ v1.ImageIndex = (*storedIndex)(nil)

// MediaType implements v1.ImageIndex.
func (i *storedIndex) MediaType() (types.MediaType, error) { return i.descriptor.MediaType, nil }

// Digest implements v1.ImageIndex.
func (i *storedIndex) Digest() (v1.Hash, error) { return i.descriptor.Digest, nil }

// Size implements v1.ImageIndex.
func (i *storedIndex) Size() (int64, error) { return int64(len(i.raw)), nil }

// IndexManifest implements v1.ImageIndex.
func (i *storedIndex) IndexManifest() (*v1.IndexManifest, error) { return i.manifest.DeepCopy(), nil }

// RawManifest implements v1.ImageIndex.
func (i *storedIndex) RawManifest() ([]byte, error) { return bytes.Clone(i.raw), nil }

// Image implements v1.ImageIndex.
func (i *storedIndex) Image(h v1.Hash) (v1.Image, error) {
	d, err := i.member(h)
	if err != nil {
		return nil, err
	}
	return i.image(d)
}

// ImageIndex implements v1.ImageIndex.
func (i *storedIndex) ImageIndex(h v1.Hash) (v1.ImageIndex, error) {
	d, err := i.member(h)
	if err != nil {
		return nil, err
	}
	return i.index(d)
}

func (i *storedIndex) member(h v1.Hash) (v1.Descriptor, error) {
	for _, d := range i.manifest.Manifests {
		if d.Digest == h {
			return d, nil
		}
	}
	return v1.Descriptor{}, fmt.Errorf("index %s does not list %s", i.descriptor.Digest, h)
}
