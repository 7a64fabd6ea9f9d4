package bench_test

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/lathe-build/lathe/bench"
	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
)

// tiny is an image that tests can afford.
func tiny() bench.Shape {
	return bench.Shape{Packages: 26, Files: 20, Modules: 120, Bytes: 3 << 20, Huge: 1 << 20}
}

func generate(tb testing.TB, shape bench.Shape) (string, *bench.Facts) {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "image")
	facts, err := bench.Generate(tb.Context(), dir, shape)
	if err != nil {
		tb.Fatal(err)
	}
	return dir, facts
}

func open(tb testing.TB, dir string) *bench.Input {
	tb.Helper()
	in, err := bench.OpenInput(tb.Context(), dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = in.Close() })
	return in
}

func planned(tb testing.TB, in *bench.Input, level harden.Level) (*layers.Tree, *harden.Plan) {
	tb.Helper()
	t, err := bench.Tree(tb.Context(), in, tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = t.Close() })
	pl, err := bench.Plan(tb.Context(), in, t, level)
	if err != nil {
		tb.Fatal(err)
	}
	return t, pl
}

// TestGenerate wants the same bytes twice.
func TestGenerate(t *testing.T) {
	t.Parallel()
	sums := func() map[string][sha256.Size]byte {
		dir, _ := generate(t, tiny())
		all := map[string][sha256.Size]byte{}
		err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(name)
			rel, _ := filepath.Rel(dir, name)
			all[rel] = sha256.Sum256(raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	first := sums()
	if diff := cmp.Diff(first, sums()); diff != "" {
		t.Errorf("the same shape gave other files (-first +second):\n%s", diff)
	}
	if len(first) < 4+4 {
		t.Errorf("only %d files", len(first))
	}
}

// TestShare wants the mix that docs/benchmarks.md promises: most bytes go, at
// the level binaries much less, and three layers are written anew.
func TestShare(t *testing.T) {
	t.Parallel()
	shape := tiny()
	shape.Huge = 0
	dir, facts := generate(t, shape)
	in := open(t, dir)
	if err := bench.Floor(in.Image); err != nil {
		t.Error(err)
	}
	for level, want := range map[harden.Level][2]float64{harden.Packages: {0.55, 0.8}, harden.Binaries: {0.1, 0.4}} {
		tree, pl := planned(t, in, level)
		var all, gone int64
		for _, r := range pl.Records.All() {
			all += r.Size
			if r.Action == harden.ActDrop {
				gone += r.Size
			}
		}
		if share := float64(gone) / float64(all); share < want[0] || share > want[1] {
			t.Errorf("%s drops %.2f of the bytes, want %.2f to %.2f", level, share, want[0], want[1])
		}
		if tree.Len() != facts.Entries {
			t.Errorf("the tree has %d entries, the facts say %d", tree.Len(), facts.Entries)
		}
		res, err := bench.Rewrite(t.Context(), tree, pl)
		if err != nil {
			t.Fatal(err)
		}
		var rewritten []bool
		for _, l := range res.Layers {
			rewritten = append(rewritten, l.Rewritten)
		}
		if diff := cmp.Diff([]bool{true, true, true, false}, rewritten); diff != "" {
			t.Errorf("%s: layers written anew (-want +got):\n%s", level, diff)
		}
	}
}

// TestNaive wants the naive pipeline to leave the entries that lathe leaves:
// otherwise comparing their cost would mean nothing.
func TestNaive(t *testing.T) {
	t.Parallel()
	dir, _ := generate(t, tiny())
	in := open(t, dir)
	tree, pl := planned(t, in, harden.Packages)
	res, err := bench.Rewrite(t.Context(), tree, pl)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "drops")
	if err := bench.WriteDrops(list, tree, pl); err != nil {
		t.Fatal(err)
	}
	drops, err := bench.ReadDrops(list)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "naive")
	if err := bench.Naive(in.Image, drops, out); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(out)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	naive, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	want := names(t, res.Image)
	if diff := cmp.Diff(want, names(t, naive)); diff != "" {
		t.Errorf("entries of lathe and of the naive pipeline differ (-lathe +naive):\n%s", diff)
	}
	if len(want) != 4 || len(want[0]) == 0 {
		t.Errorf("layers are missing or empty: %d", len(want))
	}
}

// names are the names of the entries of each layer.
func names(t *testing.T, img v1.Image) [][]string {
	t.Helper()
	list, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, l := range list {
		rc, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		var layer []string
		for r := tar.NewReader(rc); ; {
			hdr, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			layer = append(layer, hdr.Name)
		}
		if err := rc.Close(); err != nil {
			t.Fatal(err)
		}
		slices.Sort(layer)
		all = append(all, layer)
	}
	return all
}

func TestReadDropsRefuses(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"x usr/bin\n", "-1 usr\n", "99999 usr\n", "\n"} {
		name := filepath.Join(t.TempDir(), "drops")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bench.ReadDrops(name); err == nil {
			t.Errorf("%q was read", content)
		}
	}
}

func BenchmarkFloor(b *testing.B) {
	dir, facts := generate(b, bench.Small())
	in := open(b, dir)
	b.SetBytes(facts.Raw)
	b.ReportAllocs()
	for b.Loop() {
		if err := bench.Floor(in.Image); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTree(b *testing.B) {
	dir, facts := generate(b, bench.Small())
	in := open(b, dir)
	spool := b.TempDir()
	b.SetBytes(facts.Raw)
	b.ReportAllocs()
	for b.Loop() {
		t, err := bench.Tree(b.Context(), in, spool)
		if err != nil {
			b.Fatal(err)
		}
		if err := t.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	dir, facts := generate(b, bench.Small())
	in := open(b, dir)
	for _, level := range []harden.Level{harden.Binaries, harden.Packages} {
		b.Run(string(level), func(b *testing.B) {
			t, err := bench.Tree(b.Context(), in, b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer t.Close()
			b.SetBytes(facts.Raw)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.Plan(b.Context(), in, t, level); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	dir, facts := generate(b, bench.Small())
	in := open(b, dir)
	for _, level := range []harden.Level{harden.Binaries, harden.Packages} {
		b.Run(string(level), func(b *testing.B) {
			t, pl := planned(b, in, level)
			b.SetBytes(facts.Raw)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bench.Rewrite(b.Context(), t, pl); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNaive(b *testing.B) {
	dir, facts := generate(b, bench.Small())
	in := open(b, dir)
	tree, pl := planned(b, in, harden.Packages)
	list := filepath.Join(b.TempDir(), "drops")
	if err := bench.WriteDrops(list, tree, pl); err != nil {
		b.Fatal(err)
	}
	drops, err := bench.ReadDrops(list)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(facts.Raw)
	b.ReportAllocs()
	for b.Loop() {
		if err := bench.Naive(in.Image, drops, filepath.Join(b.TempDir(), "naive")); err != nil {
			b.Fatal(err)
		}
	}
}
