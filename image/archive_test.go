package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

func TestArchiveRoundTrip(t *testing.T) {
	t.Parallel()
	img := testImage(t)
	from := readOne(t, "oci:"+writeTestLayout(t, Entry{Image: img}), Options{})
	file := filepath.Join(t.TempDir(), "x.tar")
	if err := writeArchiveFile(t.Context(), file, "example/app:v1", from.Images[0].Image, false); err != nil {
		t.Fatal(err)
	}
	src := readOne(t, "docker-archive:"+file, Options{})
	if src.Tag != "v1" || src.Digest != digestOrFail(t, src.Images[0].Image) {
		t.Errorf("source is %+v", src)
	}
	back := readOne(t, "oci:"+writeTestLayout(t, Entry{Image: src.Images[0].Image}), Options{})
	want, err := drain(img)
	if err != nil {
		t.Fatal(err)
	}
	want[2] = want[3] // the zstd layer is stored as it is when unpacked
	got, err := drain(back.Images[0].Image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layers after a round trip (-want +got):\n%s", diff)
	}
	wantConfig, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	gotConfig, err := back.Images[0].Image.RawConfigFile()
	if err != nil || !bytes.Equal(gotConfig, wantConfig) {
		t.Errorf("config is %s, %v", gotConfig, err)
	}
	layers, err := back.Images[0].Image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var kinds []types.MediaType
	for _, l := range layers {
		mt, err := l.MediaType()
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, mt)
	}
	if diff := cmp.Diff([]types.MediaType{types.DockerLayer, types.DockerUncompressedLayer, types.DockerUncompressedLayer}, kinds); diff != "" {
		t.Errorf("media types (-want +got):\n%s", diff)
	}
}

// The library reads what we write, and we read what it writes.
func TestArchiveLibrary(t *testing.T) {
	t.Parallel()
	img := newImage(t, "linux/amd64", packedLayer(t, compression.GZip, "f", "x"))
	dir := t.TempDir()
	tag, err := name.NewTag("example/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(dir, "theirs.tar")
	if err := tarball.WriteToFile(theirs, tag, img); err != nil {
		t.Fatal(err)
	}
	src := readOne(t, "docker-archive:"+theirs, Options{})
	if got, want := digestsOf(t, src), digestOrFail(t, mustLayers(t, img)[0]).String(); got != want {
		t.Errorf("layers %s, want %s", got, want)
	}
	if err := readErr(t, "docker-archive:"+theirs, Options{}); err != nil {
		t.Error(err)
	}

	ours := filepath.Join(dir, "ours.tar")
	if err := writeArchiveFile(t.Context(), ours, "example/app:v1", img, false); err != nil {
		t.Fatal(err)
	}
	read, err := tarball.ImageFromPath(ours, &tag)
	if err != nil {
		t.Fatal(err)
	}
	got, err := read.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := img.ConfigName(); err != nil || got != want {
		t.Errorf("config %s, want %s, %v", got, want, err)
	}
}

// member is one member of an archive that a test makes.
type member struct {
	name string
	data []byte
	link string
	kind byte
}

func archiveOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, m := range members {
		hdr := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.data)), Mode: 0o644, Linkname: m.link}
		if m.kind != 0 {
			hdr.Typeflag = m.kind
		}
		if err := tw.WriteHeader(hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(m.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// classic is an archive as docker save wrote it before version 25: raw layers,
// one of them a link to another.
func classic(t testing.TB) []member {
	t.Helper()
	a, b := tarOf(t, "a", "first"), tarOf(t, "b", "second")
	ids := []string{digestOf(a).String(), digestOf(b).String(), digestOf(a).String()}
	config := mustJSON(t, map[string]any{
		"os": "linux", "architecture": "amd64", "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	line := archiveImage{
		Config: digestOf(config).Hex + ".json", RepoTags: []string{"app:v1", "app:v2"},
		Layers: []string{"1/layer.tar", "2/layer.tar", "3/layer.tar"},
	}
	return []member{
		{name: "1/", kind: tar.TypeDir},
		{name: "1/layer.tar", data: a},
		{name: "1/VERSION", data: []byte("1.0")},
		{name: "./2/layer.tar", data: b},
		{name: "3/layer.tar", kind: tar.TypeSymlink, link: "../1/layer.tar"},
		{name: line.Config, data: config},
		{name: "manifest.json", data: mustJSON(t, []archiveImage{line})},
	}
}

func TestArchiveClassic(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.tar")
	writeTestFile(t, file, archiveOf(t, classic(t)...))
	for suffix, tag := range map[string]string{"": "", ":app:v2": "v2", ":docker.io/library/app:v1": "v1"} {
		src := readOne(t, "docker-archive:"+file+suffix, Options{})
		if src.Tag != tag {
			t.Errorf("%s: tag %q, want %q", suffix, src.Tag, tag)
		}
		got, err := drain(src.Images[0].Image)
		if err != nil {
			t.Fatal(err)
		}
		a, b := string(tarOf(t, "a", "first")), string(tarOf(t, "b", "second"))
		if diff := cmp.Diff([]string{a, a, b, b, a, a}, got); diff != "" {
			t.Errorf("%s: layers (-want +got):\n%s", suffix, diff)
		}
	}
	wantErr(t, readErr(t, "docker-archive:"+file+":app:v3", Options{}), `"app:v3"`, `"app:v1", "app:v2"`)
}

// Docker 25 and later name blobs by digest; with containerd's image store layers
// are compressed.
func TestArchiveBlobs(t *testing.T) {
	t.Parallel()
	layers := []v1.Layer{
		packedLayer(t, compression.GZip, "a", "first"), packedLayer(t, compression.ZStd, "b", "second"), rawLayer(t, "c", "third"),
	}
	img := newImage(t, "linux/amd64", layers...)
	config, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want, err := drain(img)
	if err != nil {
		t.Fatal(err)
	}
	for prefix, suffix := range map[string]string{"blobs/sha256/": "", "": ".tar.gz"} {
		line := archiveImage{Config: "blobs/sha256/" + digestOf(config).Hex}
		members := []member{{name: line.Config, data: config}}
		for i, l := range layers {
			name := prefix + digestOrFail(t, l).Hex + suffix
			line.Layers = append(line.Layers, name)
			members = append(members, member{name: name, data: []byte(want[2*i])})
		}
		file := filepath.Join(t.TempDir(), "x.tar")
		writeTestFile(t, file, archiveOf(t, append(members, member{name: "manifest.json", data: mustJSON(t, []archiveImage{line})})...))
		src := readOne(t, "docker-archive:"+file, Options{})
		if got, want := digestsOf(t, src), digestsOf(t, &Source{Images: []PlatformImage{{Image: img}}}); got != want {
			t.Errorf("%s: layers %s, want %s", prefix, got, want)
		}
		got, err := drain(src.Images[0].Image)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: layers (-want +got):\n%s", prefix, diff)
		}
	}
}

func TestArchiveCompressed(t *testing.T) {
	t.Parallel()
	raw := archiveOf(t, classic(t)...)
	var gz, zst bytes.Buffer
	zw := gzip.NewWriter(&gz)
	sw, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{zw, sw} {
		if _, err := w.Write(raw); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"x.tar.gz": gz.Bytes(), "x.tar.zst": zst.Bytes()} {
		file, temp := filepath.Join(t.TempDir(), name), t.TempDir()
		writeTestFile(t, file, data)
		if err := readErr(t, "docker-archive:"+file, Options{TempDir: temp}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantErr(t, readErr(t, "docker-archive:"+file, Options{TempDir: temp, Limits: Limits{ArchiveBytes: 1000}}), "limit of 1000 bytes")
		writeTestFile(t, file, data[:len(data)-10])
		wantErr(t, readErr(t, "docker-archive:"+file, Options{TempDir: temp}), "EOF")
		if left := tree(t, temp); len(left) > 0 {
			t.Errorf("%s: left in the temporary directory: %v", name, left)
		}
	}
}

func TestArchiveRefusals(t *testing.T) {
	t.Parallel()
	set := func(name string, m member) func([]member) []member {
		return func(all []member) []member {
			for i := range all {
				if all[i].name == name {
					all[i] = m
				}
			}
			return all
		}
	}
	manifest := func(s string) func([]member) []member {
		return set("manifest.json", member{name: "manifest.json", data: []byte(s)})
	}
	for _, tc := range []struct {
		name  string
		spoil func([]member) []member
		want  string
	}{
		{"no manifest", func(m []member) []member { return m[:len(m)-1] }, "not a docker archive"},
		{"no images", manifest(`[]`), "holds no image"},
		{"an object", manifest(`{}`), "cannot unmarshal"},
		{"duplicate key", manifest(`[{"Config":"a","config":"b"}]`), "twice"},
		{"config outside", manifest(`[{"Config":"../../etc/passwd"}]`), `no file "../../etc/passwd"`},
		{"layer missing", func(m []member) []member { return append(m[:1:1], m[2:]...) }, `no file "1/layer.tar"`},
		{"link leads nowhere", set("3/layer.tar", member{name: "3/layer.tar", kind: tar.TypeSymlink, link: "/etc/passwd"}), `"etc/passwd"`},
		{"link to itself", set("3/layer.tar", member{name: "3/layer.tar", kind: tar.TypeSymlink, link: "layer.tar"}), "more than 8 links"},
		{"layer is a device", set("3/layer.tar", member{name: "3/layer.tar", kind: tar.TypeChar}), "no file"},
		{"layer twice", func(m []member) []member { return append(m, m[1]) }, "more than once"},
		{"other content", set("./2/layer.tar", member{name: "2/layer.tar", data: bytes.Repeat([]byte{0}, 2048)}), "other content"},
		{"config of another name", func(m []member) []member {
			m[5].data = append(m[5].data, ' ')
			return m
		}, "other content"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "x.tar")
			writeTestFile(t, file, archiveOf(t, tc.spoil(classic(t))...))
			wantErr(t, readErr(t, "docker-archive:"+file, Options{}), tc.want)
		})
	}
}

func TestArchiveFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wantErr(t, readErr(t, "docker-archive:"+dir, Options{}), "oci:DIR")
	if err := readErr(t, "docker-archive:"+filepath.Join(dir, "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	raw := archiveOf(t, classic(t)...)
	file := filepath.Join(dir, "x.tar")
	writeTestFile(t, file, raw[:len(raw)/2])
	if err := readErr(t, "docker-archive:"+file, Options{}); err == nil {
		t.Error("a truncated archive was read")
	}
	writeTestFile(t, file, raw)
	wantErr(t, readErr(t, "docker-archive:"+file, Options{Limits: Limits{ArchiveMembers: 3}}), "limit of 3 members")
	wantErr(t, readErr(t, "docker-archive:"+file, Options{Limits: Limits{LayerBytes: 100}}), "limit of 100")
	wantErr(t, readErr(t, "docker-archive:"+file, Options{Limits: Limits{DocumentBytes: 10}}), "limit of 10")
	wantErr(t, readErr(t, "docker-archive:"+file, Options{Limits: Limits{Layers: 2}}), "limit of 2")
}

// writeArchiveFile writes an archive the way the command line does.
func writeArchiveFile(ctx context.Context, file, tag string, img v1.Image, force bool) (err error) {
	s, err := StageFile(file, force)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Abort()) }()
	if err := WriteDockerArchive(ctx, s.Path(), tag, img); err != nil {
		return err
	}
	return s.Commit()
}

func TestWriteDockerArchiveOutput(t *testing.T) {
	t.Parallel()
	img := testImage(t)
	file := filepath.Join(t.TempDir(), "x.tar")
	write := func(force bool) error { return writeArchiveFile(t.Context(), file, "", img, force) }
	if err := write(false); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(false); !errors.Is(err, ErrExists) {
		t.Errorf("existing file: %v", err)
	}
	writeTestFile(t, file, []byte("old"))
	if err := write(true); err != nil {
		t.Errorf("with force: %v", err)
	}
	second, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the same image gives other bytes, %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := writeArchiveFile(ctx, file, "", img, true); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: %v", err)
	}
	if third, err := os.ReadFile(file); err != nil || !bytes.Equal(first, third) {
		t.Errorf("a failed write changed the file, %v", err)
	}
	if left := tree(t, filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left beside the output: %d files", len(left)-1)
	}
	wantErr(t, writeArchiveFile(t.Context(), file, "A B", img, true), "A B")
}

// digestsOf lists the layers of a source's first image.
func digestsOf(t *testing.T, src *Source) string {
	t.Helper()
	var out []string
	for _, l := range mustLayers(t, src.Images[0].Image) {
		out = append(out, digestOrFail(t, l).String())
	}
	return strings.Join(out, " ")
}
