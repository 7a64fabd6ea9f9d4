package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	otherlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestLayoutRoundTrip(t *testing.T) {
	t.Parallel()
	img := testImage(t)
	dir := writeTestLayout(t, Entry{Image: img, Annotations: map[string]string{AnnotationRefName: "v1"}})
	src := readOne(t, "oci:"+dir, Options{})
	if src.Digest != digestOrFail(t, img) || src.Tag != "v1" || src.Index != nil || len(src.Images) != 1 {
		t.Errorf("source is %+v", src)
	}
	if p := src.Images[0].Platform; p.OS != "linux" || p.Architecture != "amd64" {
		t.Errorf("platform %v", p)
	}
	checkSame(t, src.Images[0].Image, img)

	// The library must agree; it can check gzip only.
	img = newImage(t, "linux/amd64", packedLayer(t, compression.GZip, "f", "x"))
	other, err := otherlayout.ImageIndexFromPath(writeTestLayout(t, Entry{Image: img}))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(other); err != nil {
		t.Error(err)
	}
}

func TestLayoutIndexRoundTrip(t *testing.T) {
	t.Parallel()
	idx := newIndex(t, "linux/amd64", "linux/arm64")
	dir := writeTestLayout(t, Entry{Index: idx})
	src := readOne(t, "oci:"+dir, Options{})
	if src.Digest != digestOrFail(t, idx) || src.Index == nil || src.Tag != "" {
		t.Errorf("source is %+v", src)
	}
	var got []string
	for _, p := range src.Images {
		got = append(got, p.Platform.String())
		want, err := idx.Image(p.Descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, p.Image, want)
	}
	if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, got); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
	again := writeTestLayout(t, Entry{Index: src.Index})
	if diff := cmp.Diff(tree(t, dir), tree(t, again)); diff != "" {
		t.Errorf("the layout of what was read (-want +got):\n%s", diff)
	}
}

// tree returns the content of every file below dir.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	root := os.DirFS(dir)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := root.Open(filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := io.ReadAll(f)
		out[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Every single blob, changed in every way, must be noticed.
func TestLayoutTampering(t *testing.T) {
	t.Parallel()
	dir := writeTestLayout(t, Entry{Index: mutate.AppendManifests(
		mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: testImage(t)})})
	blobs := filepath.Join(dir, "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 6 { // index, manifest, config, three layers
		t.Fatalf("%d blobs", len(entries))
	}
	for _, e := range entries {
		path := filepath.Join(blobs, e.Name())
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(good)
		flipped[len(flipped)-1] ^= 1
		for name, bad := range map[string][]byte{
			"flipped":   flipped,
			"truncated": good[:len(good)-1],
			"longer":    append(bytes.Clone(good), 'x'),
			"empty":     nil,
		} {
			writeTestFile(t, path, bad)
			if err := readErr(t, "oci:"+dir, Options{}); err == nil {
				t.Errorf("%s blob %s was not noticed", name, e.Name())
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := readErr(t, "oci:"+dir, Options{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("missing blob %s: %v", e.Name(), err)
		}
		writeTestFile(t, path, good)
	}
	if err := readErr(t, "oci:"+dir, Options{}); err != nil {
		t.Errorf("the layout is not good any more: %v", err)
	}
}

func TestLayoutRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"no oci-layout", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "oci-layout")); err != nil {
				t.Fatal(err)
			}
		}, "not an OCI layout"},
		{"version", func(t *testing.T, dir string) {
			writeTestFile(t, filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"2.0.0"}`))
		}, `"2.0.0"`},
		{"index.json is too large", func(t *testing.T, dir string) {
			writeTestFile(t, filepath.Join(dir, "index.json"), bytes.Repeat([]byte(" "), 4<<20+1))
		}, "over the limit"},
		{"no entries", func(t *testing.T, dir string) {
			writeTestFile(t, filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[]}`))
		}, "no image"},
		{"digest is a path", func(t *testing.T, dir string) {
			writeTestFile(t, filepath.Join(dir, "index.json"), []byte(`{"schemaVersion":2,"manifests":[{"mediaType":"x","size":1,"digest":"sha256:../../../etc/passwd"}]}`))
		}, "non-hex character"},
		{"index.json leads out of the layout", func(t *testing.T, dir string) {
			outside := filepath.Join(t.TempDir(), "index.json")
			writeTestFile(t, outside, []byte(`{}`))
			if err := errors.Join(os.Remove(filepath.Join(dir, "index.json")), os.Symlink(outside, filepath.Join(dir, "index.json"))); err != nil {
				t.Fatal(err)
			}
		}, "escapes"},
		{"index.json is a directory", func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(filepath.Join(dir, "index.json")), os.Mkdir(filepath.Join(dir, "index.json"), 0o755)); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := writeTestLayout(t, Entry{Image: testImage(t)})
			tc.spoil(t, dir)
			wantErr(t, readErr(t, "oci:"+dir, Options{}), tc.want, "oci:"+dir)
		})
	}
}

func TestLayoutPick(t *testing.T) {
	t.Parallel()
	other := newImage(t, "linux/amd64", rawLayer(t, "other", "x"))
	img, sig := testImage(t), newImage(t, "linux/amd64", rawLayer(t, "sig", "x"))
	tag := func(s string) map[string]string { return map[string]string{AnnotationRefName: s} }
	kind := func(k string) map[string]string { return map[string]string{AnnotationKind: k, AnnotationRefName: "v1"} }
	two := []Entry{{Image: img, Annotations: tag("v1")}, {Image: other, Annotations: tag("v2")}}
	for _, tc := range []struct {
		name    string
		entries []Entry
		suffix  string
		want    v1.Image // nil: error
		tag     string
		err     string
	}{
		{"only one", []Entry{{Image: img}}, "", img, "", ""},
		{"by tag", two, ":v2", other, "v2", ""},
		{"by digest", two, "@" + digestOrFail(t, other).String(), other, "v2", ""},
		{"two without a tag", two, "", nil, "", `":v1", ":v2"`},
		{"unknown tag", two, ":v3", nil, "", `":v1", ":v2"`},
		{"one image, two tags", []Entry{{Image: img, Annotations: tag("v1")}, {Image: img, Annotations: tag("v2")}}, "", img, "", ""},
		{"cosign's", []Entry{
			{Image: sig, Annotations: kind(KindSignatures)},
			{Image: other, Annotations: kind(KindAttestations)},
			{Image: img, Annotations: kind(KindImage)},
		}, "", img, "v1", ""},
		{"only signatures", []Entry{{Image: sig, Annotations: kind(KindSignatures)}}, "", nil, "", "no image"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := writeTestLayout(t, tc.entries...)
			if tc.want == nil {
				wantErr(t, readErr(t, "oci:"+dir+tc.suffix, Options{}), tc.err)
				return
			}
			src := readOne(t, "oci:"+dir+tc.suffix, Options{})
			if src.Digest != digestOrFail(t, tc.want) || src.Tag != tc.tag {
				t.Errorf("got %s with tag %q", src.Digest, src.Tag)
			}
		})
	}
}

func TestIndexMembers(t *testing.T) {
	t.Parallel()
	add := func(p *v1.Platform, annotations map[string]string, a mutate.Appendable) mutate.IndexAddendum {
		return mutate.IndexAddendum{Add: a, Descriptor: v1.Descriptor{Platform: p, Annotations: annotations}}
	}
	layer := rawLayer(t, "f", "x")
	unknown := &v1.Platform{OS: "unknown", Architecture: "unknown"}
	idx := mutate.AppendManifests(
		mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		add(&v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}, nil, newImage(t, "linux/arm", layer)),
		add(nil, nil, newImage(t, "linux/s390x", layer)),
		add(nil, nil, newImage(t, "windows/arm64", layer)),
		add(&v1.Platform{OS: "windows", Architecture: "amd64"}, nil, newImage(t, "windows/amd64", layer)),
		add(unknown, nil, newImage(t, "a/b", layer)),
		add(nil, map[string]string{annotationReferenceType: attestationManifest}, newImage(t, "c/d", layer)),
		add(nil, nil, newIndex(t, "linux/riscv64")),
	)
	src := readOne(t, "oci:"+writeTestLayout(t, Entry{Index: idx}), Options{})
	var got []string
	for _, p := range src.Images {
		got = append(got, p.Platform.String())
	}
	if diff := cmp.Diff([]string{"linux/arm/v7", "linux/s390x", "linux/riscv64"}, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if len(src.Attestations) != 2 || len(src.Skipped) != 2 {
		t.Errorf("%d attestations and %d skipped, want two of each: %v", len(src.Attestations), len(src.Skipped), src.Skipped)
	}
	for _, s := range src.Skipped {
		if !strings.Contains(s.Reason, "Windows") {
			t.Errorf("skipped for %q", s.Reason)
		}
	}

	onlyWindows := newIndex(t, "windows/amd64")
	wantErr(t, readErr(t, "oci:"+writeTestLayout(t, Entry{Index: onlyWindows}), Options{}), "no image", "Windows")

	nested := newIndex(t, "linux/amd64")
	for range 3 {
		nested = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: nested})
	}
	wantErr(t, readErr(t, "oci:"+writeTestLayout(t, Entry{Index: nested}), Options{}), "deeper than the limit of 3")
}

// The whole index is counted, not each of its parts.
func TestIndexMemberLimit(t *testing.T) {
	t.Parallel()
	idx := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for i := range 3 {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: newIndex(t, fmt.Sprintf("linux/a%d", i), fmt.Sprintf("linux/b%d", i))})
	}
	dir := writeTestLayout(t, Entry{Index: idx})
	wantErr(t, readErr(t, "oci:"+dir, Options{Limits: Limits{Manifests: 8}}), "limit of 8 manifests")
	if err := readErr(t, "oci:"+dir, Options{Limits: Limits{Manifests: 9}}); err != nil {
		t.Error(err)
	}
}

func TestReadLayoutEntries(t *testing.T) {
	t.Parallel()
	idx := newIndex(t, "linux/amd64")
	sig := newImage(t, "linux/amd64", packedArtifact(t))
	dir := writeTestLayout(t,
		Entry{Index: idx, Annotations: map[string]string{AnnotationKind: KindIndex}},
		Entry{Image: sig, Annotations: map[string]string{AnnotationKind: KindSignatures}})
	l, err := ReadLayout(t.Context(), dir, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var kinds []string
	for _, e := range l.Entries {
		kinds = append(kinds, e.Descriptor.Annotations[AnnotationKind])
	}
	if !slices.Equal(kinds, []string{KindIndex, KindSignatures}) {
		t.Fatalf("entries are %q", kinds)
	}
	if l.Entries[0].Index == nil || digestOrFail(t, l.Entries[0].Index) != digestOrFail(t, idx) {
		t.Error("the first entry is not the index")
	}
	checkSame(t, l.Entries[1].Image, sig)

	wantErr(t, readErr(t, "oci:"+writeTestLayout(t, Entry{Image: sig}), Options{}), "unknown media type")
}

func TestWriteLayoutRefuses(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	writeTestFile(t, filepath.Join(full, "x"), nil)
	if err := WriteLayout(t.Context(), full, nil); !errors.Is(err, ErrExists) {
		t.Errorf("a directory that is not empty: %v", err)
	}
	wantErr(t, WriteLayout(t.Context(), t.TempDir(), []Entry{{}}), "either an image or an index")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WriteLayout(ctx, t.TempDir(), []Entry{{Image: testImage(t)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: %v", err)
	}
}

// A layer that is not what its image says must not get into a layout.
func TestWriteLayoutVerifies(t *testing.T) {
	t.Parallel()
	dir := writeTestLayout(t, Entry{Image: testImage(t)})
	src := readOne(t, "oci:"+dir, Options{})
	layers, err := src.Images[0].Image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "blobs", "sha256", digestOrFail(t, layers[1]).Hex)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[20] ^= 1
	writeTestFile(t, path, data)

	out := filepath.Join(t.TempDir(), "out")
	wantErr(t, WriteLayout(t.Context(), out, []Entry{{Image: src.Images[0].Image}}), "other content")
	if _, err := os.Stat(filepath.Join(out, "index.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("index.json is there: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "blobs", "sha256", filepath.Base(path))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the bad blob is there: %v", err)
	}
}
