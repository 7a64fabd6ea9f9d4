package seccomp

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

const plain = `{
  "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  "syscalls": [
    {"names": ["openat", "read", "read"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"},
    {"name": "personality", "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
    {"names": ["NOT A CALL"], "action": "SCMP_ACT_LOG"}
  ]}`

func read(text string, opts foreign.Options) (*profile.Profile, error) {
	in, err := foreign.Open("seccomp.json", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return importProfiles(context.Background(), []*foreign.Input{in}, opts)
}

func TestImport(t *testing.T) {
	t.Parallel()
	p, err := read(plain, foreign.Options{Container: "web"})
	if err != nil {
		t.Fatal(err)
	}
	s := p.Sources[0]
	want := []profile.Syscall{}
	for _, name := range []string{"openat", "personality", "read"} {
		want = append(want, profile.Syscall{Name: name, Arch: []string{"386", "amd64"}, Seen: []string{s.ID}})
	}
	if diff := cmp.Diff(want, p.Syscalls); diff != "" {
		t.Error(diff)
	}
	if s.Kind != profile.KindDeclared || p.Complete() || len(s.Notes) != 1 || s.Subject.Container != "web" {
		t.Errorf("the source is %+v", s)
	}
	p, err = read(plain, foreign.Options{Complete: true})
	if err != nil || p.Sources[0].Kind != profile.KindObserved {
		t.Errorf("a recorded one: %v, %+v", err, p.Sources)
	}
}

const grouped = `{"apiVersion": "spdx.softwarecomposition.kubescape.io/v1beta1", "kind": "SeccompProfile",
  "metadata": {"name": "shop", "namespace": "shop"}, "spec": {"containers": [
    {"name": "web", "spec": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}},
    {"name": "log", "spec": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["write"], "action": "SCMP_ACT_ALLOW"}]}}]}}`

func TestContainers(t *testing.T) {
	t.Parallel()
	p, err := read(grouped, foreign.Options{Container: "log"})
	if err != nil || len(p.Syscalls) != 1 || p.Syscalls[0].Name != "write" {
		t.Errorf("%v %v", p, err)
	}
	for container, want := range map[string]string{"": "choose one with --container", "db": `no container "db"`} {
		if _, err := read(grouped, foreign.Options{Container: container}); err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `["log" "web"]`) {
			t.Errorf("container %q: %v", container, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`: "no defaultAction",
		`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": "read"}]}`: "/syscalls/0/names",
		`{"defaultAction": `: "none of its 1 objects",
	} {
		if _, err := read(text, foreign.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := read("", foreign.Options{}); err == nil {
		t.Error("no input is accepted")
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	if !detect([]byte(plain)) || !detect([]byte(grouped)) || detect([]byte(`{"apiVersion":"v1","kind":"Pod"}`)) || detect([]byte(`{"syscalls": []}`)) {
		t.Error("seccomp profiles are not told from others")
	}
}

// TestSample compares with a count made by another program.
func TestSample(t *testing.T) {
	t.Parallel()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		if data, err := os.ReadFile(filepath.Join(dir, "shared/profiles/seccomp/kubescape-seccompprofile-nginx.json")); err == nil {
			p, err := read(string(data), foreign.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Syscalls) != 112 || p.Sources[0].Subject.Container != "nginx" {
				t.Errorf("%d calls of %q", len(p.Syscalls), p.Sources[0].Subject.Container)
			}
			return
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("SKIPPED: the samples of other projects are not there (shared/profiles/seccomp)")
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(grouped))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := read(string(data), foreign.Options{})
		if err != nil {
			return
		}
		if _, err := p.Canonical(); err != nil {
			t.Fatal(err)
		}
	})
}
