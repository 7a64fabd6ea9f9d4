package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk writes an output, and temporary files, where there is no room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, full := range []string{"output", "tmp"} {
		t.Run(full, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t)
			small := w.mount(full, "size=128k")
			args := []string{"harden", "oci:web", "-p", "profile.yaml", "--key", "cosign.key", "-o", "out"}
			if full == "output" {
				args[len(args)-1] = small + "/out"
			}
			code, stderr := w.run(args...)
			if full == "tmp" && code == 0 {
				t.Skip("this run needed no temporary files of that size")
			}
			if code != exitFailed || !strings.Contains(stderr, "no space left on device") || !strings.Contains(stderr, "try: make room") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			if err := oneComplaint(stderr); err != nil {
				t.Error(err)
			}
			if exists(args[len(args)-1]) || exists(w.path("out")) {
				t.Error("there is an output")
			}
			w.check(noLeftovers(w.dir, w.path("tmp")))
		})
	}
}

// TestReadOnly finds out before the work that nothing can be written.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	closed := w.mount("closed", "ro")
	code, stderr := w.run("harden", "oci:nosuch", "-p", "profile.yaml", "-o", closed+"/out")
	if code != exitFailed || !strings.Contains(stderr, "read-only file system") || strings.Contains(stderr, "nosuch") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestFullCache goes on when the cache cannot take a layer.
func TestFullCache(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	small := w.mount("cache", "size=64k")
	for range 2 {
		w.ok(signed(s.Host+"/web:1", "-o", "out", "--force", "--cache-dir", small)...)
		w.ok("verify", "out", "--key", "cosign.pub")
	}
	list, err := os.ReadDir(small)
	w.check(err)
	for _, d := range list {
		if strings.HasPrefix(d.Name(), ".") {
			t.Errorf("%s was left in the cache", d.Name())
		}
	}
}

// mount makes a small file system, for which one must be root.
func (w workspace) mount(name, options string) string {
	w.t.Helper()
	dir := w.path(name)
	if !exists(dir) {
		w.check(os.Mkdir(dir, 0o700))
	}
	flags := uintptr(0)
	if options == "ro" {
		flags, options = syscall.MS_RDONLY, ""
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		w.t.Skipf("a file system of its own needs root: %v", err)
	}
	w.t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			w.t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}
