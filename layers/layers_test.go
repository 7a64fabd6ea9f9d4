package layers_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
)

func open(t testing.TB, text string) (*layers.Tree, v1.Image) {
	t.Helper()
	img, err := testimage.Image(text, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return openImage(t, img), img
}

func openImage(t testing.TB, img v1.Image) *layers.Tree {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

func rewrite(t testing.TB, tree *layers.Tree, edit func(layers.Entry) layers.Edit) *layers.Result {
	t.Helper()
	res, err := layers.Rewrite(t.Context(), tree, edit)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(res.Image); err != nil {
		t.Fatalf("the output does not validate: %v", err)
	}
	return res
}

// clean drops what every plan drops: shadowed entries and the markers that hid them.
func clean(e layers.Entry) bool {
	return e.Shadowed || e.Type == layers.Leftover || e.Type.Marker() && (e.Hides() || e.Disputed())
}

func paths(tree *layers.Tree) string { return strings.Join(slices.Collect(tree.Paths()), " ") }

func TestTree(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want, shadowed string }{
		{"one layer", "dir a\nfile a/b\nlink a/c -> b", "a a/b a/c", ""},
		{"implied parents", "file a/b/c", "a a/b a/b/c", ""},
		{"replaced", "file a\n---\nfile a", "a", "0:a"},
		{"whiteout", "file a/b\nfile a/c\n---\ngone a/b", "a a/c", "0:a/b"},
		{"whiteout of a directory", "dir a\nfile a/b/c\nfile d\n---\ngone a", "d", "0:a 0:a/b/c"},
		{"whiteout beside its name", "file a\n---\nfile a\ngone a", "a", "0:a"},
		{"whiteout first", "file a\n---\ngone a\nfile a", "a", "0:a"},
		{"opaque", "dir a\nfile a/b\n---\ndir a\nopaque a\nfile a/c", "a a/c", "0:a/b"},
		{"opaque last", "dir a\nfile a/b\n---\ndir a\nfile a/c\nopaque a", "a a/c", "0:a/b"},
		{"opaque deeper", "dir a/b\nfile a/b/c\nfile a/d\n---\ndir a/b\nopaque a/b", "a a/b a/d", "0:a/b/c"},
		{"opaque of nothing", "file a\n---\ndir b\nopaque b\nfile b/c", "a b b/c", ""},
		{"gone and back", "file a\n---\ngone a\n---\nfile a", "a", "0:a"},
		{"directory becomes file", "file a/b\n---\nfile a", "a", "0:a/b"},
		{"file becomes directory", "file a\n---\ndir a\nfile a/b", "a a/b", "0:a"},
		{"directories merge", "dir a\nfile a/b\n---\ndir a\nfile a/c", "a a/b a/c", ""},
		{"directory twice in a layer", "dir a mode=0700\ndir a mode=0755", "a", "0:a"},
		{"file twice in a layer", "file a = 1\nfile a = 2", "a", "0:a"},
		{"parents through links", "dir usr/lib\nlink lib -> usr/lib\n---\nfile lib/x", "lib usr usr/lib usr/lib/x", ""},
		{"whiteout through a link of its layer", "dir d\nfile d/x\n---\nlink l -> d\ngone l/x", "d l", "0:d/x"},
		{"whiteout before the link of its layer", "dir d\nfile d/x\n---\ngone l/x\nlink l -> d", "d d/x l", ""},
		{"whiteout through a new link, not the old", "file d/x\ndir e\nfile e/x\nlink l -> d\n---\nlink l -> e\ngone l/x", "d d/x e l", "0:e/x 0:l"},
		{"whiteout through links of links of its layer", "dir d/e\nfile d/e/x\n---\nlink m -> d\nlink m/l -> ../d/e\ngone d/l/x", "d d/e d/l m", "0:d/e/x"},
		{"whiteout through links", "dir usr/lib\nfile usr/lib/x\nlink lib -> usr/lib\n---\ngone lib/x", "lib usr usr/lib", "0:usr/lib/x"},
		{"link replaced beside a whiteout", "file usr/lib/x\nlink lib -> usr/lib\n---\ndir lib\ngone lib/x", "lib usr usr/lib usr/lib/x", "0:lib"},
		{"absolute link in a parent", "dir usr/lib\nlink lib -> /usr/lib\n---\nfile lib/x", "lib usr usr/lib usr/lib/x", ""},
		{"link that climbs stays inside", "link l -> ../../../a\ndir a\n---\nfile l/x", "a a/x l", ""},
		{"aufs leftovers", "file a\nfile .wh..wh.plnk/1.2\nfile .wh..wh.aufs", "a", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tree, _ := open(t, tc.text)
			if got := paths(tree); got != tc.want {
				t.Errorf("paths: got %q, want %q", got, tc.want)
			}
			var shadowed []string
			for e := range tree.Entries() {
				if e.Shadowed {
					shadowed = append(shadowed, string(rune('0'+e.Layer))+":"+e.Path)
				}
				if e.Shadowed != (e.HiddenBy >= 0) {
					t.Errorf("%s: shadowed %v, hidden by %d", e.Path, e.Shadowed, e.HiddenBy)
				}
			}
			if got := strings.Join(shadowed, " "); got != tc.shadowed {
				t.Errorf("shadowed: got %q, want %q", got, tc.shadowed)
			}
			res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: clean(e)} })
			if got := paths(openImage(t, res.Image)); got != tc.want {
				t.Errorf("paths after a rewrite: got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRefusedTrees(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"dot dot", "file a/../b", "climbs"},
		{"whiteout of nothing", "file .wh.", "names nothing"},
		{"whiteout of dot", "file a/.wh..", "names nothing"},
		{"whiteout of dot dot", "file a/.wh...", "names nothing"},
		{"link at the root", "link . -> a", "root itself"},
		{"hard link to nothing", "hard a -> b", "nothing that is there"},
		{"hard link to itself", "hard a -> a", "itself"},
		{"hard link to a directory", "dir d\nhard a -> d", "directory"},
		{"hard link outside", "hard a -> ../b", "climbs"},
		{"parent is a file", "file a\n---\nfile a/b", "not a directory"},
		{"parent in a loop", "link a -> b\nlink b -> a\n---\nfile a/c", "too many levels"},
		{"too deep", "file " + strings.Repeat("d/", 300) + "x", "--limit-depth"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			img, err := testimage.Image(tc.text, v1.Config{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = layers.Open(t.Context(), img, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	img, err := testimage.Image("file a = 12345\nfile b", v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []layers.Limits{{Entries: 1}, {Expanded: 1000}} {
		_, err := layers.Open(t.Context(), img, t.TempDir(), layers.WithLimits(l))
		var limit *layers.LimitError
		if !errors.As(err, &limit) {
			t.Errorf("%+v: got %v, want a LimitError", l, err)
		}
	}
}

func TestNothingToDo(t *testing.T) {
	t.Parallel()
	tree, img := open(t, "dir a\nfile a/b\nhard a/c -> a/b\n---\nfile d pax\ngone nothing")
	res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: clean(e)} })
	want, _ := img.Manifest()
	got, _ := res.Image.Manifest()
	if diff := cmp.Diff(want.Layers, got.Layers); diff != "" {
		t.Errorf("layers (-want +got):\n%s", diff)
	}
	wantConfig, _ := img.RawConfigFile()
	gotConfig, _ := res.Image.RawConfigFile()
	if !bytes.Equal(wantConfig, gotConfig) {
		t.Errorf("config: got %s, want %s", gotConfig, wantConfig)
	}
}

func TestRewriteLinks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, drop string
		stats            layers.Stats
	}{
		{"promote", "file a = x\nhard b -> a\nfile c", "a", layers.Stats{Promoted: 1}},
		{"promote and relink", "file a = x\nhard b -> a\nhard c -> a", "a", layers.Stats{Promoted: 1, Relinked: 1}},
		{"chain", "file a = x\nhard b -> a\nhard c -> b", "b", layers.Stats{Relinked: 1}},
		{"chain, first two", "file a = x\nhard b -> a\nhard c -> b\nhard d -> c", "a b", layers.Stats{Promoted: 1}},
		{"across layers", "file a = x\nfile z\n---\nhard b -> a\nfile y", "a", layers.Stats{Promoted: 1}},
		{"link to a symlink", "link a -> z\nhard b mode=777 -> a\nfile c", "a", layers.Stats{Promoted: 1}},
		{"late link", "hard b -> a\nfile a = x\nfile c", "c", layers.Stats{Moved: 1}},
		{"late link, target goes", "hard b -> a\nfile a = x\nfile c", "a", layers.Stats{Promoted: 1}},
		{"replaced data name", "file a = x\nhard b -> a\n---\nfile a = y", "", layers.Stats{Promoted: 1}},
		{"whited out data name", "file a = x\nhard b -> a\n---\ngone a\nfile c", "", layers.Stats{Promoted: 1}},
		{"long new name", "file a = x\nhard " + strings.Repeat("n", 120) + " -> a\nhard c -> a", "a", layers.Stats{Promoted: 1, Relinked: 1}},
		{"setuid on the inode", "file a mode=4755 = x\nhard b mode=4755 -> a", "a", layers.Stats{Promoted: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tree, img := open(t, tc.text)
			drop := strings.Fields(tc.drop)
			res := rewrite(t, tree, func(e layers.Entry) layers.Edit {
				return layers.Edit{Drop: clean(e) || !e.Shadowed && slices.Contains(drop, e.Path)}
			})
			want := flatten(t, unlate(t, tree, img)).kept(func(p string) bool { return !slices.Contains(drop, p) })
			if diff := cmp.Diff(want, flatten(t, res.Image)); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.stats, res.Stats); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

// unlate gives the image as it is, or canonical when it has links before their
// targets, which the oracle cannot read.
func unlate(t *testing.T, tree *layers.Tree, img v1.Image) v1.Image {
	for e := range tree.Entries() {
		if e.Late() {
			return rewrite(t, tree, func(layers.Entry) layers.Edit { return layers.Edit{} }).Image
		}
	}
	return img
}

func TestReplace(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "x", strings.Repeat("long ", 1000)} {
		tree, _ := open(t, "file a\nfile b mode=0640 uid=3 pax\nfile c")
		res := rewrite(t, tree, func(e layers.Entry) layers.Edit {
			return layers.Edit{Replace: e.Path == "b", Content: []byte(content)}
		})
		got, err := fs.ReadFile(openImage(t, res.Image).FS(), "b")
		if err != nil || string(got) != content {
			t.Errorf("got %q, %v, want %q", got, err, content)
		}
		e, _ := openImage(t, res.Image).Lookup("b")
		if e.Mode != 0o640 || e.UID != 3 || e.Xattrs == "" {
			t.Errorf("mode, owner or attributes changed: %+v", e)
		}
	}
}

func TestResurrectionRefused(t *testing.T) {
	t.Parallel()
	tree, _ := open(t, "file a\n---\ngone a\nfile b")
	_, err := layers.Rewrite(t.Context(), tree, func(e layers.Entry) layers.Edit {
		return layers.Edit{Drop: e.Type == layers.Whiteout}
	})
	if err == nil || !strings.Contains(err.Error(), "hides it") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestRemovedLayer(t *testing.T) {
	t.Parallel()
	tree, _ := open(t, "file a\n---\nfile b\n---\nfile c")
	res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == "b"} })
	cfg, err := res.Image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var empty []bool
	for _, h := range cfg.History {
		empty = append(empty, h.EmptyLayer)
	}
	if diff := cmp.Diff([]bool{false, true, false}, empty); diff != "" || len(cfg.RootFS.DiffIDs) != 2 {
		t.Errorf("history %v, diff IDs %v", empty, cfg.RootFS.DiffIDs)
	}
}

// TestRandom rewrites random images with random drops: the root must be the
// input's root less what was dropped, nothing dropped may be in any layer, and
// a second rewrite must change nothing.
func TestRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		text := testimage.Random(rng)
		tree, img := open(t, text)
		gone := map[string]bool{}
		for p := range tree.Paths() {
			gone[p] = rng.IntN(3) == 0 || gone[parent(p)]
		}
		res := rewrite(t, tree, func(e layers.Entry) layers.Edit {
			return layers.Edit{Drop: clean(e) || !e.Type.Marker() && gone[e.Path]}
		})
		want := flatten(t, img).kept(func(p string) bool { return !gone[p] })
		if diff := cmp.Diff(want, flatten(t, res.Image)); diff != "" {
			t.Fatalf("seed %d: root (-want +got):\n%s\n%s", seed, diff, text)
		}
		again := openImage(t, res.Image)
		for e := range again.Entries() {
			if clean(e) || !e.Type.Marker() && gone[e.Path] {
				t.Fatalf("seed %d: %s %q is still in layer %d\n%s", seed, e.Type, e.Path, e.Layer, text)
			}
		}
		second := rewrite(t, again, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: clean(e)} })
		d1, _ := res.Image.Digest()
		d2, _ := second.Image.Digest()
		if d1 != d2 {
			t.Fatalf("seed %d: a second rewrite changes the image\n%s", seed, text)
		}
	}
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

func TestFS(t *testing.T) {
	t.Parallel()
	tree, _ := open(t, "dir usr/lib\nfile usr/lib/x\nlink lib -> usr/lib\nfile etc/y\nlink abs -> /etc/y")
	if err := fstest.TestFS(tree.FS(), "usr/lib/x", "etc/y"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"lib/x", "abs"} {
		if _, err := fs.ReadFile(tree.FS(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	target, links, err := tree.Resolve("lib/x")
	if err != nil || target != "usr/lib/x" || !slices.Equal(links, []string{"lib"}) {
		t.Errorf("Resolve: %q %q %v", target, links, err)
	}
}

func TestBlockGzipIsStable(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 300_000) // several blocks
	tree, _ := open(t, "file a = "+big+"\nfile b = "+big+"\nfile c")
	var digests []string
	for range 3 {
		res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == "c"} })
		d, _ := res.Image.Digest()
		digests = append(digests, d.String())
		ls, _ := res.Image.Layers()
		rc, err := ls[0].Uncompressed() // by the standard library's gzip
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			t.Fatal(err)
		}
	}
	if len(slices.Compact(digests)) != 1 {
		t.Errorf("digests differ: %v", digests)
	}
}
