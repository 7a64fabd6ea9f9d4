package kubescape

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// TestRoundTrip exports what was imported and imports it again: the evidence is
// the same but for its source.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "application.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	first := mustRead(t, string(data), foreign.Options{Container: "shop"})
	out, left, err := Export(first, ExportOptions{})
	if err != nil || left != 0 {
		t.Fatal(left, err)
	}
	second := mustRead(t, string(out), foreign.Options{})
	again, _, err := Export(second, ExportOptions{Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(out), string(again)); diff != "" {
		t.Errorf("exporting what was imported again:\n%s", diff)
	}
	d, err := profile.Compare(first, second)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range d.Sections {
		switch s.Section {
		case "sources": // they differ by what was imported
		case "executables": // links by which programs were reached are programs, too
			if s.Removed != nil {
				t.Errorf("%+v", s)
			}
		default:
			t.Errorf("%+v", s)
		}
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	s := profile.Source{Kind: profile.KindObserved, Subject: profile.Subject{Container: "web", Workload: profile.Workload{Namespace: "shop", Name: "front"}}}
	s.ID = profile.SourceID(s)
	p := &profile.Profile{
		Sources: []profile.Source{s},
		Images:  []profile.Image{{Digest: "sha256:" + strings.Repeat("a", 64), Refs: []string{"example.com:5000/web:1"}, Platform: "linux/arm64/v8"}},
		Executables: []profile.Executable{
			{Path: "/bin/busybox", As: "sh", Via: []profile.Path{"/bin/sh"}, Scripts: []profile.Path{"/start"}},
			{Path: "/usr/bin/vi", Origin: []string{profile.OriginAttach}},
			{Path: "/latin1/\xe9"},
		},
		Files: []profile.File{
			{Path: "/lib/libc.so", Access: []string{profile.AccessMmapExec, profile.AccessOpen}},
			{Path: "/var/log/x", Access: []string{profile.AccessWrite, profile.AccessCreate}},
			{Path: "/only/seen", Access: []string{profile.AccessStat}},
			{Path: "/a/*/b", Access: []string{profile.AccessRead}},
		},
		Patterns: []profile.Pattern{
			{Glob: "/srv/**/p[ab]?.html", Access: []string{profile.AccessRead}}, {Glob: "/**/tool", Access: []string{profile.AccessExec}},
		},
		Missing:      []profile.Missing{{Path: "/etc/ld.so.preload", Ops: []string{"openat"}}, {Path: "/never", Ops: []string{"access"}}},
		Syscalls:     []profile.Syscall{{Name: "read"}},
		Capabilities: []profile.Capability{{Name: "CHOWN"}},
		Outside:      []profile.Outside{{Prefix: "/proc"}},
	}
	got, left, err := Export(p, ExportOptions{})
	if err != nil || left != 2 {
		t.Errorf("%d left, %v", left, err)
	}
	want := `apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1
kind: ApplicationProfile
metadata:
  annotations:
    kubescape.io/managed-by: User
  name: front
  namespace: shop
spec:
  architectures:
  - arm64
  containers:
  - capabilities:
    - CHOWN
    execs:
    - args:
      - /bin/sh
      - ⋯⋯
      path: /bin/busybox
    - args:
      - /bin/sh
      - /start
      - ⋯⋯
      path: /bin/busybox
    - args:
      - /bin/sh
      - ⋯⋯
      path: /bin/sh
    - args:
      - /bin/sh
      - /start
      - ⋯⋯
      path: /bin/sh
    - path: tool
    imageID: example.com:5000/web@sha256:` + strings.Repeat("a", 64) + `
    imageTag: example.com:5000/web:1
    name: web
    opens:
    - flags:
      - O_CLOEXEC
      - O_RDONLY
      path: /etc/ld.so.preload
    - flags:
      - O_CLOEXEC
      - O_RDONLY
      path: /lib/libc.so
    - flags:
      - O_RDONLY
      - O_RDWR
      - O_WRONLY
      path: /proc/*
    - flags:
      - O_CLOEXEC
      - O_RDONLY
      path: /srv/*/p⋯.html
    - flags:
      - O_CREAT
      - O_WRONLY
      path: /var/log/x
    syscalls:
    - read
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Export(&profile.Profile{}, ExportOptions{}); !errors.Is(err, ErrNoContainer) {
		t.Errorf("without a container: %v", err)
	}
}
