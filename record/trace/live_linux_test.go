package trace

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

var update = flag.Bool("update", false, "rewrite golden files")

// outline is everything in a profile that is the same in every run, a line each.
func outline(p *profile.Profile) string {
	var b strings.Builder
	line := func(section, subject string, facts ...any) {
		fmt.Fprintf(&b, "%s %s", section, subject)
		for i := 0; i+1 < len(facts); i += 2 {
			if text := strings.Trim(fmt.Sprint(facts[i+1]), "[]"); text != "" && text != "false" {
				fmt.Fprintf(&b, " %s=%s", facts[i], strings.ReplaceAll(text, " ", ","))
			}
		}
		b.WriteByte('\n')
	}
	id := p.Sources[0].ID
	for _, x := range p.Executables {
		line("exec", x.Key, "via", x.Via, "scripts", x.Scripts, "parents", x.Parents, "origin", x.Origin, "phase", x.Phase,
			"layer", x.Layer, "uids", x.UIDs, "tty", x.TTY, "argv", x.Argv, "n", x.Seen[id].N)
	}
	for _, f := range p.Files {
		line("file", string(f.Path), "access", f.Access, "via", f.Via, "layer", f.Layer, "by", f.By, "phase", f.Phase)
	}
	for _, m := range p.Missing {
		line("missing", string(m.Path), "errno", m.Errno, "ops", m.Ops, "by", m.By)
	}
	for _, l := range p.Network.Listen {
		line("listen", fmt.Sprint(l.Proto, " ", l.Addr, " ", l.Port), "ephemeral", l.Ephemeral, "by", l.By)
	}
	for _, a := range p.Network.Accept {
		line("accept", fmt.Sprint(a.Proto, " ", a.Port, " ", a.Peer.IP), "by", a.By)
	}
	for _, c := range p.Network.Connect {
		line("connect", fmt.Sprint(c.Proto, " ", c.Peer.IP, c.Peer.Path, " ", c.Port), "results", c.Results, "names", c.Peer.Names,
			"by", c.By, "attribution", c.Attribution)
	}
	for _, d := range p.Network.DNS {
		line("dns", d.Name+" "+d.Type, "answers", d.Answers, "by", d.By)
	}
	return b.String()
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// Every kind of event, in one run.
func TestRecord(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	p := record(t, img, Options{Resolve: img.resolve, Name: "box", Version: "test"})
	golden(t, "record.txt", outline(p))
	s := p.Sources[0]
	if !s.Complete || s.Lost != (profile.Lost{Known: true}) {
		t.Errorf("complete %v, lost %v: %q", s.Complete, s.Lost, s.Notes)
	}
	for _, name := range []string{"openat2", "execveat", "memfd_create", "recvmmsg", "io_uring_setup"} {
		if !slices.ContainsFunc(p.Syscalls, func(s profile.Syscall) bool { return s.Name == name }) {
			t.Errorf("the system call %s is missing", name)
		}
	}
	for _, name := range []string{"pivot_root", "mount"} {
		if slices.ContainsFunc(p.Syscalls, func(s profile.Syscall) bool { return s.Name == name }) {
			t.Errorf("the system call %s is the launcher's", name)
		}
	}
	for _, name := range []string{"CHOWN", "NET_BIND_SERVICE"} {
		if !slices.ContainsFunc(p.Capabilities, func(c profile.Capability) bool { return c.Name == name }) {
			t.Errorf("the capability %s is missing", name)
		}
	}
	if slices.ContainsFunc(p.Capabilities, func(c profile.Capability) bool { return c.Name == "SYS_CHROOT" }) {
		t.Error("a capability of the launcher's was recorded")
	}
}

// A ring that overflows makes the profile incomplete, and says why.
func TestLoss(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img)
	r, err := Start(t.Context(), Options{Resolve: img.resolve, RingBytes: os.Getpagesize(), Target: Target{PID: c.cmd.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	r.mu.Lock() // nobody reads
	c.start(t)
	c.wait(t)
	r.mu.Unlock()
	p := stop(t, r)
	s := p.Sources[0]
	if s.Complete || s.Lost.Events == 0 || !s.Lost.Known {
		t.Errorf("complete %v, lost %v", s.Complete, s.Lost)
	}
	if !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "did not fit the buffer") }) {
		t.Errorf("notes %q", s.Notes)
	}
}

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

// Attaching to what runs already takes what is open from /proc.
func TestAttach(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "wait")
	c.start(t)
	c.expect(t, "waiting")
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid, Running: true}})
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
		"no group": {Cgroup: "/sys/fs/cgroup/not-there"},
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
