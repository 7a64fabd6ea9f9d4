package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/profile"
)

// Files of a generated image's directory.
const (
	LayoutDir   = "image"        // the OCI layout
	ProfileFile = "profile.json" // what ran
	FactsFile   = "facts.json"   // a [Facts]
)

// Facts are the sizes of a generated image.
type Facts struct {
	Shape      Shape `json:"shape"`
	Layers     int   `json:"layers"`
	Entries    int   `json:"entries"`
	Raw        int64 `json:"raw"`        // bytes of the archives
	Compressed int64 `json:"compressed"` // bytes of the blobs
}

// Generate makes the image of a shape and its profile in dir, which must not
// exist. The same shape gives the same bytes.
func Generate(ctx context.Context, dir string, shape Shape) (*Facts, error) {
	blobs := filepath.Join(dir, LayoutDir, "blobs", "sha256")
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("generating an image: %s is there already (%w)", dir, errors.Join(err, fs.ErrExist))
	}
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return nil, fmt.Errorf("generating an image: %w", err)
	}
	p := newPlanOf(shape)
	written, err := storeAll(ctx, blobs, p.layers())
	if err != nil {
		return nil, err
	}
	f := &Facts{Shape: shape, Layers: len(written)}
	for _, w := range written {
		f.Entries += w.entries
		f.Raw += w.raw
		f.Compressed += w.descriptor.Size
	}
	digest, err := writeDocuments(filepath.Join(dir, LayoutDir), written)
	if err != nil {
		return nil, err
	}
	if err := writeProfile(filepath.Join(dir, ProfileFile), p.profile(digest)); err != nil {
		return nil, err
	}
	return f, writeJSON(filepath.Join(dir, FactsFile), f)
}

// ReadFacts reads the facts of a generated image.
func ReadFacts(dir string) (*Facts, error) {
	raw, err := os.ReadFile(filepath.Join(dir, FactsFile))
	if err != nil {
		return nil, fmt.Errorf("reading a generated image: %w", err)
	}
	var f Facts
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("reading a generated image: %w", err)
	}
	return &f, nil
}

func storeAll(ctx context.Context, blobs string, list []*layer) ([]*writtenLayer, error) {
	c := newContents()
	written := make([]*writtenLayer, len(list))
	g, ctx := errgroup.WithContext(ctx)
	for i, l := range list {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			written[i], err = l.store(blobs, uint64(i), c) //nolint:gosec // a position
			return err
		})
	}
	return written, g.Wait()
}

// writeDocuments writes config, manifest and index, and gives the manifest's digest.
func writeDocuments(layout string, written []*writtenLayer) (v1.Hash, error) {
	config := v1.ConfigFile{
		OS: "linux", Architecture: "amd64", RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/srv/app/bin/server"}, Env: []string{"PATH=/usr/bin:/bin"}, WorkingDir: "/srv/app"},
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for i, w := range written {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, w.diffID)
		config.History = append(config.History, v1.History{CreatedBy: fmt.Sprintf("layer %d", i)})
		manifest.Layers = append(manifest.Layers, w.descriptor)
	}
	var err error
	if manifest.Config, err = writeBlob(layout, types.OCIConfigJSON, config); err != nil {
		return v1.Hash{}, err
	}
	desc, err := writeBlob(layout, types.OCIManifestSchema1, manifest)
	if err != nil {
		return v1.Hash{}, err
	}
	desc.Annotations = map[string]string{image.AnnotationRefName: "latest"}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{desc}}
	if err := writeJSON(filepath.Join(layout, "index.json"), index); err != nil {
		return v1.Hash{}, err
	}
	return desc.Digest, writeJSON(filepath.Join(layout, "oci-layout"), map[string]string{"imageLayoutVersion": "1.0.0"})
}

func writeBlob(layout string, mt types.MediaType, v any) (v1.Descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("generating an image: %w", err)
	}
	digest, size, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("generating an image: %w", err)
	}
	name := filepath.Join(layout, "blobs", "sha256", digest.Hex)
	if err := os.WriteFile(name, raw, 0o644); err != nil {
		return v1.Descriptor{}, fmt.Errorf("generating an image: %w", err)
	}
	return v1.Descriptor{MediaType: mt, Digest: digest, Size: size}, nil
}

func writeJSON(name string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("generating an image: %w", err)
	}
	if err := os.WriteFile(name, raw, 0o644); err != nil {
		return fmt.Errorf("generating an image: %w", err)
	}
	return nil
}

func writeProfile(name string, p *profile.Profile) error {
	raw, err := p.Canonical()
	if err != nil {
		return fmt.Errorf("generating a profile: %w", err)
	}
	if err := os.WriteFile(name, raw, 0o644); err != nil {
		return fmt.Errorf("generating a profile: %w", err)
	}
	return nil
}
