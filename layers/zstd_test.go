package layers_test

import (
	"archive/tar"
	"bytes"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/layers"
)

// zstdLayer is a layer of zstd frames.
type zstdLayer struct{ v1.Layer }

func (zstdLayer) MediaType() (types.MediaType, error) { return types.OCILayerZStd, nil }

type withDiffID struct {
	v1.Layer
	id v1.Hash
}

func (l withDiffID) DiffID() (v1.Hash, error) { return l.id, nil }

// zstdImage is an image of one layer: head, then an archive in zstd frames.
func zstdImage(t *testing.T, head string, raw []byte) v1.Image {
	t.Helper()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	blob := append([]byte(head), enc.EncodeAll(raw, nil)...)
	diffID, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	file, err := imageOf(t, raw).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	file.RootFS.DiffIDs, file.History = nil, nil
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), file)
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Append(img, mutate.Addendum{Layer: withDiffID{zstdLayer{static.NewLayer(blob, types.OCILayerZStd)}, diffID}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestSkippableFrameFirst writes a blob anew that some engines take for a bare
// archive.
func TestSkippableFrameFirst(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{"plain": "", "skippable frame": "\x50\x2a\x4d\x18\x04\x00\x00\x00toc!"} {
		img := zstdImage(t, head, tarOf(t, &tar.Header{Name: "a", Typeflag: tar.TypeReg}))
		res, err := layers.Rewrite(t.Context(), openImage(t, img), func(layers.Entry) layers.Edit { return layers.Edit{} })
		if err != nil {
			t.Fatal(err)
		}
		if res.Layers[0].Rewritten != (head != "") {
			t.Errorf("%s: rewritten: %v", name, res.Layers[0].Rewritten)
		}
	}
}

// TestZstdStaysZstd: a layer of zstd frames that loses an entry is written as
// one zstd frame again, and its descriptor says so.
func TestZstdStaysZstd(t *testing.T) {
	t.Parallel()
	raw := tarOf(t, &tar.Header{Name: "a", Typeflag: tar.TypeReg}, &tar.Header{Name: "b", Typeflag: tar.TypeReg})
	res, err := layers.Rewrite(t.Context(), openImage(t, zstdImage(t, "", raw)), func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == "a"} })
	if err != nil {
		t.Fatal(err)
	}
	if !res.Layers[0].Rewritten {
		t.Fatal("the layer is not rewritten")
	}
	manifest, err := res.Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := manifest.Layers[0].MediaType; got != types.OCILayerZStd {
		t.Errorf("the descriptor says %s", got)
	}
	list, err := res.Image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := list[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dec, err := zstd.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	h, err := tar.NewReader(dec).Next()
	if err != nil || h.Name != "b" {
		t.Errorf("the blob has %+v, %v", h, err)
	}
	after := openImage(t, res.Image)
	if _, ok := after.Lookup("a"); ok || after.Len() != 1 {
		t.Errorf("%d entries are left", after.Len())
	}
}
