//go:build linux

package sandbox_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/livetest"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/record/sandbox"
)

// TestLeftovers kills a process that runs a container; the next one cleans up.
func TestLeftovers(t *testing.T) {
	if state := os.Getenv("LATHE_TEST_LEFTOVERS"); state != "" {
		leaveOver(t, state, os.Getenv("LATHE_TEST_RUNTIME"))
		return
	}
	t.Parallel()
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			killAndSweep(t, runtime)
		})
	}
}

func killAndSweep(t *testing.T, runtime string) {
	state := stateDir(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLeftovers$", "-test.v")
	child.Env = append(os.Environ(), "LATHE_TEST_LEFTOVERS="+state, "LATHE_TEST_RUNTIME="+runtime, "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var pid int
	var dir, id string
	for pid == 0 && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "running %d in %s as %s", &pid, &dir, &id)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if pid == 0 {
		t.Fatal("the child ran nothing")
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		t.Fatalf("the container ended with its parent: this test tests nothing: %v", err)
	}
	program := livetest.Probe(t)
	img, err := testimage.FromTars([][]byte{fileTar(t, "bin/probe", program)}, v1.Config{Entrypoint: []string{"/bin/probe"}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	box, err := sandbox.Open(t.Context(), tree, sandbox.BoxOptions{State: state})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the container to be gone", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return err != nil || strings.Contains(string(status), "State:\tZ")
	})
	if groups, err := filepath.Glob("/sys/fs/cgroup/lathe/" + id); err != nil || len(groups) > 0 {
		t.Errorf("control groups are left: %v, %v", groups, err)
	}
	if groups, err := filepath.Glob("/sys/fs/cgroup/*/lathe/" + id); err != nil || len(groups) > 0 {
		t.Errorf("control groups are left: %v, %v", groups, err)
	}
	mounted, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounted), dir) {
		t.Errorf("a mount is left below %s (%v)", dir, err)
	}
	if err := box.Close(); err != nil {
		t.Error(err)
	}
	for _, where := range []string{state, dir} {
		if list, err := os.ReadDir(where); err != nil || len(list) > 0 {
			t.Errorf("left in %s: %v, %v", where, list, err)
		}
	}
}

func leaveOver(t *testing.T, state, runtime string) {
	program := livetest.Probe(t)
	img, err := testimage.FromTars([][]byte{fileTar(t, "bin/probe", program)}, v1.Config{Entrypoint: []string{"/bin/probe"}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	boxes := t.TempDir()
	box, err := sandbox.Open(t.Context(), tree, sandbox.BoxOptions{State: state, Dir: boxes, Runtime: runtime})
	if err != nil {
		t.Fatal(err)
	}
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	c, err := box.Start(t.Context(), store, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.PID()))
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(groups), "/lathe/lathe-")
	if at < 0 {
		t.Fatalf("the container is in no control group of its own: %s", groups)
	}
	id, _, _ := strings.Cut(string(groups[at+len("/lathe/"):]), "\n")
	fmt.Printf("running %d in %s as %s\n", c.PID(), boxes, id)
	select {} // until killed
}

// TestHostileFiles: a container makes directories too deep for any name. It is
// removed like any other.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, nil)
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	c := startOn(t, box, store, sandbox.Options{})
	for _, dir := range []string{"/data", "/etc"} {
		if got := ask(t, c, "dig", dir); got != "2100 deep" {
			t.Errorf("digging in %s: %q", dir, got)
		}
	}
	if _, err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Remove(); err != nil {
		t.Error(err)
	}
}
