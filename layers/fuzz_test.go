package layers_test

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/oddimage"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
)

// seeds are archives that builders write and archives that they should not.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	var list [][]byte
	for _, text := range []string{
		"dir a\nfile a/b\nhard a/c -> a/b\nlink a/d -> b",
		"file a pax\nfifo p\ngone x\nopaque a",
		"hard b -> a\nfile a\nfile a",
		"file " + strings.Repeat("long/", 40) + "name",
		"link a -> a\nfile b/../c",
		"file .wh..wh.plnk/1\nfile .wh.",
	} {
		b, err := testimage.Tar(text)
		if err != nil {
			f.Fatal(err)
		}
		list = append(list, b, b[:len(b)/2], append(bytes.Clone(b), "after the end"...))
	}
	odd, err := oddimage.Cases()
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range odd {
		for _, l := range c.Layers {
			if len(l.Archive) < 20<<10 {
				list = append(list, l.Archive)
			}
		}
	}
	list = append(list, dialects(f)...)
	return list
}

// dialects are the header formats of archive/tar's own writer.
func dialects(f *testing.F) [][]byte {
	f.Helper()
	var list [][]byte
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU} {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		name := "n"
		if format != tar.FormatUSTAR {
			name = strings.Repeat("n", 150)
		}
		hdr := &tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 3, Mode: 0o4755, Format: format}
		if err := w.WriteHeader(hdr); err != nil {
			f.Fatal(err)
		}
		if _, err := w.Write([]byte("abc")); err != nil {
			f.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: "l", Linkname: name, Typeflag: tar.TypeLink, Format: format}); err != nil {
			f.Fatal(err)
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		list = append(list, buf.Bytes())
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	global := &tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "c", "uname": "u"}}
	if err := w.WriteHeader(global); err != nil {
		f.Fatal(err)
	}
	if err := w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg}); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return append(list, buf.Bytes())
}

// FuzzRewrite opens an image of two hostile layers and drops a part of it.
// What opens must rewrite; what stays must be there, what goes must not, and a
// rewrite that drops nothing more must change nothing.
func FuzzRewrite(f *testing.F) {
	list := seeds(f)
	for i, b := range list {
		f.Add(b, list[(i+3)%len(list)], uint64(i*7919))
	}
	f.Fuzz(func(t *testing.T, base, upper []byte, drop uint64) {
		img, err := testimage.FromTars([][]byte{base, upper}, v1.Config{})
		if err != nil {
			t.Skip()
		}
		limits := layers.Limits{Entries: 2000, Expanded: 8 << 20}
		tree, err := layers.Open(t.Context(), img, t.TempDir(), layers.WithLimits(limits))
		if err != nil {
			return
		}
		defer tree.Close()
		stay := named(tree)
		gone := map[string]bool{}
		i := 0
		for p := range tree.Paths() {
			gone[p] = !stay[p] && (gone[parent(p)] || drop>>(i%64)&1 == 1)
			i++
		}
		edit := func(e layers.Entry) layers.Edit {
			return layers.Edit{Drop: clean(e) || !e.Type.Marker() && gone[e.Path]}
		}
		res, err := layers.Rewrite(t.Context(), tree, edit)
		if err != nil {
			t.Fatalf("what opens must rewrite: %v", err)
		}
		again := openImage(t, res.Image)
		checkPaths(t, tree, again, gone)
		checkApplied(t, img, res.Image, gone)
		second := rewrite(t, again, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: clean(e)} })
		d1, _ := res.Image.Digest()
		d2, _ := second.Image.Digest()
		if d1 != d2 {
			t.Fatal("a second rewrite changes the image")
		}
	})
}

// named are the links through which archives name entries, and what is above
// them: without these an entry would be elsewhere.
func named(tree *layers.Tree) map[string]bool {
	stay := map[string]bool{}
	for e := range tree.Entries() {
		_, links, err := tree.ResolveParent(e.Name)
		if err != nil {
			continue
		}
		for _, l := range links {
			for p := l; p != ""; p = parent(p) {
				stay[p] = true
			}
		}
	}
	return stay
}

// checkApplied lets an applier of the tests read input and output: it must take
// the output, and find in it what it found in the input, less what was dropped.
// What it does not take of the input is nobody's.
func checkApplied(t *testing.T, before, after v1.Image, gone map[string]bool) {
	t.Helper()
	output, err := applier.Image(after, applier.Options{})
	if err != nil {
		t.Fatalf("the output does not apply: %v", err)
	}
	input, err := applier.Image(before, applier.Options{Late: true})
	if err != nil {
		return
	}
	want := essence(input.Describe(func(p string) bool { return gone[p] }))
	got := essence(output.Describe(func(p string) bool { return gone[p] }))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("root (-want +got):\n%s", diff)
	}
}

// essence leaves out modes, owners and times, which hard links of hostile
// archives give anew to a shared inode, and directories.
func essence(root map[string]string) map[string]string {
	out := map[string]string{}
	for p, text := range root {
		fields := strings.Fields(text)
		switch fields[0] {
		case "0":
			out[p] = strings.Join(fields[4:7], " ")
		case "5":
		default:
			out[p] = fields[0]
		}
	}
	return out
}

// checkPaths compares what is left with what should be. Directories that no
// entry names come and go with what is in them.
func checkPaths(t *testing.T, before, after *layers.Tree, gone map[string]bool) {
	t.Helper()
	for p := range before.Paths() {
		e, _ := before.Lookup(p)
		got, ok := after.Lookup(p)
		implied := e.ID < 0
		if implied {
			continue
		}
		if ok && got.ID >= 0 && gone[p] {
			t.Fatalf("%q is still there", p)
		}
		if !ok && !gone[p] {
			t.Fatalf("%q is missing", p)
		}
		if ok && !gone[p] && (got.Type != e.Type || got.Size != e.Size) {
			t.Fatalf("%q was %v of %d bytes, is %v of %d", p, e.Type, e.Size, got.Type, got.Size)
		}
	}
	for p := range after.Paths() {
		if _, ok := before.Lookup(p); !ok {
			t.Fatalf("%q is new", p)
		}
	}
}

// TestSparse keeps sparse files as they are, reads them expanded, and gives a
// promoted hard link to one its whole content.
func TestSparse(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "sparse.tar"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.FromTars([][]byte{raw}, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tree := openImage(t, img)
	names := slices.Collect(tree.Paths())
	if len(names) == 0 {
		t.Fatal("no files")
	}
	want := flatten(t, img)
	res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == "gnu"} })
	got := flatten(t, res.Image)
	for _, name := range []string{"gnu-link", "pax", "plain"} {
		w, g := want[name], got[name]
		if w[strings.LastIndexByte(w, ':'):] != g[strings.LastIndexByte(g, ':'):] {
			t.Errorf("%s: content changed: %d bytes, want %d", name, len(g), len(w))
		}
	}
	if res.Stats.Promoted != 1 {
		t.Errorf("promoted %d, want 1", res.Stats.Promoted)
	}
}
