package trace

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

// Phases are told apart, and scenarios named.
func TestPhases(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "wait")
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}, Run: "one"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	c.expect(t, "waiting")
	if err := r.Phase(profile.PhaseServing); err != nil {
		t.Fatal(err)
	}
	r.Scenario("probe")
	if out, err := c.enter("/bin/probe"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = c.stdin.Close()
	c.wait(t)
	p := stop(t, r)
	golden(t, "phases.txt", outline(p))
	if s := p.Sources[0]; !s.Complete || s.Run != "one" || !slices.Equal(s.Scenarios, []string{"probe"}) {
		t.Errorf("%+v", s)
	}
}

// A server that nobody asks serves all the same, and its start script does not.
func TestIdle(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "wait")
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	c.expect(t, "waiting")
	for _, phase := range []string{profile.PhaseServing, profile.PhaseShutdown} {
		if err := r.Phase(phase); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.stdin.Close()
	c.wait(t)
	got := map[string][]string{}
	for _, x := range stop(t, r).Executables {
		got[x.As] = x.Phase
	}
	want := map[string][]string{
		"interp": {profile.PhaseStartup}, "app": {profile.PhaseServing, profile.PhaseShutdown, profile.PhaseStartup},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Attaching to what runs already takes what is open from /proc.
func TestAttach(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "wait")
	attach(t, img, c, Target{PID: c.cmd.Process.Pid, Running: true})
}

// attach attaches to a container that waits.
func attach(t *testing.T, img image, c *container, target Target) {
	t.Helper()
	c.start(t)
	c.expect(t, "waiting")
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: target})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	_ = c.stdin.Close()
	c.wait(t)
	p := stop(t, r)
	golden(t, "attach.txt", outline(p))
	if s := p.Sources[0]; s.Complete || !slices.Contains(s.Notes, "incomplete: attached to what ran already") {
		t.Errorf("complete %v, notes %q", s.Complete, s.Notes)
	}
}

// What is not a container is refused.
func TestTarget(t *testing.T) {
	needRecorder(t)
	for name, target := range map[string]Target{
		"nothing": {}, "both": {PID: 1, Cgroup: "/sys"}, "this process": {PID: os.Getpid()}, "no process": {PID: 1 << 30},
		"no group": {Cgroup: "/sys/fs/cgroup/not-there"}, "no group that runs": {Cgroup: "/sys/fs/cgroup/not-there", Running: true},
	} {
		if r, err := Start(t.Context(), Options{Target: target}); err == nil {
			t.Errorf("%s was accepted", name)
			_ = r.Close()
		}
	}
	if _, err := Start(t.Context(), Options{Target: Target{PID: 1}, RingBytes: 5000}); err == nil {
		t.Error("a ring of 5000 bytes was accepted")
	}
}
