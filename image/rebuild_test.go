package image

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestRebuild(t *testing.T) {
	t.Parallel()
	idx := newIndex(t, "linux/amd64", "linux/arm64")
	im, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	im.MediaType = types.DockerManifestList
	im.Annotations = map[string]string{"keep": "this", "org.opencontainers.image.base.name": "alpine"}
	im.Subject = &v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digestA}
	im.Manifests[1].Annotations = map[string]string{"of": "the member"}
	fields := map[string]any{}
	if err := json.Unmarshal(mustJSON(t, im), &fields); err != nil {
		t.Fatal(err)
	}
	fields["unknown"] = "field"
	hardened := newImage(t, "linux/arm64", packedLayer(t, compression.GZip, "app", "only"))
	members := []Member{{Old: im.Manifests[1], Image: hardened, Platform: &v1.Platform{OS: "other"}}}
	got, err := Rebuild(&storedIndex{raw: mustJSON(t, fields)}, members, map[string]string{"dev.lathe": "x"})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := got.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := hardened.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"schemaVersion": 2.0, "mediaType": string(types.OCIImageIndex), "unknown": "field",
		"annotations": map[string]any{"keep": "this", "org.opencontainers.image.base.name": "alpine", "dev.lathe": "x"},
		"manifests": []any{map[string]any{
			"mediaType": string(types.OCIManifestSchema1), "digest": digestOf(manifest).String(), "size": float64(len(manifest)),
			"platform":    map[string]any{"os": "linux", "architecture": "arm64"},
			"annotations": map[string]any{"of": "the member"},
		}},
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	src := readOne(t, "oci:"+writeTestLayout(t, Entry{Index: got}), Options{})
	checkSame(t, src.Images[0].Image, hardened)
	if err := validate.Index(src.Index); err != nil {
		t.Error(err)
	}
	if _, err := got.Image(digestA); err == nil {
		t.Error("found a member that is not there")
	}
}

// Where the index names no platform the image's own is used; the same input
// gives the same bytes.
func TestRebuildPlatform(t *testing.T) {
	t.Parallel()
	idx := mutate.Annotations(newIndex(t), map[string]string{"b": "2", "a": "1"}).(v1.ImageIndex)
	member := Member{Image: newImage(t, "linux/amd64"), Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}
	var first []byte
	for range 5 {
		got, err := Rebuild(idx, []Member{member}, nil)
		if err != nil {
			t.Fatal(err)
		}
		im, err := got.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		if p := im.Manifests[0].Platform; p == nil || p.String() != "linux/amd64" {
			t.Errorf("platform %v", p)
		}
		raw, err := got.RawManifest()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = raw
		}
		if diff := cmp.Diff(string(first), string(raw)); diff != "" {
			t.Errorf("another run (-want +got):\n%s", diff)
		}
	}
}
