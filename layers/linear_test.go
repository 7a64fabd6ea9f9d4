//go:build unix

package layers_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/growth"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
)

// shapes are images whose size is n and that make a careless reader work for n
// times n.
func shapes() map[string]func(n int) []string {
	repeat := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(line(i))
			b.WriteByte('\n')
		}
		return b.String()
	}
	deep := strings.TrimSuffix(strings.Repeat("d/", 200), "/")
	return map[string]func(n int) []string{
		"nested opaque markers": func(n int) []string {
			return []string{
				repeat(n, func(i int) string { return fmt.Sprintf("file %s/f%d = x", deep, i) }),
				repeat(200, func(i int) string { return "opaque " + deep[:2*(200-i)-1] }),
			}
		},
		"an opaque marker in every layer": func(n int) []string {
			var list []string
			for range 10 {
				list = append(list, "opaque a\n"+repeat(n/10, func(i int) string { return fmt.Sprintf("file a/f%d = x", i) }))
			}
			return list
		},
		"whiteouts one by one": func(n int) []string {
			return []string{
				repeat(n, func(i int) string { return fmt.Sprintf("file a/f%d = x", i) }),
				repeat(n, func(i int) string { return fmt.Sprintf("gone a/f%d", i) }),
			}
		},
		"whiteouts through links of their layer": func(n int) []string {
			return []string{
				repeat(n, func(i int) string { return fmt.Sprintf("file a/f%d = x", i) }),
				"link l0 -> a\n" + repeat(30, func(i int) string { return fmt.Sprintf("link l%d -> l%d", i+1, i) }) +
					repeat(n, func(i int) string { return fmt.Sprintf("gone l30/f%d", i) }),
			}
		},
		"a chain of hard links": func(n int) []string {
			return []string{"file h0 = x\n" + repeat(n, func(i int) string { return fmt.Sprintf("hard h%d -> h%d", i+1, i) })}
		},
		"hard links before their target": func(n int) []string {
			return []string{repeat(n, func(i int) string { return fmt.Sprintf("hard h%d -> t", i) }) + "file t = x"}
		},
		"one path again and again": func(n int) []string {
			return []string{repeat(n, func(i int) string { return fmt.Sprintf("file a = %d\ndir d mode=0%d", i, 700+i%8) })}
		},
		"a directory that becomes a file and back": func(n int) []string {
			return []string{repeat(n, func(i int) string { return fmt.Sprintf("dir a\nfile a/f%d = x\nfile a = y", i) })}
		},
		"deep directories": func(n int) []string {
			return []string{repeat(n/10, func(i int) string { return fmt.Sprintf("file u%d/%s/f = x", i, deep) })}
		},
	}
}

// TestLinear wants the time to open an image and write it with half of it dropped
// to grow with the image, not faster.
func TestLinear(t *testing.T) {
	for name, shape := range shapes() {
		t.Run(name, func(t *testing.T) {
			growth.Linear(t, 1200, func(n int) func() { return halve(t, shape(n)) })
		})
	}
}

// halve makes an image, and gives what opens it and drops half of it.
func halve(t *testing.T, texts []string) func() {
	t.Helper()
	var tars [][]byte
	for _, text := range texts {
		raw, err := testimage.Tar(text)
		if err != nil {
			t.Fatal(err)
		}
		tars = append(tars, raw)
	}
	img, err := testimage.FromTars(tars, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		tree, err := layers.Open(t.Context(), img, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		_, err = layers.Rewrite(t.Context(), tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: clean(e) || e.ID%2 == 0} })
		if err != nil && !strings.Contains(err.Error(), "hides it") {
			t.Fatal(err)
		}
		if err := tree.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyFiles takes 100,000 files and says which limit they are over when
// there is one.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := range 100_000 {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("d%d/f%d", i%100, i), Typeflag: tar.TypeReg, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img := imageOf(t, buf.Bytes())
	if tree := openImage(t, img); tree.Len() != 100_000 {
		t.Errorf("%d entries", tree.Len())
	}
	_, err := layers.Open(t.Context(), img, t.TempDir(), layers.WithLimits(layers.Limits{Entries: 50_000}))
	if err == nil || !strings.Contains(err.Error(), "--limit-entries") {
		t.Errorf("got %v", err)
	}
}
