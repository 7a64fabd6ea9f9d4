package layers_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/oddimage"
	"github.com/lathe-build/lathe/layers"
)

// TestOddImages takes every odd image through a rewrite that drops what is
// unused and one that drops nothing. An independent applier must find what it
// found in the input, less what was dropped, and again after a second rewrite.
func TestOddImages(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for name, drop := range map[string]func(string) bool{
			"drop": oddimage.Dropped, "keep": func(string) bool { return false },
		} {
			t.Run(c.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				img, err := c.Image()
				if err != nil {
					t.Fatal(err)
				}
				before, err := applier.Image(img, applier.Options{Late: c.Late})
				if err != nil {
					t.Fatal(err)
				}
				tree := openImage(t, img)
				res := rewriteAny(t, tree, func(e layers.Entry) bool { return clean(e) || !e.Type.Marker() && drop(e.Path) })
				after, err := applier.Image(res.Image, applier.Options{})
				if err != nil {
					t.Fatal(err)
				}
				none := func(string) bool { return false }
				if diff := cmp.Diff(before.Describe(drop), after.Describe(none)); diff != "" {
					t.Errorf("root (-want +got):\n%s", diff)
				}
				again := openImage(t, res.Image)
				for e := range again.Entries() {
					if e.Shadowed || !e.Type.Marker() && drop(e.Path) {
						t.Errorf("%s %q is still in layer %d", e.Type, e.Path, e.Layer)
					}
				}
				second := rewriteAny(t, again, clean)
				if digestOf(t, res.Image) != digestOf(t, second.Image) {
					t.Error("a second rewrite changes the image")
				}
			})
		}
	}
}

func digestOf(t *testing.T, img interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// rewriteAny rewrites images of any compression, which validate.Image cannot read.
func rewriteAny(t *testing.T, tree *layers.Tree, drop func(layers.Entry) bool) *layers.Result {
	t.Helper()
	res, err := layers.Rewrite(t.Context(), tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: drop(e)} })
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestTablesOfContents keeps what describes a layer's bytes with the bytes, and
// no longer.
func TestTablesOfContents(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, c := range cases {
		notes := c.Layers[0].Annotations
		if notes == nil {
			continue
		}
		img, err := c.Image()
		if err != nil {
			t.Fatal(err)
		}
		seen++
		res := rewriteAny(t, openImage(t, img), func(e layers.Entry) bool { return oddimage.Dropped(e.Path) })
		m, err := res.Image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"org.example.note": "stays"}
		if !res.Layers[1].Rewritten {
			want = notes
		}
		if diff := cmp.Diff(want, m.Layers[1].Annotations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Name, diff)
		}
	}
	if seen != 4 {
		t.Errorf("%d cases have annotations, want 4", seen)
	}
}

// TestRefusedImages refuses every image of the table of those that must be.
func TestRefusedImages(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Refused()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			img, err := c.Image()
			if err != nil {
				t.Fatal(err)
			}
			tree, err := layers.Open(t.Context(), img, t.TempDir(), layers.WithLimits(limitsOf(t, c.Flags)))
			if err == nil {
				t.Fatalf("taken: %s, closing: %v", paths(tree), tree.Close())
			}
			if !strings.Contains(err.Error(), c.Want) {
				t.Errorf("got %v, want an error with %q", err, c.Want)
			}
		})
	}
}

// limitsOf reads the flags of a refusal.
func limitsOf(t *testing.T, flags []string) layers.Limits {
	t.Helper()
	var l layers.Limits
	if len(flags) == 0 {
		return l
	}
	n, err := strconv.Atoi(flags[1])
	if err != nil {
		t.Fatal(err)
	}
	switch flags[0] {
	case "--limit-expanded":
		l.Expanded = int64(n)
	case "--limit-entries":
		l.Entries = n
	case "--limit-layers":
		l.Layers = n
	default:
		t.Fatalf("unknown limit %s", flags[0])
	}
	return l
}
