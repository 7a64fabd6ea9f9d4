package trace

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

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

// An overlay, as container engines make it, gives the same paths.
func TestOverlay(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	img.upper = t.TempDir()
	p := record(t, img, Options{Resolve: img.resolve})
	golden(t, "record.txt", outline(p))
	for _, name := range []string{"DAC_OVERRIDE", "DAC_READ_SEARCH"} {
		if slices.ContainsFunc(p.Capabilities, func(c profile.Capability) bool { return c.Name == name }) {
			t.Errorf("the capability %s is of the overlay's mounter", name)
		}
	}
}

// A control group tells its container at the first execution.
func TestCgroup(t *testing.T) {
	needRecorder(t)
	tried := false
	for name, root := range map[string]string{"v2": "/sys/fs/cgroup", "hybrid": "/sys/fs/cgroup/unified", "v1": "/sys/fs/cgroup/pids"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue
		}
		tried = true
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(root, "lathe-test-"+strconv.Itoa(os.Getpid()))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Skipf("SKIPPED: no control group can be made: %v", err)
			}
			t.Cleanup(func() { _ = os.Remove(dir) })
			img := newImage(t)
			c := create(t, img, "files")
			pid := strconv.Itoa(c.cmd.Process.Pid)
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{Cgroup: dir}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			c.start(t)
			c.wait(t)
			p := stop(t, r)
			golden(t, "cgroup.txt", outline(p))
			if s := p.Sources[0]; !s.Complete {
				t.Errorf("notes %q", s.Notes)
			}

			img = newImage(t)
			c = create(t, img, "wait")
			pid = strconv.Itoa(c.cmd.Process.Pid)
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0o600); err != nil {
				t.Fatal(err)
			}
			attach(t, img, c, Target{Cgroup: dir, Running: true})
		})
	}
	if !tried {
		t.Skip("SKIPPED, nothing was recorded: there are no control groups")
	}
}

// A script may be the interpreter of another one.
func TestScripts(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	for name, text := range map[string]string{"entry": "#!/bin/outer -a\n", "bin/outer": "#!/bin/inner\n", "bin/inner": "#!/bin/interp -b\n"} {
		if err := os.WriteFile(filepath.Join(img.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	img.snapshot(t)
	p := record(t, img, Options{Resolve: img.resolve}, "storm")
	for _, name := range []profile.Path{"/entry", "/bin/outer", "/bin/inner"} {
		if !slices.ContainsFunc(p.Files, func(f profile.File) bool {
			return f.Path == name && slices.Equal(f.Access, []string{profile.AccessExec}) && slices.Equal(f.By, []string{"/bin/box::interp"})
		}) {
			t.Errorf("%s is missing: %+v", name, p.Files)
		}
	}
	i := slices.IndexFunc(p.Executables, func(x profile.Executable) bool { return x.Key == "/bin/box::interp" })
	if i < 0 || !slices.Equal(p.Executables[i].Scripts, []profile.Path{"/entry"}) {
		t.Errorf("executables %+v", p.Executables)
	}
}

// A healthcheck is told from someone who attached.
func TestProbe(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "wait")
	r, err := Start(t.Context(), Options{
		Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}, Probes: [][]string{{"/bin/probe"}}, Argv: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	c.expect(t, "waiting")
	for _, program := range []string{"/bin/probe", "/bin/nop"} {
		if out, err := c.enter(program); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	before := r.Progress()
	_ = c.stdin.Close()
	c.wait(t)
	p := stop(t, r)
	if before.Executables == 0 || before.Facts == 0 || before.LastNew.IsZero() || before.Lost != 0 {
		t.Errorf("progress %+v", before)
	}
	got := map[string]string{}
	for _, x := range p.Executables {
		got[x.As] = strings.Join(x.Origin, ",") + ": " + strings.Join(x.Argv, ",")
	}
	want := map[string]string{
		"interp": "entrypoint: /bin/interp /entry wait", "app": "entrypoint: app wait", "probe": "probe: /bin/probe", "nop": "attach: /bin/nop",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// program386 is an ELF program of 32 bits that makes two system calls: getpid and
// exit.
func program386() []byte {
	const base, headers = 0x10000, 52 + 32
	code := []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0x31, 0xdb, 0xb8, 1, 0, 0, 0, 0xcd, 0x80}
	le := binary.LittleEndian
	out := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 15: 0}
	for _, half := range []uint16{2, 3} { // executable, 386
		out = le.AppendUint16(out, half)
	}
	for _, word := range []uint32{1, base + headers, 52, 0, 0} { // version, entry, program headers, no sections, flags
		out = le.AppendUint32(out, word)
	}
	for _, half := range []uint16{52, 32, 1, 0, 0, 0} {
		out = le.AppendUint16(out, half)
	}
	size := uint32(headers + len(code))
	for _, word := range []uint32{1, 0, base, base, size, size, 5, 0x1000} { // load it all, read and execute
		out = le.AppendUint32(out, word)
	}
	return append(out, code...)
}

// Programs of 32 bits are not followed, and the profile says so.
func TestCompat(t *testing.T) {
	needRecorder(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("SKIPPED: only amd64 has another architecture to try")
	}
	img := newImage(t)
	old := filepath.Join(img.dir, "bin/old")
	if err := os.WriteFile(old, program386(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command(old).Run(); errors.Is(err, syscall.ENOEXEC) {
		t.Skip("SKIPPED: this kernel runs no programs of 32 bits")
	}
	img.snapshot(t)
	p := record(t, img, Options{Resolve: img.resolve}, "old")
	s := p.Sources[0]
	if s.Complete || !strings.Contains(strings.Join(s.Notes, " "), "32 bits") {
		t.Errorf("complete %v, notes %q", s.Complete, s.Notes)
	}
	if !slices.ContainsFunc(p.Executables, func(x profile.Executable) bool { return x.Path == "/bin/old" }) {
		t.Error("its execution is missing")
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

// What was seen is told while the container runs, although few events wake the
// reader.
func TestProgress(t *testing.T) {
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
	limit, tick := time.After(time.Minute), time.NewTicker(lookEvery)
	defer tick.Stop()
	for r.Progress().Files < 2 { // the script and what stays open
		select {
		case <-limit:
			t.Fatalf("after a minute: %+v", r.Progress())
		case <-tick.C:
		}
	}
	_ = c.stdin.Close()
	c.wait(t)
	stop(t, r)
}

// What happens again is not sent again.
func TestRepeated(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	c := create(t, img, "serve")
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	c.wait(t)
	p := stop(t, r)
	if events := r.Progress().Events; events == 0 || events > 100 {
		t.Errorf("%d events of 4000 requests", events)
	}
	if !slices.ContainsFunc(p.Files, func(f profile.File) bool { return f.Path == "/etc/page" }) {
		t.Error("the page is missing")
	}
}

// A burst of new files is seen whole.
func TestBurst(t *testing.T) {
	needRecorder(t)
	img := newImage(t)
	p := record(t, img, Options{Resolve: img.resolve}, "walk")
	read := 0
	for _, f := range p.Files {
		if strings.HasPrefix(string(f.Path), "/tree/") && slices.Contains(f.Access, profile.AccessRead) {
			read++
		}
	}
	if s := p.Sources[0]; !s.Complete || read != 4000 {
		t.Errorf("%d of 4000 files, complete %v: %q", read, s.Complete, s.Notes)
	}
}
