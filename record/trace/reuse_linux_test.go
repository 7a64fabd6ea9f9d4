package trace

import (
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// The kernel gives the number of a namespace away as soon as nobody is in it:
// what others do under the number of a container that has ended is not its.
func TestNumberOfNamespaceIsNotReused(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "files")
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	c.wait(t)
	for range 64 { // each takes the lowest number that is free
		other := exec.Command("sleep", "60")
		other.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	}
	p := stop(t, r)
	if i := slices.IndexFunc(p.Executables, func(e profile.Executable) bool { return e.Path == "/usr/bin/sleep" }); i >= 0 {
		t.Errorf("a program of another container was recorded: %+v", p.Executables[i])
	}
	if s := p.Sources[0]; !s.Complete {
		t.Errorf("incomplete: %q", s.Notes)
	}
}
