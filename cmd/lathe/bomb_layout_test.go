package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/internal/oddimage"
	"github.com/lathe-build/lathe/internal/testimage"
)

// bombLayout writes an OCI layout by hand, below bomb/ of a workspace, without
// holding what is large. The last thing that is written is in its index.
type bombLayout struct {
	workspace
	config func(*v1.ConfigFile) // changes the config of the image; nil: nothing
	notes  map[string]string    // annotations of the manifest
}

func newBombLayout(t *testing.T) *bombLayout {
	t.Helper()
	b := &bombLayout{workspace: workspace{t: t, dir: t.TempDir()}}
	b.check(os.MkdirAll(b.path("bomb/blobs/sha256"), 0o700))
	b.check(os.Mkdir(b.path("tmp"), 0o700))
	b.write("bomb/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	return b
}

// blob writes what fill does as a blob.
func (b *bombLayout) blob(media types.MediaType, fill func(io.Writer)) v1.Descriptor {
	b.t.Helper()
	f, err := os.CreateTemp(b.path("bomb"), "blob")
	b.check(err)
	defer f.Close()
	sum := sha256.New()
	buffered := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	fill(buffered)
	b.check(buffered.Flush())
	size, err := f.Seek(0, io.SeekEnd)
	b.check(err)
	d := v1.Descriptor{MediaType: media, Size: size, Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}}
	b.check(os.Rename(f.Name(), b.path("bomb/blobs/sha256/"+d.Digest.Hex)))
	return d
}

func (b *bombLayout) document(media types.MediaType, doc any) v1.Descriptor {
	b.t.Helper()
	raw, err := json.Marshal(doc)
	b.check(err)
	return b.blob(media, func(w io.Writer) { b.put(w, raw) })
}

func (b *bombLayout) put(w io.Writer, raw []byte) {
	b.t.Helper()
	_, err := w.Write(raw)
	b.check(err)
}

// layer is one whose archive fill writes.
func (b *bombLayout) layer(fill func(*tar.Writer)) (v1.Descriptor, v1.Hash) {
	b.t.Helper()
	sum := sha256.New()
	d := b.blob(types.OCILayer, func(out io.Writer) {
		z, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
		b.check(err)
		w := tar.NewWriter(io.MultiWriter(z, sum))
		fill(w)
		b.check(w.Close())
		b.check(z.Close())
	})
	return d, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// zeros is a layer of one file of pieces times 64 MiB of zeros.
func (b *bombLayout) zeros(pieces int) (v1.Descriptor, v1.Hash) {
	b.t.Helper()
	piece := make([]byte, 64<<20)
	var head bytes.Buffer
	b.check(tar.NewWriter(&head).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Size: int64(pieces) * int64(len(piece))}))
	sum := sha256.New()
	d := b.blob(types.OCILayer, func(out io.Writer) {
		member := func(raw []byte, times int) {
			zipped, err := testimage.Gzip(raw)
			b.check(err)
			for range times {
				b.put(sum, raw)
				b.put(out, zipped)
			}
		}
		member(head.Bytes(), 1)
		member(piece, pieces)
		member(make([]byte, 1024), 1)
	})
	return d, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// largestWindow is the default of --limit-window.
const largestWindow = 64 << 20

// windows is a layer of one file in a zstd frame with the largest window that is
// taken, and more content than fits into it.
func (b *bombLayout) windows() (v1.Descriptor, v1.Hash) {
	b.t.Helper()
	sum := sha256.New()
	d := b.blob(types.OCILayerZStd, func(out io.Writer) {
		z, err := zstd.NewWriter(out, zstd.WithWindowSize(largestWindow), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
		b.check(err)
		w := tar.NewWriter(io.MultiWriter(z, sum))
		chunk := make([]byte, 1<<20)
		for i := range chunk {
			chunk[i] = byte(i * i >> 7)
		}
		b.check(w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Size: 160 << 20}))
		for range 160 {
			b.put(w, chunk)
		}
		b.check(w.Close())
		b.check(z.Close())
	})
	return d, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}

// entry writes an entry and its content.
func (b *bombLayout) entry(w *tar.Writer, h *tar.Header, body string) {
	b.t.Helper()
	h.Size, h.Mode = int64(len(body)), 0o755
	b.check(w.WriteHeader(h))
	b.put(w, []byte(body))
}

// image writes an image that runs /app and has more layers, and a profile of it.
func (b *bombLayout) image(more ...func() (v1.Descriptor, v1.Hash)) v1.Descriptor {
	b.t.Helper()
	base, diffID := b.layer(func(w *tar.Writer) {
		b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: "app"}, string(testimage.ELF(testimage.ELFOptions{Type: "exec"})))
	})
	layers, diffIDs := []v1.Descriptor{base}, []v1.Hash{diffID}
	for _, layer := range more {
		d, diffID := layer()
		layers, diffIDs = append(layers, d), append(diffIDs, diffID)
	}
	config := v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Config: v1.Config{Entrypoint: []string{oddimage.App}},
		RootFS: v1.RootFS{Type: "layers", DiffIDs: diffIDs},
	}
	if b.config != nil {
		b.config(&config)
	}
	d := b.document(types.OCIManifestSchema1, v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: b.notes,
		Config: b.document(types.OCIConfigJSON, config), Layers: layers,
	})
	b.write("profile.json", oddimage.Profile(d.Digest))
	b.top(d)
	return d
}

// indexes writes an image below indexes in indexes, each of which has the one
// below it several times.
func (b *bombLayout) indexes(depth, times int) {
	b.t.Helper()
	d := b.image(b.small)
	d.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	for range depth {
		index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
		for range times {
			index.Manifests = append(index.Manifests, d)
		}
		d = b.document(types.OCIImageIndex, index)
	}
	b.top(d)
}

// nestedDepth is how many directories are one in another, each of them opaque.
const nestedDepth = 800

// nestedOpaque writes an image of files, spread over the depths, below which a
// layer has a new file and hides all others at each depth, deepest first.
func (b *bombLayout) nestedOpaque(files int) {
	b.t.Helper()
	dir := func(depth int) string { return strings.Repeat("d/", depth) }
	b.image(func() (v1.Descriptor, v1.Hash) {
		return b.layer(func(w *tar.Writer) {
			for i := range nestedDepth {
				b.check(w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir(i + 1), Mode: 0o755}))
			}
			for i := range files {
				b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%sf%d", dir(1+i%nestedDepth), i)}, "")
			}
			b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: "beside"}, "")
		})
	}, func() (v1.Descriptor, v1.Hash) {
		return b.layer(func(w *tar.Writer) {
			for i := range nestedDepth {
				b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: dir(nestedDepth-i) + ".wh..wh..opq"}, "")
			}
			b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: dir(nestedDepth) + "new"}, "")
			b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: dir(nestedDepth) + "unused"}, "")
		})
	})
}

// small is a layer of one file.
func (b *bombLayout) small() (v1.Descriptor, v1.Hash) {
	return b.layer(func(w *tar.Writer) { b.entry(w, &tar.Header{Typeflag: tar.TypeReg, Name: "file"}, "x") })
}

func (b *bombLayout) top(d v1.Descriptor) {
	b.t.Helper()
	raw, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{d}})
	b.check(err)
	b.write("bomb/index.json", raw)
}
