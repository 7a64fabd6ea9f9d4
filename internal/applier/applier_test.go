package applier_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/testimage"
)

func apply(t *testing.T, text string, o applier.Options) (map[string]string, error) {
	t.Helper()
	img, err := testimage.Image(text, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	root, err := applier.Image(img, o)
	if err != nil {
		return nil, err
	}
	return root.Describe(func(string) bool { return false }), nil
}

// TestApply has what the specification says of layers.
func TestApply(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"whiteout", "file a\nfile b\n---\ngone a", "b"},
		{"whiteout of a directory", "file a/b/c\nfile d\n---\ngone a", "d"},
		{"whiteout beside its name", "file a/b\n---\nfile a/c\ngone a", "a/c"},
		{"opaque last", "dir a\nfile a/b/c\n---\nfile a/b/d\nopaque a", "a a/b/d"},
		{"opaque first", "dir a\nfile a/b\n---\nopaque a\nfile a/c", "a a/c"},
		{"through a lower link", "file usr/lib/x\nlink lib -> /usr/lib\n---\ngone lib/x", "lib"},
		{"through a link of the same layer", "file d/x\nfile d/y\n---\nlink l -> d\ngone l/x", "d/y l"},
		{"before the link of the same layer", "file d/x\n---\ngone l/x\nlink l -> d", "d/x l"},
		{"directory over a link", "file usr/lib/x\nlink lib -> usr/lib\n---\ndir lib\nfile lib/y", "lib lib/y usr/lib/x"},
		{"file over a directory", "file a/b\n---\nfile a", "a"},
		{"climbing link", "file x\nlink l -> ../../..\n---\nfile l/y", "l x y"},
	} {
		got, err := apply(t, tc.text, applier.Options{})
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if paths := strings.Join(slices.Sorted(maps.Keys(got)), " "); paths != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, paths, tc.want)
		}
	}
}

// TestLinks wants one inode behind hard links, and targets first.
func TestLinks(t *testing.T) {
	t.Parallel()
	got, err := apply(t, "file a = x\nhard b -> a\nfile c = x\n---\nfile a = y\nhard d -> b", applier.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got["b"] == got["a"] || got["d"] != got["b"]+" = b" || got["c"] != got["b"] {
		t.Errorf("got %v", got)
	}
	if _, err := apply(t, "hard b -> a\nfile a", applier.Options{}); err == nil {
		t.Error("a link before its target was taken")
	}
	got, err = apply(t, "hard c -> b\nhard b -> a\nfile a", applier.Options{Late: true})
	if err != nil || got["c"] != got["a"]+" = a" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"hard b -> a", "dir d\nhard b -> d", "file a\n---\nfile a/b", "link a -> b\nlink b -> a\n---\nfile a/c"} {
		if _, err := apply(t, text, applier.Options{Late: true}); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
