package main

import (
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

// The faults of docs/faults.md, injected into the command line as a process.

// registry starts one that holds the image of the workspace as web:1.
func (w workspace) registry() *faultregistry.Server {
	w.t.Helper()
	s := faultregistry.Wrap(w.t, faultlessRegistry())
	w.put(s, "web:1", w.image)
	s.Clear()
	return s
}

func (w workspace) put(s *faultregistry.Server, ref string, img v1.Image) {
	w.t.Helper()
	to, err := name.ParseReference(s.Host + "/" + ref)
	w.check(err)
	w.check(remote.Write(to, img))
}

// digest is what a reference names, or "".
func (w workspace) digest(s *faultregistry.Server, ref string) string {
	w.t.Helper()
	at, err := name.ParseReference(s.Host + "/" + ref)
	w.check(err)
	d, err := remote.Head(at)
	if err != nil {
		return ""
	}
	return d.Digest.String()
}

// fails runs lathe, which must end with exit code 1, one complaint with each of
// the texts, and nothing of its own left.
func (w workspace) fails(args []string, want ...string) {
	w.t.Helper()
	code, stderr := w.run(args...)
	w.complained(code, stderr, want...)
}

// complained wants a run to have ended as fails does.
func (w workspace) complained(code int, stderr string, want ...string) {
	w.t.Helper()
	if code != exitFailed {
		w.t.Errorf("exit code %d, want 1: %s", code, stderr)
	}
	if err := oneComplaint(stderr); err != nil {
		w.t.Error(err)
	}
	for _, text := range want {
		if !strings.Contains(stderr, text) {
			w.t.Errorf("the complaint says nothing of %q: %s", text, stderr)
		}
	}
	w.check(noLeftovers(w.dir, w.path("tmp")))
}

func signed(args ...string) []string {
	return append([]string{"harden"}, append(args, "-p", "profile.yaml", "--key", "cosign.key")...)
}

// TestBriefFaults wants what is over soon to be over soon: each request is sent
// again, and the result is right.
func TestBriefFaults(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		fault faultregistry.Fault
	}{
		{"429 with Retry-After", faultregistry.Fault{Count: 2, Status: 429, RetryAfter: "1"}},
		{"500", faultregistry.Fault{Method: "GET", Path: "/manifests/", Count: 1, Status: 500}},
		{"503 twice", faultregistry.Fault{Method: "PUT", Path: "/manifests/", Count: 2, Status: 503, RetryAfter: "0"}},
		{"reset at the start of a pull", faultregistry.Fault{Method: "GET", Path: "/blobs/", Count: 1, Action: faultregistry.ResetEarly}},
		{"reset in the middle of a pull", faultregistry.Fault{Method: "GET", Path: "/blobs/", Count: 1, Action: faultregistry.ResetMid}},
		{"truncated pull", faultregistry.Fault{Method: "GET", Path: "/blobs/", Count: 1, Action: faultregistry.Truncate}},
		{"reset at the start of an upload", faultregistry.Fault{Method: "POST", Path: "/blobs/uploads", Count: 1, Action: faultregistry.ResetEarly}},
		{"reset in the middle of an upload", faultregistry.Fault{Method: "PUT", Path: "/blobs/uploads", Count: 1, Action: faultregistry.ResetMid}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t)
			s := w.registry()
			s.Add(tc.fault)
			w.ok(signed(s.Host+"/web:1", "--push", s.Host+"/web:hard", "-o", "out")...)
			hit := 0
			for _, r := range s.Log() {
				if r.Fault {
					hit++
				}
			}
			if hit != tc.fault.Count {
				t.Errorf("%d requests failed, want %d", hit, tc.fault.Count)
			}
			w.ok("verify", "out", "--key", "cosign.pub")
			w.ok("verify", s.Host+"/web:hard", "--key", "cosign.pub")
		})
	}
}

// TestLastingFaults wants an error with host and step, and nothing else changed:
// the tag and the outputs that were there are there.
func TestLastingFaults(t *testing.T) {
	t.Parallel()
	const pull, push = "pull", "push"
	for _, tc := range []struct {
		name, when string
		fault      faultregistry.Fault
		want       []string
	}{
		{"429", pull, faultregistry.Fault{Method: "GET", Path: "/manifests/", Status: 429, RetryAfter: "0"}, []string{"429", "reading manifest"}},
		{"503", pull, faultregistry.Fault{Method: "GET", Path: "/blobs/", Status: 503, RetryAfter: "0"}, []string{"503", "reading blob"}},
		{"hang", pull, faultregistry.Fault{Method: "GET", Path: "/blobs/", Action: faultregistry.Hang}, []string{"no progress", "reading blob"}},
		{"hang in the middle", pull, faultregistry.Fault{Method: "GET", Path: "/blobs/", Action: faultregistry.HangMid}, []string{"no progress", "reading blob"}},
		{"wrong bytes", pull, faultregistry.Fault{Method: "GET", Path: "/blobs/", Action: faultregistry.Corrupt}, []string{"sha256:"}},
		{"401", pull, faultregistry.Fault{Status: 401}, []string{"credentials"}},
		{"500", push, faultregistry.Fault{Method: "PUT", Path: "/manifests/sha256:", Status: 500}, []string{"500", "writing manifest"}},
		{"403", push, faultregistry.Fault{Method: "POST", Path: "/blobs/uploads", Status: 403}, []string{"403"}},
		{"hang", push, faultregistry.Fault{Method: "PUT", Path: "/manifests/hard$", Action: faultregistry.Hang}, []string{"no progress", "writing manifest hard", "was pushed and has no tag"}},
		{"signature refused", push, faultregistry.Fault{Method: "PUT", Path: "[.]sig$", Status: 403}, []string{"403", "was pushed and has no tag", "/web@sha256:"}},
		{"attestation refused", push, faultregistry.Fault{Method: "PUT", Path: "[.]att$", Status: 500}, []string{"500", "was pushed and has no tag"}},
		{"tag refused", push, faultregistry.Fault{Method: "PUT", Path: "/manifests/hard$", Status: 403}, []string{"403", "was pushed and has no tag"}},
	} {
		t.Run(tc.when+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t)
			s := w.registry()
			old, err := random.Image(100, 1)
			w.check(err)
			w.put(s, "web:hard", old)
			before := w.digest(s, "web:hard")
			w.ok("harden", "oci:web", "-p", "profile.yaml", "-o", "out", "--to", "oci:layout", "--to", "docker-archive:file.tar", "--keep", "/usr/bin/curl")
			were := w.contents("out", "layout", "file.tar")
			s.Add(tc.fault)
			source := "oci:web"
			if tc.when == pull {
				source = s.Host + "/web:1"
			}
			args := signed(source, "-o", "out", "--to", "oci:layout", "--to", "docker-archive:file.tar", "--force", "--timeout", "2s")
			if tc.when == push {
				args = append(args, "--push", s.Host+"/web:hard")
			}
			w.fails(args, append(tc.want, s.Host)...)
			if diff := cmp.Diff(were, w.contents("out", "layout", "file.tar")); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
			s.Clear()
			if after := w.digest(s, "web:hard"); after != before {
				t.Errorf("the tag was moved to %q", after)
			}
		})
	}
}

// contents are the digests of all files below paths of the workspace.
func (w workspace) contents(paths ...string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, p := range paths {
		cmd := exec.Command("find", p, "-type", "f", "-exec", "sha256sum", "{}", "+")
		cmd.Dir = w.dir
		text, err := cmd.Output()
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			sum, file, _ := strings.Cut(strings.TrimSpace(line), "  ")
			out[file] = sum
		}
	}
	return out
}

// TestTagMovedMeanwhile finds out that somebody else moved the tag.
func TestTagMovedMeanwhile(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		w := newWorkspace(t)
		s := w.registry()
		theirs, err := random.Image(100, 1)
		w.check(err)
		s.Add(faultregistry.Fault{Method: "PUT", Path: "[.]att$", Count: 1, Action: faultregistry.Call, Do: func() { w.put(s, "web:hard", theirs) }})
		args := signed("oci:web", "--push", s.Host+"/web:hard", "-o", "out")
		want, err := theirs.Digest()
		w.check(err)
		if force {
			w.ok(append(args, "--force")...)
			w.ok("verify", s.Host+"/web:hard", "--key", "cosign.pub")
			continue
		}
		w.fails(args, "somebody else moved the tag", "from nothing to "+want.String(), "was pushed and has no tag", "try: ")
		if got := w.digest(s, "web:hard"); got != want.String() {
			t.Errorf("the tag names %s", got)
		}
		if exists(w.path("out")) {
			t.Error("there is an output")
		}
	}
}

// TestSameReference hardens a tag in its place, and again: the source is read
// once, by digest, and the tag moves last.
func TestSameReference(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	before := w.digest(s, "web:1")
	w.ok(signed(s.Host+"/web:1", "--push", s.Host+"/web:1", "-o", "out")...)
	after := w.digest(s, "web:1")
	if after == before {
		t.Error("the tag did not move")
	}
	w.ok("verify", s.Host+"/web:1", "--key", "cosign.pub")
	w.ok(append(signed(s.Host+"/web:1", "--push", s.Host+"/web:1", "-o", "again"), "--rebase")...)
	w.ok("verify", s.Host+"/web:1", "--key", "cosign.pub")
}

// TestLogDown fails when the transparency log that was asked for is not there.
func TestLogDown(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	down := faultregistry.Wrap(t, faultlessRegistry())
	down.Add(faultregistry.Fault{Status: 503, RetryAfter: "0"})
	for _, log := range []string{"http://" + down.Host, "http://127.0.0.1:1"} {
		w.fails(signed("oci:web", "--push", s.Host+"/web:hard", "-o", "out", "--tlog-upload", "--rekor-url", log, "--timeout", "2s"), log[len("http://"):])
		if got := w.digest(s, "web:hard"); got != "" || exists(w.path("out")) {
			t.Errorf("there is an output or a tag %q", got)
		}
	}
}

// TestDaemonFails leaves other outputs as they were when a daemon takes nothing.
func TestDaemonFails(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	t.Log("no daemon listens at the socket")
	cmd, stderr := w.lathe(t.Context(), signed("oci:web", "--push", s.Host+"/web:hard", "-o", "out", "--to", "oci:layout", "--to", "docker-daemon:web:1")...)
	cmd.Env = append(cmd.Env, "DOCKER_HOST=unix://"+w.path("no.sock"))
	if err := cmd.Run(); err == nil {
		t.Fatal("it ended well")
	}
	if !strings.Contains(stderr.String(), "no.sock") || !strings.Contains(stderr.String(), "was pushed and has no tag") {
		t.Errorf("stderr: %s", stderr)
	}
	if exists(w.path("out")) || exists(w.path("layout")) || w.digest(s, "web:hard") != "" {
		t.Error("there is an output or a tag")
	}
	w.check(noLeftovers(w.dir, w.path("tmp")))
}

// TestFileSizeLimit meets a limit on the size of files as it does a full disk.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	cmd, stderr := w.lathe(t.Context())
	script := "ulimit -f 64; exec " + cmd.Path + ` "$@"`
	limited := exec.Command("sh", append([]string{"-c", script, "lathe"}, signed("oci:web", "-o", "out")...)...)
	limited.Dir, limited.Env, limited.Stderr = cmd.Dir, cmd.Env, io.Writer(stderr)
	_ = limited.Run()
	if code := limited.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), "file too large") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if err := oneComplaint(stderr.String()); err != nil {
		t.Error(err)
	}
	if exists(w.path("out")) {
		t.Error("there is an output")
	}
	w.check(noLeftovers(w.dir, w.path("tmp")))
}
