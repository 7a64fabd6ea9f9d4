package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSweepGoesOn: what cannot be removed is told, and keeps nothing else from
// being removed.
func TestSweepGoesOn(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	stuck, err := newSlot(state, slotInfo{Runtime: "/no/such/runtime", Dir: "/no/such/box"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(stuck.state(), "container"), 0o700); err != nil {
		t.Fatal(err)
	}
	box := filepath.Join(t.TempDir(), boxPrefix+"1")
	if err := os.MkdirAll(filepath.Join(box, "lower"), 0o700); err != nil {
		t.Fatal(err)
	}
	gone, err := newSlot(state, slotInfo{Dir: box})
	if err != nil {
		t.Fatal(err)
	}
	held, err := newSlot(state, slotInfo{Dir: box})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*slot{stuck, gone} {
		if err := s.lock.Close(); err != nil { // as when its process is killed
			t.Fatal(err)
		}
	}
	left, err := sweep(t.Context(), state)
	if err != nil || len(left) != 1 || !strings.Contains(left[0].Error(), stuck.dir) {
		t.Errorf("sweep gives %v and %v, want one complaint about %s", left, err, stuck.dir)
	}
	for name, there := range map[string]bool{stuck.dir: true, gone.dir: false, box: false, held.dir: true} {
		if _, err := os.Stat(name); (err == nil) != there {
			t.Errorf("%s: %v, want it there: %t", name, err, there)
		}
	}
}
