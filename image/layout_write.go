package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Entry is one image or index to write; exactly one of Image and Index is set.
type Entry struct {
	Image v1.Image
	Index v1.ImageIndex
	// Annotations of the entry in a layout's index.json; not part of the image.
	Annotations map[string]string
	// Platform of the entry in a layout's index.json, or nil.
	Platform *v1.Platform
}

// content is what images and indexes have in common.
type content interface {
	partial.WithRawManifest
	partial.Describable
}

func (e Entry) content() (content, error) {
	switch {
	case (e.Image == nil) == (e.Index == nil):
		return nil, errors.New("an entry must have either an image or an index")
	case e.Image != nil:
		return e.Image, nil
	default:
		return e.Index, nil
	}
}

// document returns an entry's manifest and its descriptor, which is computed
// from the bytes and compared with what the entry says about itself.
func documentOf(c content) ([]byte, v1.Descriptor, error) {
	raw, err := c.RawManifest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	said, err := c.Digest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	mt, err := c.MediaType()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: mt, Digest: digestOf(raw), Size: int64(len(raw))}
	if d.Digest != said {
		return nil, d, fmt.Errorf("manifest %s has other content: its digest is %s", said, d.Digest)
	}
	return raw, d, nil
}

// WriteLayout writes an OCI image layout with the given entries, in that order,
// into dir, which must be empty or absent; use [Stage] for one that appears at
// its final name only when it is whole. Each blob is written to a temporary
// file, its digest and size checked, synced and renamed; a blob that several
// images share is written once. index.json is written last.
func WriteLayout(ctx context.Context, dir string, entries []Entry) error {
	if err := writeLayout(ctx, dir, entries); err != nil {
		return fmt.Errorf("writing layout %s: %w", dir, err)
	}
	return nil
}

func writeLayout(ctx context.Context, dir string, entries []Entry) error {
	if err := makeEmptyDir(dir); err != nil {
		return err
	}
	blobs := filepath.Join(dir, filepath.FromSlash(blobsDir))
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	w := &walker{put: blobDir{dir: blobs}.put}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, e := range entries {
		d, err := w.entry(ctx, e)
		if err != nil {
			return err
		}
		d.Annotations, d.Platform = maps.Clone(e.Annotations), e.Platform
		index.Manifests = append(index.Manifests, d)
	}
	if err := syncDir(blobs); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(index, "", "  ")
	if err != nil {
		return err
	}
	head := []byte(`{"imageLayoutVersion":"` + layoutVersion + `"}`)
	if err := WriteFile(filepath.Join(dir, layoutFile), head, 0o644); err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, indexFile), append(raw, '\n'), 0o644)
}

func makeEmptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.Mkdir(dir, 0o755)
	}
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%w: the directory is not empty", ErrExists)
	}
	return err
}

// blobDir stores blobs by their digest.
type blobDir struct{ dir string }

// put stores one blob, verified. The walker calls it once a digest.
func (b blobDir) put(ctx context.Context, d v1.Descriptor, _ bool, open func() (io.ReadCloser, error)) error {
	if err := checkDigest(d.Digest); err != nil {
		return err
	}
	return writeAtomic(filepath.Join(b.dir, d.Digest.Hex), 0o644, func(f *os.File) (err error) {
		r, err := open()
		if err != nil {
			return err
		}
		v := verified(r, d.Digest, d.Size)
		defer func() { err = errors.Join(err, v.Close()) }()
		_, err = io.Copy(f, withContext(ctx, v))
		return err
	})
}

func openBytes(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}
