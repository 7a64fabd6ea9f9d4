package oddimage

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/lathe-build/lathe/internal/testimage"
)

// App is the path of the program that every image here runs.
const App = "/app"

// Unused is in the name of every file that is to be dropped, and of no other.
const Unused = "unused"

// Layer is one layer of a case.
type Layer struct {
	Archive     []byte            // what is inside
	Blob        []byte            // as it is stored; nil: gzip of Archive
	MediaType   types.MediaType   // empty: OCI gzip
	Annotations map[string]string // of the descriptor
}

// Case is one odd image.
type Case struct {
	Name   string
	Layers []Layer // above the base layer with the program
	// Late says that hard links come before their targets, which engines refuse
	// in the input and must never see in the output.
	Late bool
	// Program is what /app holds; nil: an ELF file without code.
	Program []byte
	// OwnProgram says that a layer brings another /app, without code.
	OwnProgram bool
	// NotUmoci says why umoci cannot unpack it.
	NotUmoci string
}

// Dropped reports whether a path, without a leading slash, is to be dropped.
func Dropped(p string) bool { return strings.Contains(p, Unused) }

// Image makes the image of a case.
func (c Case) Image() (v1.Image, error) {
	app := file("app", string(c.Program)).with(func(h *tar.Header) { h.Mode = 0o755 })
	if c.Program == nil {
		app.body = string(testimage.ELF(testimage.ELFOptions{Type: "exec"}))
	}
	base, err := archiveOf(dir("etc"), file("etc/os-release", "ID=odd\n"), app)
	if err != nil {
		return nil, err
	}
	file := &v1.ConfigFile{
		Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{App}},
	}
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), file)
	if err != nil {
		return nil, fmt.Errorf("making the config: %w", err)
	}
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for i, l := range append([]Layer{{Archive: base}}, c.Layers...) {
		add, err := l.addendum()
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		add.History = v1.History{CreatedBy: fmt.Sprintf("layer %d", i), Created: v1.Time{Time: time.Unix(int64(i), 0).UTC()}}
		if img, err = mutate.Append(img, add); err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
	}
	return img, nil
}

func (l Layer) addendum() (mutate.Addendum, error) {
	if l.MediaType == "" {
		l.MediaType = types.OCILayer
	}
	if l.Blob == nil {
		var err error
		if l.Blob, err = testimage.Gzip(l.Archive); err != nil {
			return mutate.Addendum{}, err
		}
	}
	return mutate.Addendum{
		Layer:     layer{Layer: static.NewLayer(l.Blob, l.MediaType), archive: l.Archive},
		MediaType: l.MediaType, Annotations: l.Annotations,
	}, nil
}

// layer is a static layer that knows what is inside.
type layer struct {
	v1.Layer
	archive []byte
}

// DiffID is the SHA-256 of the archive.
func (l layer) DiffID() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(l.archive))
	return h, err
}

// Uncompressed reads the archive.
func (l layer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.archive)), nil
}

// sourceID follows from the fields of the source.
const sourceID = "s-cadf25e8cd84"

// Profile is a complete runtime profile of the image with the given digest: it
// ran its program and nothing else.
func Profile(d v1.Hash) []byte {
	doc := map[string]any{
		"apiVersion": "lathe.dev/v1alpha1", "kind": "RuntimeProfile", "metadata": map[string]any{"name": "odd"},
		"images": []any{map[string]any{"digest": d.String(), "platform": "linux/amd64"}},
		"sources": []any{map[string]any{
			"id": sourceID, "kind": "observed", "recorder": map[string]any{"name": "strace", "version": "6.1", "method": "ptrace"},
			"run": "ci", "scenarios": []any{"odd"}, "complete": true, "vouched": true,
			"observes": []any{"exec", "open", "open.failed"}, "paths": map[string]any{"exec": "raw", "open": "raw", "root": "container"},
		}},
		"executables": []any{map[string]any{
			"path": App, "origin": []any{"entrypoint"}, "phase": []any{"startup"},
			"seen": map[string]any{sourceID: map[string]any{"n": 1}},
		}},
	}
	raw, _ := json.Marshal(doc) // maps and strings always encode
	return raw
}
