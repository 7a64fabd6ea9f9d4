package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tarOf returns a tar file of "name", "content" pairs.
func tarOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		hdr := &tar.Header{Typeflag: tar.TypeReg, Name: pairs[i], Size: int64(len(pairs[i+1])), Mode: 0o644}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func rawLayer(t testing.TB, pairs ...string) v1.Layer {
	t.Helper()
	return static.NewLayer(tarOf(t, pairs...), types.OCIUncompressedLayer)
}

func packedLayer(t testing.TB, kind compression.Compression, pairs ...string) v1.Layer {
	t.Helper()
	data := tarOf(t, pairs...)
	mt := types.OCILayer
	if kind == compression.ZStd {
		mt = types.OCILayerZStd
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}, tarball.WithCompression(kind), tarball.WithMediaType(mt))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newImage returns an OCI image for a platform such as "linux/amd64".
func newImage(t testing.TB, platform string, layers ...v1.Layer) v1.Image {
	t.Helper()
	osName, arch, _ := strings.Cut(platform, "/")
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	base, err := mutate.ConfigFile(base, &v1.ConfigFile{
		OS: osName, Architecture: arch, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/app"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// testImage is an image with a layer of each compression.
func testImage(t testing.TB) v1.Image {
	t.Helper()
	return newImage(t, "linux/amd64",
		packedLayer(t, compression.GZip, "bin/sh", strings.Repeat("shell", 1000)),
		packedLayer(t, compression.ZStd, "lib/libc.so", strings.Repeat("libc", 1000)),
		rawLayer(t, "app", "application"),
	)
}

// newIndex returns an index of images, one for each platform.
func newIndex(t testing.TB, platforms ...string) v1.ImageIndex {
	t.Helper()
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		osName, arch, _ := strings.Cut(p, "/")
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
			Add:        newImage(t, p, packedLayer(t, compression.GZip, "app", "for "+p)),
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: osName, Architecture: arch}},
		})
	}
	return idx
}

func digestOrFail(t testing.TB, d interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// writeTestLayout writes a layout into a new directory.
func writeTestLayout(t testing.TB, entries ...Entry) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "layout")
	if err := WriteLayout(t.Context(), dir, entries); err != nil {
		t.Fatal(err)
	}
	return dir
}

// drain reads an image whole and returns its layers as stored. The first error
// is returned.
func drain(img v1.Image) (stored []string, err error) {
	if _, err := img.RawConfigFile(); err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		for _, open := range []func() (io.ReadCloser, error){l.Compressed, l.Uncompressed} {
			data, err := readAll(open)
			if err != nil {
				return nil, err
			}
			stored = append(stored, string(data))
		}
	}
	return stored, nil
}

func readAll(open func() (io.ReadCloser, error)) ([]byte, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

// checkSame compares two images byte for byte: manifest, config, layers.
func checkSame(t *testing.T, got, want v1.Image) {
	t.Helper()
	for name, f := range map[string]func(v1.Image) ([]byte, error){"manifest": v1.Image.RawManifest, "config": v1.Image.RawConfigFile} {
		g, gerr := f(got)
		w, werr := f(want)
		if gerr != nil || werr != nil {
			t.Fatalf("%s: %v, %v", name, gerr, werr)
		}
		if diff := cmp.Diff(string(w), string(g)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	g, err := drain(got)
	if err != nil {
		t.Fatalf("reading the image back: %v", err)
	}
	w, err := drain(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
}

// readOne reads a reference that names a single image.
func readOne(t *testing.T, ref string, opts Options) *Source {
	t.Helper()
	r, err := ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	src, err := Read(t.Context(), r, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return src
}

// readErr reads a reference and everything it names; it returns the first error.
func readErr(t *testing.T, ref string, opts Options) error {
	t.Helper()
	r, err := ParseRef(ref)
	if err != nil {
		return err
	}
	src, err := Read(t.Context(), r, opts)
	if err != nil {
		return err
	}
	defer src.Close()
	for _, p := range src.Images {
		if _, err := drain(p.Image); err != nil {
			return err
		}
	}
	return nil
}

// wantErr fails unless err holds each part.
func wantErr(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

// mustJSON encodes v.
func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func writeTestFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// fast are options for tests against a local registry: no waiting.
func fast() Options {
	return Options{
		Timeout: 5 * time.Second,
		retry:   retryPolicy{attempts: 3, sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
	}
}

// packedArtifact is a layer that is not a root filesystem, as in a signature.
func packedArtifact(t testing.TB) v1.Layer {
	t.Helper()
	return static.NewLayer([]byte(`{"critical":{}}`), "application/vnd.dev.cosign.simplesigning.v1+json")
}

func mustLayers(t testing.TB, img v1.Image) []v1.Layer {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	return layers
}

// tlsServer is a registry with a certificate of its own making.
type tlsServer struct{ host, caFile string }

func newTLSServer(t *testing.T, h http.Handler) tlsServer {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	writeTestFile(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	return tlsServer{host: strings.TrimPrefix(srv.URL, "https://"), caFile: file}
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
