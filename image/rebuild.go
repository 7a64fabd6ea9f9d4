package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Member is an image of an index that [Rebuild] makes.
type Member struct {
	Old      v1.Descriptor // its descriptor in the source's index
	Image    v1.Image
	Platform *v1.Platform // of the image, where the descriptor has none
}

// Rebuild makes an OCI index of members in their order. What else the source's
// index says stays, annotations and fields that nobody here knows among it, but
// for the subject: that is not ours to claim. The given annotations are added.
func Rebuild(source v1.ImageIndex, members []Member, annotations map[string]string) (v1.ImageIndex, error) {
	raw, err := source.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("reading the source's index: %w", err)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("reading the source's index: %w", err)
	}
	idx := &rebuiltIndex{}
	var manifests []v1.Descriptor
	for _, m := range members {
		d, err := partial.Descriptor(m.Image)
		if err != nil {
			return nil, fmt.Errorf("describing a member: %w", err)
		}
		d.Platform, d.Annotations = m.Old.Platform, m.Old.Annotations
		if d.Platform == nil {
			d.Platform = m.Platform
		}
		manifests = append(manifests, *d)
		idx.images = append(idx.images, m.Image)
	}
	notes := map[string]string{}
	if old, ok := fields["annotations"]; ok {
		if err := json.Unmarshal(old, &notes); err != nil {
			return nil, fmt.Errorf("reading the source's annotations: %w", err)
		}
	}
	if notes == nil {
		notes = map[string]string{}
	}
	for k, v := range annotations {
		notes[k] = v
	}
	delete(fields, "subject")
	for key, value := range map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIImageIndex, "manifests": manifests, "annotations": notes,
	} {
		if fields[key], err = json.Marshal(value); err != nil {
			return nil, fmt.Errorf("writing the index: %w", err)
		}
	}
	if idx.raw, err = json.Marshal(fields); err != nil {
		return nil, fmt.Errorf("writing the index: %w", err)
	}
	if idx.manifest, err = v1.ParseIndexManifest(bytes.NewReader(idx.raw)); err != nil {
		return nil, fmt.Errorf("reading the new index back: %w", err)
	}
	return idx, nil
}

// rebuiltIndex is an index whose members are at hand.
type rebuiltIndex struct {
	raw      []byte
	manifest *v1.IndexManifest
	images   []v1.Image
}

var _ v1.ImageIndex = (*rebuiltIndex)(nil)

// MediaType is that of an OCI index.
func (i *rebuiltIndex) MediaType() (types.MediaType, error) { return types.OCIImageIndex, nil }

// Digest is the SHA-256 of the index.
func (i *rebuiltIndex) Digest() (v1.Hash, error) { return partial.Digest(i) }

// Size is the number of bytes of the index.
func (i *rebuiltIndex) Size() (int64, error) { return int64(len(i.raw)), nil }

// IndexManifest is the parsed index.
func (i *rebuiltIndex) IndexManifest() (*v1.IndexManifest, error) { return i.manifest.DeepCopy(), nil }

// RawManifest is the index as it is stored.
func (i *rebuiltIndex) RawManifest() ([]byte, error) { return bytes.Clone(i.raw), nil }

// Image finds a member by its digest.
func (i *rebuiltIndex) Image(h v1.Hash) (v1.Image, error) {
	for _, img := range i.images {
		if d, err := img.Digest(); err == nil && d == h {
			return img, nil
		}
	}
	return nil, fmt.Errorf("the index has no image %s", h)
}

// ImageIndex finds nothing: the members are images.
func (i *rebuiltIndex) ImageIndex(v1.Hash) (v1.ImageIndex, error) {
	return nil, errors.New("the index has no nested index")
}
