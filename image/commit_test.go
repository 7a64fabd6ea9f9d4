package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// several makes a new output, one that replaces another and a file that does.
func several(t *testing.T) (parent string, list []*Staging) {
	t.Helper()
	parent = t.TempDir()
	writeTestFile(t, filepath.Join(parent, "old", "oci-layout"), []byte("old"))
	writeTestFile(t, filepath.Join(parent, "file"), []byte("old"))
	fresh := stageOrFail(t, filepath.Join(parent, "fresh"), false)
	writeTestFile(t, filepath.Join(fresh.Path(), "oci-layout"), []byte("new"))
	old := stageOrFail(t, filepath.Join(parent, "old"), true)
	writeTestFile(t, filepath.Join(old.Path(), "oci-layout"), []byte("new"))
	file, err := StageFile(filepath.Join(parent, "file"), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Abort() })
	writeTestFile(t, file.Path(), []byte("new"))
	return parent, []*Staging{fresh, old, file}
}

func abortAll(t *testing.T, list []*Staging) {
	t.Helper()
	for _, s := range list {
		if err := s.Abort(); err != nil {
			t.Error(err)
		}
	}
}

func TestCommitAll(t *testing.T) {
	t.Parallel()
	parent, list := several(t)
	called := false
	err := CommitAll(list, func() error {
		called = true
		if raw, err := os.ReadFile(filepath.Join(parent, "file")); err != nil || string(raw) != "new" {
			t.Errorf("at the last step the file is %q, %v", raw, err)
		}
		return nil
	})
	if err != nil || !called {
		t.Fatalf("called %v: %v", called, err)
	}
	want := map[string]string{"fresh/oci-layout": "new", "old/oci-layout": "new", "file": "new"}
	if diff := cmp.Diff(want, tree(t, parent)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// TestCommitAllFails fails at the last step, and at each of the moves.
func TestCommitAllFails(t *testing.T) {
	t.Parallel()
	want := map[string]string{"old/oci-layout": "old", "file": "old"}
	failure := errors.New("the tag does not move")
	parent, list := several(t)
	if err := CommitAll(list, func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	abortAll(t, list)
	if diff := cmp.Diff(want, tree(t, parent)); diff != "" {
		t.Errorf("after a failure of the last step (-want +got):\n%s", diff)
	}
	for i := range 3 {
		parent, list := several(t)
		list[i].back, list[i].check = nil, func(string, bool) error { return nil }
		final := list[i].final
		list[i].final = filepath.Join(parent, "no", "such", "directory")
		if err := CommitAll(list, nil); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v", final, err)
		}
		abortAll(t, list)
		if diff := cmp.Diff(want, tree(t, parent)); diff != "" {
			t.Errorf("after a failure of %s (-want +got):\n%s", final, diff)
		}
	}
}

// TestReplaceAndBack moves two renames back where names cannot be exchanged.
func TestReplaceAndBack(t *testing.T) {
	t.Parallel()
	parent, list := several(t)
	before := map[string]string{"old/oci-layout": "old", "file": "old"}
	for _, s := range list[1:] {
		if err := s.replace(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range list[1:] {
		if err := s.moveBack(); err != nil {
			t.Fatal(err)
		}
	}
	abortAll(t, list)
	if diff := cmp.Diff(before, tree(t, parent)); diff != "" {
		t.Errorf("after moving back (-want +got):\n%s", diff)
	}
}

// TestMoveBackFails keeps what was there when it cannot be moved back.
func TestMoveBackFails(t *testing.T) {
	t.Parallel()
	parent, list := several(t)
	old := list[1]
	if err := old.move(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(old.final); err != nil {
		t.Fatal(err)
	}
	hidden := old.temp
	err := old.moveBack()
	if hidden == old.temp {
		t.Error("the next run would take it for a leftover")
	}
	wantErr(t, err, "what was there is in "+old.temp)
	abortAll(t, list)
	if raw, err := os.ReadFile(filepath.Join(old.temp, stagingOut, "oci-layout")); err != nil || string(raw) != "old" {
		t.Errorf("the old output is gone from %s: %q, %v", parent, raw, err)
	}
}
