package image

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func stageOrFail(t *testing.T, final string, force bool) *Staging {
	t.Helper()
	s, err := Stage(final, force)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Abort(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStageCommit(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	final := filepath.Join(parent, "out")
	s := stageOrFail(t, final, false)
	writeTestFile(t, filepath.Join(s.Path(), "image", "oci-layout"), []byte("{}"))
	if _, err := os.Lstat(final); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the output is there before Commit: %v", err)
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"out/image/oci-layout": "{}"}
	if diff := cmp.Diff(want, tree(t, parent)); diff != "" {
		t.Errorf("after Commit (-want +got):\n%s", diff)
	}
	if err := s.Commit(); err == nil {
		t.Error("a second Commit works")
	}
	if err := s.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	if diff := cmp.Diff(want, tree(t, parent)); diff != "" {
		t.Errorf("Abort after Commit changed (-want +got):\n%s", diff)
	}
}

func TestStageAbort(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	s := stageOrFail(t, filepath.Join(parent, "out"), false)
	writeTestFile(t, filepath.Join(s.Path(), "f"), nil)
	if err := s.Abort(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
	if err := s.Commit(); err == nil {
		t.Error("Commit after Abort works")
	}
}

func TestStageExisting(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		make func(t *testing.T, final string)
		want string // error with force; empty: replaced
	}{
		{"empty directory", func(t *testing.T, final string) {
			if err := os.Mkdir(final, 0o755); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"lathe's output", func(t *testing.T, final string) { writeTestFile(t, filepath.Join(final, "image", "oci-layout"), nil) }, ""},
		{"what lies beside a pushed image", func(t *testing.T, final string) {
			writeTestFile(t, filepath.Join(final, "plan.json"), nil)
			writeTestFile(t, filepath.Join(final, "report.json"), nil)
		}, ""},
		{"only a plan.json", func(t *testing.T, final string) { writeTestFile(t, filepath.Join(final, "plan.json"), nil) }, "not made by lathe"},
		{"layout", func(t *testing.T, final string) { writeTestFile(t, filepath.Join(final, "oci-layout"), nil) }, ""},
		{"somebody's files", func(t *testing.T, final string) { writeTestFile(t, filepath.Join(final, "thesis.tex"), nil) }, "not made by lathe"},
		{"file", func(t *testing.T, final string) { writeTestFile(t, final, nil) }, "not a directory"},
		{"link", func(t *testing.T, final string) {
			if err := os.Symlink(t.TempDir(), final); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			parent := t.TempDir()
			final := filepath.Join(parent, "out")
			tc.make(t, final)
			_, err := Stage(final, false)
			if tc.want != "not a directory" && !errors.Is(err, ErrExists) {
				t.Errorf("without force: %v", err)
			}
			s, err := Stage(final, true)
			if tc.want != "" {
				wantErr(t, err, tc.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			writeTestFile(t, filepath.Join(s.Path(), "new"), nil)
			if err := s.Commit(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{"out/new": ""}, tree(t, parent)); diff != "" {
				t.Errorf("after Commit (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStageMissingParent(t *testing.T) {
	t.Parallel()
	if _, err := Stage(filepath.Join(t.TempDir(), "a", "b"), false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// An output that appears while we work is not touched.
func TestStageRace(t *testing.T) {
	t.Parallel()
	final := filepath.Join(t.TempDir(), "out")
	s := stageOrFail(t, final, false)
	writeTestFile(t, filepath.Join(final, "theirs"), nil)
	if err := s.Commit(); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(map[string]string{"theirs": ""}, tree(t, final)); diff != "" {
		t.Errorf("their output (-want +got):\n%s", diff)
	}
}

// Two runs on one output: both end, one wins, the other says why.
func TestStageTwoRuns(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	final := filepath.Join(parent, "out")
	one, two := stageOrFail(t, final, false), stageOrFail(t, final, false)
	writeTestFile(t, filepath.Join(one.Path(), "one"), nil)
	writeTestFile(t, filepath.Join(two.Path(), "two"), nil)
	if err := two.Commit(); err != nil {
		t.Errorf("the second run: %v", err)
	}
	if err := one.Commit(); !errors.Is(err, ErrExists) {
		t.Errorf("the first run: %v", err)
	}
	if err := one.Abort(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]string{"out/two": ""}, tree(t, parent)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// stageChild makes the test binary stage an output and be killed.
const stageChild = "LATHE_TEST_STAGE_AND_DIE"

// A killed run leaves nothing under the final name, and the next run removes
// what it left beside it.
func TestStageKilled(t *testing.T) {
	t.Parallel()
	if final := os.Getenv(stageChild); final != "" {
		s, err := Stage(final, false)
		if err != nil {
			t.Fatal(err)
		}
		writeTestFile(t, filepath.Join(s.Path(), "half"), nil)
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if err := self.Kill(); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	parent := t.TempDir()
	final := filepath.Join(parent, "out")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStageKilled$")
	cmd.Env = append(os.Environ(), stageChild+"="+final)
	if err := cmd.Run(); err == nil {
		t.Fatal("the child was not killed")
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].Name(), ".out.lathe-") {
		t.Fatalf("the killed run left %v, %v", entries, err)
	}
	alive := stageOrFail(t, final, false) // removes the leftover
	next := stageOrFail(t, final, false)  // but not a living run's
	writeTestFile(t, filepath.Join(alive.Path(), "f"), nil)
	if err := next.Abort(); err != nil {
		t.Fatal(err)
	}
	if err := alive.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"out/f": ""}, tree(t, parent)); diff != "" {
		t.Errorf("after the next run (-want +got):\n%s", diff)
	}
}

// A run that was killed before it had a lock, or while it removed everything,
// leaves a directory without one.
func TestStageKilledWithoutLock(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if err := os.Mkdir(filepath.Join(parent, ".out.lathe-1"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeTestFile(t, filepath.Join(parent, ".out.lathe-2", "out", "half"), nil)
	writeTestFile(t, filepath.Join(parent, ".other.lathe-3", "out", "half"), nil)
	s := stageOrFail(t, filepath.Join(parent, "out"), false)
	if err := s.Abort(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 || entries[0].Name() != ".other.lathe-3" {
		t.Errorf("after the next run there are %v, %v", entries, err)
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "hint.json")
	for _, want := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"hint.json": want}, tree(t, dir)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if err := WriteFile(filepath.Join(dir, "none", "x"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "d"), bytes.Repeat([]byte("x"), 10), 0o600); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if diff := cmp.Diff(map[string]string{"hint.json": "two"}, tree(t, dir)); diff != "" {
		t.Errorf("left after failures (-want +got):\n%s", diff)
	}
}
