package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/oddimage"
)

// oddWorkspace is a directory with one odd image in odd/ and a profile of it.
func oddWorkspace(t *testing.T, c oddimage.Case) workspace {
	t.Helper()
	w := workspace{t: t, dir: t.TempDir()}
	var err error
	w.image, err = c.Image()
	w.check(err)
	path, err := layout.Write(w.path("odd"), empty.Index)
	w.check(err)
	w.check(path.AppendImage(w.image))
	digest, err := w.image.Digest()
	w.check(err)
	w.write("profile.json", oddimage.Profile(digest))
	w.check(os.Mkdir(w.path("tmp"), 0o700))
	return w
}

// hardened reads the image in out/.
func (w workspace) hardened() v1.Image {
	w.t.Helper()
	l, err := image.ReadLayout(w.t.Context(), w.path("out/image"), image.Limits{})
	w.check(err)
	w.t.Cleanup(func() { w.check(l.Close()) })
	return l.Entries[0].Image
}

// TestOddImages takes every odd image through the whole tool, with both kinds of
// compression of its outputs.
func TestOddImages(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := oddWorkspace(t, c)
			args := []string{"harden", "oci:odd", "-p", "profile.json", "-o", "out", "--drop", "/**/*" + oddimage.Unused + "*"}
			if i%3 == 0 {
				args = append(args, "--compression", "zstd")
			}
			w.ok(args...)
			before, err := applier.Image(w.image, applier.Options{Late: c.Late})
			w.check(err)
			after, err := applier.Image(w.hardened(), applier.Options{})
			w.check(err)
			if diff := cmp.Diff(before.Describe(oddimage.Dropped), after.Describe(func(string) bool { return false })); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusedImages gives every image that must be refused to the whole tool:
// exit code 1, one line that says why, nothing left, no more memory than it may
// take.
func TestRefusedImages(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Refused()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := oddWorkspace(t, c.Case)
			code, stderr, peak := w.measured(append([]string{"harden", "oci:odd", "-p", "profile.json", "-o", "out"}, c.Flags...)...)
			w.complained(code, stderr, c.Want)
			if budget := int64(memoryBase + 2*memoryWorker); peak > budget {
				t.Errorf("the process took %d MiB, its budget is %d", peak>>20, budget>>20)
			}
			w.fails(append([]string{"explain", "oci:odd", "-p", "profile.json", "/app"}, c.Flags...), c.Want)
			if exists(w.path("out")) {
				t.Error("there is an output")
			}
		})
	}
}

// control are characters that no text may have, and one that turns lines around.
var control = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f]|\u009b|\u202e")

// TestOddNames looks for raw control characters in everything that is printed or
// written about names that have them.
func TestOddNames(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if !strings.HasPrefix(c.Name, "names ") {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			w := oddWorkspace(t, c)
			check := func(what, text string) {
				t.Helper()
				if at := control.FindStringIndex(text); at != nil {
					t.Errorf("%s has %q", what, text[max(0, at[0]-40):min(len(text), at[1]+40)])
				}
				if !utf8.ValidString(text) {
					t.Errorf("%s is not UTF-8", what)
				}
			}
			w.ok("harden", "oci:odd", "-p", "profile.json", "-o", "out", "--selector", "app=odd")
			for _, name := range []string{reportMD, reportJSON, planFile, hintFile, policyFile} {
				if raw, err := os.ReadFile(filepath.Join(w.path("out"), name)); err == nil {
					check(name, string(raw))
				}
			}
			root, err := applier.Image(w.image, applier.Options{})
			w.check(err)
			named := 0
			for p := range root.Describe(func(string) bool { return false }) {
				for _, args := range [][]string{{"explain", "out", "/" + p}, {"explain", "out", "/" + p, "--format", "json"}, {"explain", "oci:odd", "-p", "profile.json", "/nosuch/" + p}} {
					stdout, stderr := w.both(args...)
					check("stdout of "+strings.Join(args[:2], " "), stdout)
					check("stderr of "+strings.Join(args[:2], " "), stderr)
				}
				named++
			}
			if named < 4 {
				t.Errorf("only %d names", named)
			}
			for _, args := range [][]string{
				{"harden", "oci:odd", "-p", "profile.json", "--dry-run"},
				{"harden", "oci:odd", "-p", "profile.json", "--dry-run", "--format", "json"},
				{"harden", "oci:odd\n\x1b[2J", "-p", "profile.json", "--dry-run"},
			} {
				stdout, stderr := w.both(args...)
				check("stdout of "+args[0], stdout)
				check("stderr of "+args[0], stderr)
			}
		})
	}
}

// both gives what a run prints, however it ends.
func (w workspace) both(args ...string) (stdout, stderr string) {
	w.t.Helper()
	cmd, complaint := w.lathe(w.t.Context(), args...)
	var out strings.Builder
	cmd.Stdout = &out
	_ = cmd.Run() // some of them must fail
	return out.String(), complaint.String()
}
