package kubescape

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

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

// TestEnforceable is what the agent and the cluster ask for of a profile that a
// pod names: names, the mark of a profile that people manage, and of every
// container its name, absolute paths, arguments and flags.
func TestEnforceable(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("testdata", "application.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p := mustRead(t, string(data), foreign.Options{Container: "shop"})
	p.Executables = append(p.Executables, profile.Executable{Key: "/usr/bin/vi", Path: "/usr/bin/vi", Origin: []string{profile.OriginUnknown}, TTY: true})
	out, _, err := Export(p, ExportOptions{Name: "front.v1"})
	if err != nil {
		t.Fatal(err)
	}
	var o exported
	if err := yaml.UnmarshalStrict(out, &o); err != nil {
		t.Fatal(err)
	}
	if o.Kind != "ApplicationProfile" || o.APIVersion != "spdx.softwarecomposition.kubescape.io/v1beta1" || o.Metadata.Name != "front.v1" ||
		o.Metadata.Namespace != "shop" || o.Metadata.Annotations["kubescape.io/managed-by"] != "User" || len(o.Spec.Containers) != 1 {
		t.Errorf("%+v", o.Metadata)
	}
	c := o.Spec.Containers[0]
	if c.Name != "shop" || len(c.Execs) == 0 || len(c.Opens) == 0 {
		t.Errorf("%+v", c)
	}
	for _, x := range c.Execs {
		if strings.HasSuffix(x.Path, "/vi") {
			t.Errorf("what a person ran is expected: %v", x)
		}
		if x.Path == "" || strings.HasPrefix(x.Path, "/") && !wild(x.Path) && (len(x.Args) == 0 || x.Args[len(x.Args)-1] != "⋯⋯") {
			t.Errorf("exec %+v", x)
		}
	}
	for _, f := range c.Opens {
		if !strings.HasPrefix(f.Path, "/") || len(f.Flags) == 0 {
			t.Errorf("open %+v", f)
		}
	}
	for _, bad := range []ExportOptions{
		{Container: "Web"},
		{Container: "a.b"},
		{Container: "web", Name: "-x"},
		{Container: "web", Name: "x."},
		{Container: "web", Name: "a b"},
		{Container: "web", Namespace: "a/b"},
		{Container: "web", Name: strings.Repeat("x", 64)},
	} {
		if _, _, err := Export(p, bad); !errors.Is(err, ErrName) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
