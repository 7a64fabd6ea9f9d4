package image

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// What we return must keep the library's contracts: every method agrees with
// every other.
func TestImagesAreValid(t *testing.T) {
	t.Parallel()
	idx := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: newIndex(t, "linux/amd64", "linux/arm64")},
		mutate.IndexAddendum{Add: newImage(t, "linux/s390x", packedLayer(t, compression.GZip, "f", "x"))})
	src := readOne(t, "oci:"+writeTestLayout(t, Entry{Index: idx}), Options{})
	if err := validate.Index(src.Index); err != nil {
		t.Error(err)
	}
	single := newImage(t, "linux/amd64", packedLayer(t, compression.GZip, "f", "x"))
	src.Images = append(src.Images, readOne(t, "oci:"+writeTestLayout(t, Entry{Image: single}), Options{}).Images...)
	if len(src.Images) != 4 {
		t.Fatalf("%d images", len(src.Images))
	}
	for _, p := range src.Images {
		if err := validate.Image(p.Image); err != nil {
			t.Errorf("%s: %v", p.Platform, err)
		}
		checkLookups(t, p.Image)
	}
}

// checkLookups finds every blob of an image by each of its names.
func checkLookups(t *testing.T, img v1.Image) {
	t.Helper()
	config, err := partial.ConfigLayer(img)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(config.Compressed); err != nil || !strings.HasPrefix(string(got), "{") {
		t.Errorf("config as a layer: %q, %v", got, err)
	}
	name, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := img.LayerByDigest(name); err != nil || digestOrFail(t, l) != name {
		t.Errorf("config by digest: %v", err)
	}
	for _, l := range mustLayers(t, img) {
		diffID, err := l.DiffID()
		if err != nil {
			t.Fatal(err)
		}
		byDiffID, err := img.LayerByDiffID(diffID)
		if err != nil || digestOrFail(t, byDiffID) != digestOrFail(t, l) {
			t.Errorf("layer by diff ID: %v", err)
		}
	}
	if _, err := img.LayerByDigest(digestA); err == nil {
		t.Error("found a layer that is not there")
	}
	if _, err := img.LayerByDiffID(digestA); err == nil {
		t.Error("found a diff ID that is not there")
	}
}

// Annotations of layers survive the library's mutations.
func TestLayerDescriptor(t *testing.T) {
	t.Parallel()
	img, err := mutate.Append(newImage(t, "linux/amd64"), mutate.Addendum{
		Layer: packedLayer(t, compression.GZip, "f", "x"), Annotations: map[string]string{"a": "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	src := readOne(t, "oci:"+writeTestLayout(t, Entry{Image: img}), Options{})
	d, err := partial.Descriptor(mustLayers(t, src.Images[0].Image)[0])
	if err != nil || d.Annotations["a"] != "b" {
		t.Errorf("descriptor %+v, %v", d, err)
	}
}

func gzipOf(t *testing.T, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestUncompressedFaults(t *testing.T) {
	t.Parallel()
	content := tarOf(t, "f", "content")
	packed := gzipOf(t, content)
	for _, tc := range []struct {
		name   string
		stored []byte
		mt     types.MediaType
		diffID v1.Hash
		want   string
	}{
		{"good", packed, types.OCILayer, digestOf(content), ""},
		{"other diff ID", packed, types.OCILayer, digestA, "the config says " + digestA.String()},
		{"raw with other diff ID", content, types.OCIUncompressedLayer, digestA, "the config says"},
		{"not gzip", content, types.OCILayer, digestOf(content), "gzip"},
		{"not zstd", packed, types.OCILayerZStd, digestOf(content), "magic"},
		{"gzip ends early", packed[:len(packed)-4], types.OCILayer, digestOf(content), "EOF"},
		{"gzip and more", append(bytes.Clone(packed), "what is not gzip either"...), types.OCILayer, digestOf(content), "gzip"},
		{"unknown", packed, "application/x", digestOf(content), "unknown media type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			closed := false
			l := &storedLayer{
				descriptor: v1.Descriptor{MediaType: tc.mt, Digest: digestOf(tc.stored), Size: int64(len(tc.stored))},
				diffID:     tc.diffID,
				open: func(v1.Descriptor) (io.ReadCloser, error) {
					return closeFunc{bytes.NewReader(tc.stored), func() { closed = true }}, nil
				},
			}
			if tc.name == "not gzip" || tc.name == "not zstd" {
				l.diffID = digestA // the layer is not its own content
			}
			got, err := readAll(l.Uncompressed)
			if tc.want != "" {
				wantErr(t, err, tc.want)
			} else if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if !closed {
				t.Error("the stored blob is still open")
			}
		})
	}
}

// closeFunc is a reader that tells when it is closed.
type closeFunc struct {
	io.Reader
	f func()
}

// Close implements io.Closer.
func (c closeFunc) Close() error {
	c.f()
	return nil
}

// broken is an image that says something about itself that is not so.
type broken struct {
	v1.Image
	layers   []v1.Layer
	digest   v1.Hash
	manifest []byte
}

// Layers implements v1.Image.
func (b broken) Layers() ([]v1.Layer, error) { return b.layers, nil }

// Digest implements v1.Image.
func (b broken) Digest() (v1.Hash, error) { return b.digest, nil }

// RawManifest implements v1.Image.
func (b broken) RawManifest() ([]byte, error) {
	if b.manifest == nil {
		return nil, errors.New("no manifest")
	}
	return b.manifest, nil
}

// An image that somebody else made is not believed when it is written.
func TestWriteBrokenImages(t *testing.T) {
	t.Parallel()
	img := testImage(t)
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	good := broken{Image: img, layers: mustLayers(t, img), digest: digestOf(raw), manifest: raw}
	noManifest, otherDigest, fewLayers, swapped := good, good, good, good
	noManifest.manifest = nil
	otherDigest.digest = digestA
	fewLayers.layers = good.layers[1:]
	swapped.layers = []v1.Layer{good.layers[1], good.layers[0], good.layers[2]}
	for want, b := range map[string]broken{
		"": good, "no manifest": noManifest, "has other content": otherDigest,
		"2 layers, its manifest 3": fewLayers, "blob sha256:": swapped,
	} {
		err := WriteLayout(t.Context(), t.TempDir(), []Entry{{Image: b}})
		if want == "" && err != nil {
			t.Error(err)
		}
		if want != "" {
			wantErr(t, err, want)
		}
	}
}
