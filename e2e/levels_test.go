//go:build e2e && linux

package e2e

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/lathe-build/lathe/elfdeps"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/pkgdb"
	"github.com/lathe-build/lathe/report"
)

// TestHarden hardens each example at each level with a profile of a plain run,
// and probes original and result on what that run never touched.
func TestHarden(t *testing.T) {
	for _, s := range exampleStacks() {
		t.Run(s.name, func(t *testing.T) { s.harden(t) })
	}
}

// TestStacks does the same with the stacks that take longer. LATHE_STACKS names
// some of them, or is "all".
func TestStacks(t *testing.T) {
	for _, s := range slowStacks() {
		t.Run(s.name, func(t *testing.T) {
			needStack(t, s)
			s.harden(t)
		})
	}
}

// needStack skips what takes long unless LATHE_STACKS names it.
func needStack(t *testing.T, s *stack) {
	t.Helper()
	names := strings.Fields(os.Getenv("LATHE_STACKS"))
	if slices.Contains(slowStacks(), s) && !slices.Contains(names, "all") && !slices.Contains(names, s.name) {
		t.Skip("LATHE_STACKS does not name it: `make e2e-stacks` runs all")
	}
}

// harden hardens a stack at every level and compares with the original. At the
// level files only what the profile saw has to work.
func (s *stack) harden(t *testing.T) {
	profiles := s.profiles(t)
	before := readRoot(t, s.whole.root)
	before.checkHasTools(t, s.Tools)
	was := openTree(t, s.image)
	steps := slices.Concat(s.plain(), s.deep(t))
	want := s.answers(t, s.whole, &s.Scenarios[0], steps)
	wantIn := s.otherAnswers(t)
	row := []string{s.name, size(was)}
	for _, level := range []string{"binaries", "packages", "files"} {
		t.Run(level, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			lathe(t, slices.Concat([]string{"harden", "oci:" + s.image, "--level", level, "-o", out, "--key", shared.key}, profiles)...)
			lathe(t, "verify", out, "--key", shared.public, "--source", "oci:"+s.image)
			doc := readReport(t, filepath.Join(out, "report.json"))
			tellPlugins(t, doc)
			checkSmall(t, doc, level)
			image := filepath.Join(out, "image")
			is := openTree(t, image)
			checkSound(t, was, is)
			checkPlaces(t, was, is)
			checkPromised(t, was, is, level)
			row = append(row, size(is))
			bundle := unpack(t, image)
			after := readRoot(t, bundle.root)
			after.checkNoTools(t, s.Stays)
			after.checkDatabase(t, before)
			if level != "binaries" && len(s.Stays) == 0 {
				after.checkNoToolPackages(t)
			}
			steps, want := steps, want
			if level == "files" {
				steps, want = s.plain(), firstAnswers(want, s.plain())
			}
			if diff := cmp.Diff(want, s.answers(t, bundle, &s.Scenarios[0], steps)); diff != "" {
				t.Errorf("the hardened image answers otherwise (-original +hardened):\n%s", diff)
			}
			for i := range s.Scenarios {
				sc := &s.Scenarios[i]
				if i == 0 || !sc.judgedAt(level) {
					continue
				}
				if diff := cmp.Diff(wantIn[i], s.answers(t, bundle, sc, s.plain())); diff != "" {
					t.Errorf("%s: the hardened image answers otherwise (-original +hardened):\n%s", sc.Name, diff)
				}
			}
		})
	}
	t.Logf("MB and packages at the levels original, binaries, packages, files: | %s |", strings.Join(row, " | "))
}

// otherAnswers are what the original answers in the scenarios besides the first.
func (s *stack) otherAnswers(t *testing.T) map[int]map[string]string {
	t.Helper()
	out := map[int]map[string]string{}
	for i := range s.Scenarios {
		if i > 0 {
			out[i] = s.answers(t, s.whole, &s.Scenarios[i], s.plain())
		}
	}
	return out
}

// judgedAt tells whether a scenario besides the first is tried at a level. The
// level binaries has all that the others have, and at the level files only what
// the profile saw has to work.
func (sc *scenario) judgedAt(level string) bool {
	return level == "packages" || level == "files" && !sc.Unseen
}

// tellPlugins logs what R9 finds.
func tellPlugins(t *testing.T, doc *report.Report) {
	t.Helper()
	for _, p := range doc.Platforms {
		for _, f := range p.Findings {
			if f.Kind == "unloaded-plugin" {
				t.Logf("%s: %s", f.Path, f.Text)
			}
		}
	}
}

func firstAnswers(all map[string]string, steps []step) map[string]string {
	out := map[string]string{}
	for _, p := range steps {
		out[p.name()] = all[p.name()]
	}
	return out
}

// openTree reads the image of a layout.
func openTree(t *testing.T, dir string) *layers.Tree {
	t.Helper()
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

// size is a cell of the table in docs/levels.md: megabytes of regular files, and
// packages of which a file is left.
func size(t *layers.Tree) string {
	var bytes int64
	for p := range t.Paths() {
		if e, _ := t.Lookup(p); e.Type == layers.Regular {
			bytes += e.Size
		}
	}
	db, err := pkgdb.Read(t.FS(), pkgdb.Limits{})
	if err != nil {
		return err.Error()
	}
	packages := 0
	for _, q := range db.Packages() {
		if slices.ContainsFunc(q.RegularFiles(), func(name string) bool {
			target, _, err := t.ResolveParent(name)
			e, ok := t.Lookup(target)
			return err == nil && ok && e.Type != layers.Dir
		}) {
			packages++
		}
	}
	return fmt.Sprintf("%.1f / %d", float64(bytes)/1e6, packages)
}

// checkPromised checks what no probe of a server shows: where the C library of
// GNU stays, so does the library that it loads to end threads, and below the
// level files the locale C.UTF-8.
func checkPromised(t *testing.T, before, after *layers.Tree, level string) {
	t.Helper()
	const libraries = "usr/lib/x86_64-linux-gnu/"
	if _, ok := after.Lookup(libraries + "libc.so.6"); !ok {
		return
	}
	for _, name := range []string{libraries + "libgcc_s.so.1", "usr/lib/locale/C.utf8/LC_CTYPE"} {
		_, was := before.Lookup(name)
		_, is := after.Lookup(name)
		if !was {
			t.Errorf("the original has no %s, so that nothing is proved", name)
		}
		if !is && (level != "files" || path.Base(name) == "libgcc_s.so.1") {
			t.Errorf("%s is gone, and the C library stays", name)
		}
	}
}

// checkSound checks that every ELF file finds the libraries that it found
// before, that no link dangles that led somewhere, and that nothing is there
// with another mode, owner or type.
func checkSound(t *testing.T, before, after *layers.Tree) {
	t.Helper()
	was, err := elfdeps.New(before.FS())
	if err != nil {
		t.Fatal(err)
	}
	is, err := elfdeps.New(after.FS())
	if err != nil {
		t.Fatal(err)
	}
	for p := range after.Paths() {
		b, known := before.Lookup(p)
		a, _ := after.Lookup(p)
		if !known || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID {
			t.Errorf("%s is %+v, was %+v", p, a, b)
		}
		_, _, errBefore := before.Resolve(p)
		if _, _, err := after.Resolve(p); err != nil && errBefore == nil {
			t.Errorf("%s dangles: %v", p, err)
		}
		if a.Type != layers.Regular || !after.HasPrefix(a.ID, []byte("\x7fELF")) {
			continue
		}
		want, _, _ := was.Deps(p, nil) // what cannot be read of the original cannot be missing
		got, _, _ := is.Deps(p, nil)
		for _, d := range want {
			if d.Path != "" && !slices.ContainsFunc(got, func(g elfdeps.Dep) bool { return g.Name == d.Name && g.Path != "" }) {
				t.Errorf("%s does not find %s any more", p, d.Name)
			}
		}
	}
}
