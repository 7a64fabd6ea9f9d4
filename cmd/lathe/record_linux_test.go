package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/lathe-build/lathe/internal/livetest"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
)

// recordingWorkspace has an image of one static server, two more programs and
// two files. It skips, aloud, where nothing can be recorded.
func recordingWorkspace(t *testing.T) workspace {
	t.Helper()
	livetest.Need(t, func() error {
		_, err := exec.LookPath("curl")
		return errors.Join(record.Supported(""), record.CanTrace(t.Context()), err)
	})
	w := workspace{t: t, dir: t.TempDir()}
	program := livetest.Probe(t)
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	for _, name := range []string{"bin/probe", "usr/bin/curl", "usr/bin/helper"} {
		w.check(archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}))
		_, err := archive.Write(program)
		w.check(err)
	}
	w.check(archive.Close())
	base, err := testimage.Tar("dir etc\nfile etc/motd = hello\nfile etc/other = there\nfile etc/a = a\nfile etc/b = b\nfile etc/c = c\nlink etc/link -> other\n")
	w.check(err)
	w.image, err = testimage.FromTars([][]byte{base, b.Bytes()}, v1.Config{
		Entrypoint: []string{"/bin/probe"}, ExposedPorts: map[string]struct{}{"8080/tcp": {}},
	})
	w.check(err)
	path, err := layout.Write(w.path("web"), empty.Index)
	w.check(err)
	w.check(path.AppendImage(w.image))
	w.check(os.Mkdir(w.path("tmp"), 0o711)) // the container's user passes
	return w
}

// asking is a test that asks the server for each of the URL paths.
func asking(paths ...string) []string {
	line := "curl -fsS -m 20"
	for _, p := range paths {
		line += ` "http://$LATHE_ADDR` + p + `"`
	}
	return []string{"--", "sh", "-c", line + " >&2"}
}

// profile reads and validates a recorded profile.
func (w workspace) profile(name string) *profile.Profile {
	w.t.Helper()
	info, err := os.Stat(w.path(name))
	w.check(err)
	if info.Mode().Perm() != 0o600 {
		w.t.Errorf("%s has mode %o", name, info.Mode().Perm())
	}
	data, err := os.ReadFile(w.path(name))
	w.check(err)
	p, err := profile.Read(bytes.NewReader(data), profile.Limits{})
	w.check(err)
	return p
}

// TestRecordProveRepair is the whole way: record, harden, prove, repair.
func TestRecordProveRepair(t *testing.T) {
	t.Parallel()
	w := recordingWorkspace(t)
	w.ok(append([]string{"record", "oci:web", "-o", "p.json"}, asking("/read?of=/etc/motd")...)...)
	if p := w.profile("p.json"); !p.Complete() || len(p.Sources) != 3 {
		t.Errorf("complete %v, %d sources", p.Complete(), len(p.Sources))
	}
	harden := func(out string, more ...string) []string {
		return append([]string{"harden", "oci:web", "-p", "p.json", "--level", "files", "-o", out}, more...)
	}
	w.ok(harden("out")...)
	verify := []string{"verify", "out", "--run", "-p", "p.json"}
	w.ok(append(verify, asking("/read?of=/etc/motd")...)...)
	gate := func(args []string, want ...string) {
		t.Helper()
		code, stderr := w.run(args...)
		if code != exitGate {
			t.Errorf("exit code %d, want %d: %s", code, exitGate, stderr)
		}
		for _, text := range want {
			if !strings.Contains(stderr, text) {
				t.Errorf("there is no %q in: %s", text, stderr)
			}
		}
	}
	gate(append(verify, asking("/read?of=/etc/other")...), "does not pass")
	gate(append(harden("missing", "--verify"), asking("/read?of=/etc/other")...), `"/etc/other" is not there: /bin/probe asked for it`)

	w.ok(append(harden("repaired", "--verify", "--repair"), asking("/read?of=/etc/other", "/run?of=/usr/bin/helper")...)...)
	w.ok(append([]string{"verify", "repaired", "--run"}, asking("/read?of=/etc/other", "/run?of=/usr/bin/helper")...)...)
	for name, want := range map[string]string{"/etc/other": "keep", "/usr/bin/helper": "keep", "/usr/bin/curl": "drop"} {
		cmd, _ := w.lathe(t.Context(), "explain", "repaired", name)
		if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v, want %s: %s", name, err, want, out)
		}
	}

	w.write("policy.yaml", []byte("apiVersion: lathe.dev/v1alpha1\nkind: HardeningPolicy\ndeny:\n- class: downloader\n"))
	gate(append(harden("denied", "--policy", "policy.yaml", "--verify", "--repair"), asking("/run?of=/usr/bin/curl")...),
		`not repaired: "/usr/bin/curl" is of a class that the policy denies`)
	for _, name := range []string{"missing", "denied"} {
		if exists(w.path(name)) {
			t.Errorf("there is an output %s", name)
		}
	}
	w.check(noLeftovers(w.dir, w.path("tmp")))
}

// holdContainer records a container whose test tells its process and address
// and goes on when it is released.
func (w workspace) holdContainer(ctx context.Context, more ...string) (cmd *exec.Cmd, stderr *strings.Builder, pid, addr string) {
	w.t.Helper()
	for _, name := range []string{"told", "release"} {
		w.check(syscall.Mkfifo(w.path(name), 0o600))
	}
	args := append([]string{"record", "oci:web", "-o", "held.json"}, more...)
	cmd, stderr = w.lathe(ctx, append(args, "--", "sh", "-c", `echo "$LATHE_PID $LATHE_ADDR" >told; cat release`)...)
	w.check(cmd.Start())
	told := make(chan string, 1)
	go func() {
		text, err := os.ReadFile(w.path("told"))
		if err != nil {
			text = []byte(err.Error())
		}
		told <- string(text)
	}()
	select {
	case text := <-told:
		fields := strings.Fields(text)
		if len(fields) != 2 {
			w.t.Fatalf("the test said %q", text)
		}
		return cmd, stderr, fields[0], fields[1]
	case <-ctx.Done():
		w.t.Fatalf("the container did not become ready: %s", stderr)
	}
	return nil, nil, "", ""
}

func (w workspace) release() { w.check(os.WriteFile(w.path("release"), nil, 0o600)) }

// groups are the control groups of a process, as directories.
func (w workspace) groups(pid string) []string {
	w.t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/cgroup")
	w.check(err)
	var dirs []string
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 || fields[2] == "/" {
			continue
		}
		for _, root := range []string{"", "unified", strings.TrimPrefix(fields[1], "name="), "pids"} {
			if dir := filepath.Join("/sys/fs/cgroup", root, fields[2]); exists(filepath.Join(dir, "cgroup.procs")) && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(dirs) == 0 {
		w.t.Fatalf("process %s is in no control group of its own: %s", pid, text)
	}
	return dirs
}

// TestRecordSignal stops a recording: nothing of the container stays.
func TestRecordSignal(t *testing.T) {
	t.Parallel()
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := recordingWorkspace(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd, stderr, pid, _ := w.holdContainer(ctx)
			groups := w.groups(pid)
			w.check(cmd.Process.Signal(signal))
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != code {
				t.Errorf("%v, want exit code %d: %s", err, code, stderr)
			}
			for _, name := range append(groups, "/proc/"+pid, w.path("held.json")) {
				if exists(name) {
					t.Errorf("%s is still there", name)
				}
			}
			mounts, err := os.ReadFile("/proc/self/mountinfo")
			w.check(err)
			if strings.Contains(string(mounts), w.dir) {
				t.Errorf("something is mounted below %s", w.dir)
			}
			w.check(noLeftovers(w.dir, w.path("tmp")))
		})
	}
}

// fakeDocker is a docker that knows one container.
func (w workspace) fakeDocker(pid string) string {
	dir := w.path("engine")
	w.check(os.Mkdir(dir, 0o700))
	answer := fmt.Sprintf(`[{"Id":"c0ffee","Image":"sha256:%064d","State":{"Pid":%s}}]`, 7, pid)
	w.check(os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\necho '"+answer+"'\n"), 0o700))
	return dir
}

// TestRecordAttach attaches to a container that runs, by process, control group
// and name: the profile says what it misses, and has what is open and mapped.
func TestRecordAttach(t *testing.T) {
	t.Parallel()
	w := recordingWorkspace(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	w.check(err)
	defer peer.Close()
	cmd, stderr, pid, addr := w.holdContainer(ctx, "--link", "peer="+peer.Addr().String(), "--scenarios", "none")
	// A connection that is open before anybody attaches, and stays.
	dialing := exec.CommandContext(ctx, "curl", "-fsS", "http://"+addr+"/dial?of=peer:"+strings.TrimPrefix(peer.Addr().String(), "127.0.0.1:"))
	w.check(dialing.Start())
	open, err := peer.Accept()
	w.check(err)
	for name, target := range map[string][]string{
		"pid": {"--pid", pid}, "group": {"--cgroup", w.groups(pid)[0]}, "container": {"--container", "web"},
	} {
		args := append([]string{"record", "-o", name + ".json"}, target...)
		attach, said := w.lathe(ctx, append(args, "--", "sh", "-c", `curl -fsS -m 20 "http://`+addr+`/read?of=/etc/other" >&2`)...)
		if name == "container" {
			attach.Env = append(attach.Env, "PATH="+w.fakeDocker(pid)+":"+os.Getenv("PATH"))
		}
		if err := attach.Run(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, said)
		}
		checkAttached(t, name, w.profile(name+".json"))
	}
	if p := w.profile("container.json"); p.Sources[0].Subject.ContainerID != "c0ffee" {
		t.Errorf("the container is %+v", p.Sources[0].Subject)
	}
	_, err = open.Write([]byte("over\n"))
	w.check(errors.Join(err, open.Close(), dialing.Wait()))
	w.release()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the recording that was attached to: %v: %s", err, stderr)
	}
	if p := w.profile("held.json"); !p.Complete() || slices.Contains(p.Network.Connect[0].Results, profile.ResultAlreadyOpen) {
		t.Errorf("complete %v, connections %+v", p.Complete(), p.Network.Connect)
	}
}

// checkAttached checks a profile of a container that ran already.
func checkAttached(t *testing.T, name string, p *profile.Profile) {
	t.Helper()
	s := p.Sources[0]
	notes := strings.Join(s.Notes, "\n")
	if p.Complete() || !strings.Contains(notes, "incomplete: attached to what ran already") {
		t.Errorf("%s: complete %v: %s", name, p.Complete(), notes)
	}
	if !strings.Contains(notes, "connections were open when the recording began") {
		t.Errorf("%s: no word of open connections: %s", name, notes)
	}
	for path, access := range map[profile.Path]string{"/bin/probe": profile.AccessMmapExec, "/etc/other": profile.AccessOpen} {
		if !slices.ContainsFunc(p.Files, func(f profile.File) bool { return f.Path == path && slices.Contains(f.Access, access) }) {
			t.Errorf("%s: no %s of %s: %+v", name, access, path, p.Files)
		}
	}
	if !slices.ContainsFunc(p.Network.Connect, func(c profile.Connect) bool {
		return c.Proto == "tcp" && slices.Equal(c.Results, []string{profile.ResultAlreadyOpen, profile.ResultEstablished})
	}) {
		t.Errorf("%s: the open connection is not marked: %+v", name, p.Network.Connect)
	}
	if !slices.ContainsFunc(p.Network.Listen, func(l profile.Listen) bool { return l.Port == 8080 }) {
		t.Errorf("%s: the open port is missing: %+v", name, p.Network.Listen)
	}
}
