package layers_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
)

// tarOf makes an archive of headers without content.
func tarOf(t testing.TB, headers ...*tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func imageOf(t testing.TB, tars ...[]byte) v1.Image {
	t.Helper()
	img, err := testimage.FromTars(tars, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestDottedLinkTarget follows a link that leads nowhere yet and has a "."
// inside: no component of a path is ever a dot.
func TestDottedLinkTarget(t *testing.T) {
	t.Parallel()
	tree, _ := open(t, "link l -> x/./y\nfile l/z")
	if got := paths(tree); got != "l x x/y x/y/z" {
		t.Errorf("paths %q", got)
	}
	if e, ok := tree.Lookup("x/y/z"); !ok || e.Type != layers.Regular {
		t.Errorf("x/y/z: %+v, %v", e, ok)
	}
}

// TestLinksBeforeTargets writes chains of hard links that come before what they
// name with every link that stays behind its target.
func TestLinksBeforeTargets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, drop, want string }{
		{"chain of two", "hard a -> z\nhard b -> a\nfile z = 1\nfile c", "c", "a b z"},
		{"chain, data goes", "hard a -> z\nhard b -> a\nfile z = 1\nfile c", "z", "a b c"},
		{"late behind a mate that is later", "hard x -> a\nhard c -> b\nfile a = 1\nhard b -> a", "a", "b c x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tree, _ := open(t, tc.text)
			res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == tc.drop} })
			got := flatten(t, res.Image) // fails on a link before its target
			var names []string
			for p := range openImage(t, res.Image).Paths() {
				names = append(names, p)
			}
			if diff := cmp.Diff(tc.want, strings.Join(names, " ")); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if got["b"] == "" {
				t.Errorf("b is gone: %v", got)
			}
		})
	}
}

// TestPromotedDevice keeps the numbers of a device whose first name goes.
func TestPromotedDevice(t *testing.T) {
	t.Parallel()
	raw := tarOf(t,
		&tar.Header{Name: "a", Typeflag: tar.TypeChar, Mode: 0o600, Devmajor: 1, Devminor: 9},
		&tar.Header{Name: "b", Typeflag: tar.TypeLink, Mode: 0o600, Linkname: "a"})
	tree := openImage(t, imageOf(t, raw))
	res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == "a"} })
	e, ok := openImage(t, res.Image).Lookup("b")
	if !ok || e.Type != layers.CharDevice || e.Devmajor != 1 || e.Devminor != 9 {
		t.Errorf("got %+v", e)
	}
}

// TestReplaceHardLink gives new content to a name whose content another name
// carried, which goes.
func TestReplaceHardLink(t *testing.T) {
	t.Parallel()
	tree, _ := open(t, "file old = x\nhard status -> old\nfile c")
	res := rewrite(t, tree, func(e layers.Entry) layers.Edit {
		return layers.Edit{Drop: e.Path == "old", Replace: e.Path == "status", Content: []byte("new")}
	})
	if got := flatten(t, res.Image)["status"]; !strings.HasSuffix(got, " new") || got[0] != '0' {
		t.Errorf("status is %q", got)
	}
}

// TestMarkerThroughLink takes a whiteout beside its own name for disputed, also
// where the two are spelled through different names of a directory.
func TestMarkerThroughLink(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"dir usr/lib\nlink lib -> usr/lib\n---\nfile usr/lib/x\ngone lib/x",
		"dir usr/lib\nlink lib -> usr/lib\n---\ngone lib/x\nfile usr/lib/x",
		"dir usr/lib\nlink lib -> usr/lib\n---\nfile usr/lib/x\nopaque lib",
	} {
		tree, _ := open(t, text)
		for e := range tree.Entries() {
			if e.Type.Marker() && !e.Disputed() && !e.Hides() {
				t.Errorf("%q is taken for harmless in\n%s", e.Name, text)
			}
		}
	}
}

// endless gives its body over and over.
type endless struct {
	body []byte
	pos  int
	n    int64
}

func (r *endless) Read(p []byte) (int, error) {
	if r.n > 1<<28 {
		return 0, errors.New("nobody stopped reading")
	}
	n := copy(p, r.body[r.pos:])
	r.pos = (r.pos + n) % len(r.body)
	r.n += int64(n)
	return n, nil
}

// TestGlobalHeaders folds global PAX records into the entries that they govern.
func TestGlobalHeaders(t *testing.T) {
	t.Parallel()
	raw := tarOf(t,
		&tar.Header{Name: "before", Typeflag: tar.TypeReg, Mode: 0o644},
		&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "c"}},
		&tar.Header{Name: "a", Typeflag: tar.TypeReg, Mode: 0o644},
		&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"VENDOR.note": "n"}},
		&tar.Header{Name: "b", Typeflag: tar.TypeReg, Mode: 0o644})
	tree := openImage(t, imageOf(t, raw))
	res := rewrite(t, tree, func(layers.Entry) layers.Edit { return layers.Edit{} })
	if res.Stats.Folded != 2 {
		t.Errorf("folded %d entries, want 2", res.Stats.Folded)
	}
	got := records(t, res.Image)
	want := map[string]map[string]string{
		"before": {}, "a": {"comment": "c"}, "b": {"comment": "c", "VENDOR.note": "n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	for _, key := range []string{"uid", "mtime", "path", "SCHILY.xattr.security.capability"} {
		raw := tarOf(t, &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{key: "7"}})
		if err := layers.ScanForTest(bytes.NewReader(raw), layers.DefaultLimits()); err == nil {
			t.Errorf("a global %s was taken", key)
		}
	}
}

// records are the PAX records of the entries of an image's first layer.
func records(t testing.TB, img v1.Image) map[string]map[string]string {
	t.Helper()
	ls, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	rc, err := ls[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	got := map[string]map[string]string{}
	for tr := tar.NewReader(rc); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		got[hdr.Name] = map[string]string{}
		for k, v := range hdr.PAXRecords {
			got[hdr.Name][k] = v
		}
	}
}

// TestEndlessHeaders stops at archives that are nothing but headers.
func TestEndlessHeaders(t *testing.T) {
	t.Parallel()
	global := tarOf(t, &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "c"}})
	global = global[:1024]
	local := tarOf(t, &tar.Header{Name: "f", Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{"A.b": strings.Repeat("c", 100_000)}})
	local = local[:len(local)-3*512]
	for name, body := range map[string][]byte{"global": global, "extended": local} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &endless{body: body}
			err := layers.ScanForTest(r, layers.Limits{Entries: 1000, Expanded: 64 << 20})
			var limit *layers.LimitError
			if !errors.As(err, &limit) {
				t.Errorf("got %v after %d bytes, want a limit", err, r.n)
			}
		})
	}
}

// TestManyGlobals folds many global headers in linear time.
func TestManyGlobals(t *testing.T) {
	t.Parallel()
	var headers []*tar.Header
	for i := range 20_000 {
		headers = append(headers, &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{fmt.Sprint("A.k", i): "v"}})
	}
	start := time.Now()
	err := layers.ScanForTest(bytes.NewReader(tarOf(t, headers...)), layers.DefaultLimits())
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if err == nil {
		t.Error("20000 global records were taken")
	}
}

// TestLongNames refuses names that no filesystem takes: they cost memory.
func TestLongNames(t *testing.T) {
	t.Parallel()
	for name, hdr := range map[string]*tar.Header{
		"path":      {Name: strings.Repeat("d/", 3000) + "f", Typeflag: tar.TypeReg},
		"component": {Name: strings.Repeat("n", 300), Typeflag: tar.TypeReg},
		"link":      {Name: "l", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("./", 3000)},
	} {
		limits := layers.DefaultLimits()
		limits.Depth = 10_000
		if err := layers.ScanForTest(bytes.NewReader(tarOf(t, hdr)), limits); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// patched is an image with other documents.
type patched struct {
	v1.Image
	config []byte
}

func (p patched) RawConfigFile() ([]byte, error) { return p.config, nil }

// TestAmbiguousDocuments refuses documents that readers understand differently,
// however deep the difference is.
func TestAmbiguousDocuments(t *testing.T) {
	t.Parallel()
	_, img := open(t, "file a")
	raw, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for name, swap := range map[string][2]string{
		"deep":          {`"config":{`, `"config":{"User":"0","User":"1",`},
		"deeper":        {`"config":{`, `"config":{"Labels":{"a":"1","a":"2"},`},
		"case":          {`"os":"linux"`, `"os":"linux","OS":"linux"`},
		"case, deeper":  {`"config":{`, `"config":{"Cmd":["a"],"cmd":["b"],`},
		"case of label": {`"config":{`, `"config":{"Labels":{"a":"1","A":"2"},`},
	} {
		text := strings.Replace(string(raw), swap[0], swap[1], 1)
		if text == string(raw) {
			t.Fatalf("%s: nothing to change in %s", name, raw)
		}
		text = strings.Replace(text, ",}", "}", 1)
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s: %s", name, text)
		}
		tree, err := layers.Open(t.Context(), patched{img, []byte(text)}, t.TempDir())
		if fine := name == "case of label"; fine != (err == nil) {
			t.Errorf("%s: got %v", name, err)
		}
		if err == nil {
			_ = tree.Close()
		}
	}
}
