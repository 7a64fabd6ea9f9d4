package harden_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// debian is a small image with a package database, two programs, a shell, a
// library that only curl needs and one that the server needs.
const debian = `
dir etc
file etc/passwd = root:x:0:0::/root:/bin/sh
file etc/os-release = ID=debian
dir usr
dir usr/bin
link bin -> usr/bin
dir usr/lib
link lib -> usr/lib
link lib64 -> usr/lib
elf usr/lib/ld.so type=dyn
elf usr/lib/libc.so.6 soname=libc.so.6 interp=/lib64/ld.so strings=libgcc_s.so.1
elf usr/lib/libgcc_s.so.1 soname=libgcc_s.so.1 needed=libc.so.6
elf usr/lib/libssl.so.3 soname=libssl.so.3 needed=libc.so.6
elf usr/lib/libcurl.so.4.8.0 soname=libcurl.so.4 needed=libssl.so.3,libc.so.6
link usr/lib/libcurl.so.4 -> libcurl.so.4.8.0
elf usr/bin/dash interp=/lib64/ld.so needed=libc.so.6
link usr/bin/sh -> dash
elf usr/bin/curl interp=/lib64/ld.so needed=libcurl.so.4,libc.so.6
elf usr/bin/server interp=/lib64/ld.so needed=libssl.so.3,libc.so.6
elf usr/bin/serverctl interp=/lib64/ld.so needed=libc.so.6
dir usr/share/server
file usr/share/server/template
file usr/share/doc/server/copyright
file usr/share/doc/server/README
file usr/share/doc/curl/copyright
file usr/share/man/man1/server.1
dir var/lib/server
dir var/lib/curl
file var/lib/dpkg/info/base-files.list = /.\n/etc\n/etc/os-release\n/usr\n/var\n
file var/lib/dpkg/info/libc6.list = /.\n/lib64\n/lib64/ld.so\n/lib\n/lib/libc.so.6\n
file var/lib/dpkg/info/libgcc-s1.list = /.\n/lib\n/lib/libgcc_s.so.1\n
file var/lib/dpkg/info/libssl3.list = /.\n/usr\n/usr/lib\n/usr/lib/libssl.so.3\n
file var/lib/dpkg/info/libcurl4.list = /.\n/usr\n/usr/lib\n/usr/lib/libcurl.so.4.8.0\n/usr/lib/libcurl.so.4\n
file var/lib/dpkg/info/dash.list = /.\n/bin\n/bin/dash\n/bin/sh\n
file var/lib/dpkg/info/curl.list = /.\n/usr\n/usr/bin\n/usr/bin/curl\n/usr/share/doc/curl\n/usr/share/doc/curl/copyright\n/var/lib/curl\n
file var/lib/dpkg/info/server.list = /.\n/usr\n/usr/bin\n/usr/bin/server\n/usr/bin/serverctl\n/usr/share/server\n/usr/share/server/template\n/usr/share/doc/server\n/usr/share/doc/server/copyright\n/usr/share/doc/server/README\n/usr/share/man/man1/server.1\n/var/lib/server\n
file var/lib/dpkg/info/curl.postinst = #!/bin/sh
file var/lib/dpkg/status = STATUS
file var/lib/apt/lists/deb
---
file srv/page = hello
script srv/tool.sh = /bin/sh
script usr/local/bin/start = /bin/sh -e
file var/lib/curl/history
`

func status(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "Package: %s\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: amd64\\n\\n", n)
	}
	return b.String()
}

func debianText() string {
	return strings.Replace(debian, "STATUS", status("base-files", "libc6", "libgcc-s1", "libssl3", "libcurl4", "dash", "curl", "server"), 1)
}

// complete is a profile with one complete source that saw some programs run.
func complete(paths ...string) *profile.Profile {
	p := &profile.Profile{Sources: []profile.Source{{
		ID: "s-000000000000", Kind: profile.KindObserved, Complete: true, Lost: profile.Lost{Known: true},
		Observes: []string{profile.ObservesExec, profile.ObservesOpen},
	}}}
	for _, x := range paths {
		file, applet := profile.SplitKey(x)
		p.Executables = append(p.Executables, profile.Executable{
			Key: x, Path: file, As: applet, Phase: []string{profile.PhaseServing},
			Seen: profile.Seen{"s-000000000000": {N: 1}},
		})
	}
	return p
}

func tree(t testing.TB, text string, config v1.Config) *layers.Tree {
	t.Helper()
	img, err := testimage.Image(text, config)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

var server = v1.Config{Entrypoint: []string{"/usr/bin/server"}}

func newPlan(t testing.TB, tr *layers.Tree, prof *profile.Profile, pol harden.Policy) *harden.Plan {
	t.Helper()
	pol.Rebase = true
	pl, err := harden.NewPlan(t.Context(), tr, profile.Identity{}, prof, pol)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

// dropped lists what goes of the root filesystem, without what lies in dropped
// directories and without package-manager state.
func dropped(pl *harden.Plan) []string {
	var list []string
	for d := range pl.Decisions() {
		if !d.Keep && d.Reason.Kind != harden.ManagerState {
			list = append(list, d.Path)
		}
	}
	return list
}

func TestPackages(t *testing.T) {
	t.Parallel()
	pl := newPlan(t, tree(t, debianText(), server), complete("/usr/bin/server"), harden.Policy{})
	want := []string{
		"usr/bin/curl", "usr/bin/dash", "usr/bin/serverctl", "usr/bin/sh",
		"usr/lib/libcurl.so.4", "usr/lib/libcurl.so.4.8.0", "usr/local/bin/start", // srv/tool.sh is nobody's tool: not on PATH
		"usr/share/doc/curl", "usr/share/doc/curl/copyright", "usr/share/doc/server/README", "usr/share/man/man1", "usr/share/man/man1/server.1",
		"var/lib/curl", "var/lib/curl/history",
		"var/lib/dpkg/info/curl.list", "var/lib/dpkg/info/dash.list", "var/lib/dpkg/info/libcurl4.list",
	}
	if diff := cmp.Diff(want, dropped(pl)); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
}

func TestBinaries(t *testing.T) {
	t.Parallel()
	pl := newPlan(t, tree(t, debianText(), server), complete("/usr/bin/server"), harden.Policy{Level: harden.Binaries})
	want := []string{"usr/bin/curl", "usr/bin/dash", "usr/bin/serverctl", "usr/bin/sh", "usr/local/bin/start", "var/lib/dpkg/info/dash.list"}
	if diff := cmp.Diff(want, dropped(pl)); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	pl := newPlan(t, tree(t, debianText(), v1.Config{Entrypoint: []string{"start"}}), complete("/usr/bin/server"), harden.Policy{})
	for name, want := range map[string]string{
		"/usr/bin/server":           "usr/bin/server executed",
		"lib/libgcc_s.so.1":         "usr/lib/libgcc_s.so.1 loaded-by-name, usr/lib/libc.so.6 library, usr/bin/server executed",
		"usr/bin/sh":                "usr/bin/sh interpreter, usr/local/bin/start config",
		"usr/share/server/template": "usr/share/server/template package-file, usr/bin/server executed",
		"usr/bin/curl":              "usr/bin/curl unused-program",
		"srv":                       "srv parent, srv/page unowned",
		"no/such":                   "",
	} {
		var got []string
		for _, d := range pl.Explain(name) {
			got = append(got, d.Path+" "+string(d.Reason.Kind))
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%s: got %q, want %q", name, g, want)
		}
	}
}

// TestEveryKeptPathHasARoot checks that reasons end at a root that needs no
// other path, and that every path has a decision.
func TestEveryKeptPathHasARoot(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	pl := newPlan(t, tr, complete("/usr/bin/server", "/usr/bin/sh"), harden.Policy{})
	decided := map[string]bool{}
	for d := range pl.Decisions() {
		decided[d.Path] = true
		chain := pl.Explain(d.Path)
		last := chain[len(chain)-1]
		if last.Reason.From != "" {
			t.Errorf("%s: the chain ends in a loop at %s", d.Path, last.Path)
		}
		if d.Keep && !last.Keep {
			t.Errorf("%s stays because of %s, which goes", d.Path, last.Path)
		}
	}
	for p := range tr.Paths() {
		if !decided[p] {
			t.Errorf("%s has no decision", p)
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		config v1.Config
		prof   *profile.Profile
		pol    harden.Policy
		keeps  string
		drops  string
	}{
		{
			name: "alias used, target and name stay", config: server, prof: complete("/usr/bin/server", "/bin/sh"),
			keeps: "usr/bin/sh usr/bin/dash",
		},
		{
			name: "opening a program is not using it", config: server,
			prof: opened("/usr/bin/curl", profile.AccessOpen), drops: "usr/bin/curl",
		},
		{
			name: "reading a program as data is using it", config: server,
			prof: opened("/usr/bin/curl", profile.AccessOpen, profile.AccessRead), keeps: "usr/bin/curl usr/lib/libcurl.so.4.8.0",
		},
		{
			name: "stat is not using a script", config: server,
			prof: opened("/usr/local/bin/start", profile.AccessStat), drops: "usr/local/bin/start",
		},
		{
			name: "opening a script is using it", config: server,
			prof: opened("/usr/local/bin/start", profile.AccessOpen), keeps: "usr/local/bin/start usr/bin/dash usr/bin/sh",
		},
		{
			name: "keep rule", config: server, prof: complete("/usr/bin/server"),
			pol: harden.Policy{Keep: []string{"/usr/bin/c*"}}, keeps: "usr/bin/curl usr/lib/libcurl.so.4 usr/share/doc/curl/copyright",
		},
		{
			name: "keep rule through a link", config: server, prof: complete("/usr/bin/server"),
			pol: harden.Policy{Keep: []string{"/bin/curl"}}, keeps: "usr/bin/curl",
		},
		{
			name: "drop rule", config: server, prof: complete("/usr/bin/server"),
			pol: harden.Policy{Drop: []string{"srv/**"}}, drops: "srv/page",
		},
		{
			name: "shell form", config: v1.Config{Entrypoint: []string{"/bin/sh", "-c", "exec curl http://x && true"}},
			prof: complete("/usr/bin/server"), keeps: "usr/bin/dash usr/bin/curl",
		},
		{
			name: "healthcheck", config: v1.Config{Entrypoint: server.Entrypoint, Healthcheck: &v1.HealthConfig{Test: []string{"CMD-SHELL", "curl -f http://localhost"}}},
			prof: complete("/usr/bin/server"), keeps: "usr/bin/sh usr/bin/dash usr/bin/curl",
		},
		{
			name: "data of a package", config: server, prof: opened("/var/lib/curl/history", profile.AccessOpen),
			keeps: "var/lib/curl/history var/lib/curl", drops: "usr/bin/curl",
		},
		{
			name: "a person's session is no reason", config: server, prof: attached("/usr/bin/curl"), drops: "usr/bin/curl",
		},
		{
			name: "pattern of opens covers no programs", config: server, prof: pattern("/usr/bin/**", profile.AccessOpen), drops: "usr/bin/curl",
		},
		{
			name: "pattern of executions does", config: server, prof: pattern("/usr/bin/**", profile.AccessExec), keeps: "usr/bin/curl",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pl := newPlan(t, tree(t, debianText(), tc.config), tc.prof, tc.pol)
			for _, p := range strings.Fields(tc.keeps) {
				if !pl.Keeps(p) {
					t.Errorf("%s goes: %+v", p, pl.Explain(p))
				}
			}
			for _, p := range strings.Fields(tc.drops) {
				if pl.Keeps(p) {
					t.Errorf("%s stays: %+v", p, pl.Explain(p))
				}
			}
		})
	}
}

func opened(path string, access ...string) *profile.Profile {
	p := complete("/usr/bin/server")
	p.Files = []profile.File{{Path: profile.Path(path), Access: access, By: []string{"/usr/bin/server"}}}
	return p
}

func attached(path string) *profile.Profile {
	p := complete("/usr/bin/server", path)
	p.Executables[1].Origin = []string{profile.OriginAttach}
	return p
}

func pattern(glob, access string) *profile.Profile {
	p := complete("/usr/bin/server")
	p.Patterns = []profile.Pattern{{Glob: glob, Access: []string{access}}}
	return p
}
