package harden_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// TestPatternKeepsNoTool covers tools and links to tools with a pattern of
// reads: it keeps neither.
func TestPatternKeepsNoTool(t *testing.T) {
	t.Parallel()
	text := debianText() + "---\nelf bin/busybox interp=/lib64/ld.so\nlink bin/wget -> busybox"
	prof := complete("/usr/bin/server")
	prof.Patterns = []profile.Pattern{{Glob: "/usr/bin/*", Access: []string{profile.AccessOpen}}}
	pl := newPlan(t, tree(t, text, server), prof, harden.Policy{})
	for _, p := range []string{"usr/bin/dash", "usr/bin/sh", "usr/bin/curl", "usr/bin/busybox", "usr/bin/wget"} {
		if pl.Keeps(p) {
			t.Errorf("%s stays: %+v", p, pl.Explain(p))
		}
	}
}

// TestPatternOfManyStars keeps what an upper bound covers however it is written.
func TestPatternOfManyStars(t *testing.T) {
	t.Parallel()
	tr := tree(t, "elf usr/bin/server type=exec\nfile srv/a/b/c/page x\nfile srv/other x\nfile opt/x x\n", server)
	for glob, want := range map[string]string{
		"/srv/a/*/c/p*": "srv/a/b/c/page",
		"/srv/a/" + strings.Repeat("*b*", 9) + "/nope": "srv/a/b/c/page",
		"/srv/" + strings.Repeat("*", 17) + "/nope":    "srv/a/b/c/page srv/other",
		"/" + strings.Repeat("*", 17):                  "srv/a/b/c/page srv/other opt/x",
	} {
		prof := complete("/usr/bin/server")
		prof.Patterns = []profile.Pattern{{Glob: glob, Access: []string{profile.AccessOpen}}}
		pl := newPlan(t, tr, prof, harden.Policy{Level: harden.Files})
		var got []string
		for _, name := range []string{"srv/a/b/c/page", "srv/other", "opt/x"} {
			if pl.Keeps(name) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s keeps %q, want %q", glob, got, want)
		}
		said := slices.ContainsFunc(pl.Findings, func(f harden.Finding) bool {
			return f.Kind == "pattern" && f.Path == glob && strings.HasPrefix(f.Text, "an upper bound of the profile keeps ")
		})
		if !said {
			t.Errorf("%s: findings %+v", glob, pl.Findings)
		}
	}
}

// TestRulesThroughLinks means the same file by every name of it.
func TestRulesThroughLinks(t *testing.T) {
	t.Parallel()
	for _, rule := range []string{"/bin/curl", "/bin/c*", "/usr/bin/curl", "/lib64/../bin/curl"} {
		tr := tree(t, debianText(), server)
		pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{Keep: []string{rule}})
		if !pl.Keeps("usr/bin/curl") {
			t.Errorf("--keep %s does not keep it", rule)
		}
		pl = newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{Level: harden.Binaries, Drop: []string{rule}})
		if got := pl.Explain("usr/bin/curl")[0]; got.Keep || got.Reason.Kind != harden.DropRule {
			t.Errorf("--drop %s: %+v", rule, got)
		}
	}
	pl := newPlan(t, tree(t, debianText(), server), complete("/usr/bin/server"), harden.Policy{Drop: []string{"/usr/bin/nosuch"}})
	if !hasFinding(pl, "rule-without-match") {
		t.Error("a drop rule that matches nothing is not told")
	}
}

func hasFinding(pl *harden.Plan, kind string) bool {
	for _, f := range pl.Findings {
		if f.Kind == kind {
			return true
		}
	}
	return false
}

// TestKeptAndRun keeps the interpreter of a script that a rule keeps, too: a
// first reason does not hide a second.
func TestKeptAndRun(t *testing.T) {
	t.Parallel()
	text := debianText() + "---\nelf usr/bin/python3 interp=/lib64/ld.so\nscript app/run.py = /usr/bin/python3"
	tr := tree(t, text, v1.Config{Entrypoint: []string{"/app/run.py"}})
	pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{Keep: []string{"/app"}})
	if !pl.Keeps("usr/bin/python3") {
		t.Error("the interpreter goes")
	}
	tr = tree(t, text, server)
	prof := complete("/usr/bin/server")
	prof.Files = []profile.File{{Path: "/app/run.py", Access: []string{profile.AccessOpen}}}
	pl = newPlan(t, tr, prof, harden.Policy{Keep: []string{"/app/run.py"}})
	if !pl.Keeps("usr/bin/python3") {
		t.Error("what a keep rule names cannot run")
	}
}

// TestCommandLinks drops the links in PATH that lead to scripts beside it, as
// npm installs its commands, and keeps what they lead to, which may be a module.
func TestCommandLinks(t *testing.T) {
	t.Parallel()
	text := debianText() + `---
elf usr/local/bin/node interp=/lib64/ld.so
script usr/local/lib/node_modules/npm/bin/npm-cli.js = /usr/bin/env node
link usr/local/bin/npm -> ../lib/node_modules/npm/bin/npm-cli.js
script usr/local/lib/node_modules/tool/bin/tool = /usr/bin/env node
link usr/local/bin/tool -> ../lib/node_modules/tool/bin/tool
script srv/app/node_modules/x/cli.js = /usr/bin/env node
link srv/app/node_modules/.bin/x -> ../x/cli.js`
	for _, level := range []harden.Level{harden.Binaries, harden.Packages} {
		tr := tree(t, text, server)
		pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{Level: level})
		for p, want := range map[string]bool{
			"usr/local/bin/npm": false, "usr/local/bin/tool": false,
			"usr/local/lib/node_modules/npm/bin/npm-cli.js": true, "srv/app/node_modules/.bin/x": true,
		} {
			if pl.Keeps(p) != want {
				t.Errorf("%s: %s stays: %v, want %v: %+v", level, p, !want, want, pl.Explain(p))
			}
		}
		prof := complete("/usr/bin/server", "/usr/local/bin/node")
		prof.Executables[1].Scripts = []profile.Path{"/usr/local/bin/npm"}
		if pl := newPlan(t, tr, prof, harden.Policy{Level: level}); !pl.Keeps("usr/local/bin/npm") {
			t.Errorf("%s: npm ran and goes", level)
		}
	}
}

// TestDropWhatIsNeeded is a conflict, as far from the entrypoint as it may be.
func TestDropWhatIsNeeded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		drop string
		ran  []string
	}{
		{"/usr/lib/libcurl.so.4.8.0", []string{"/usr/bin/server", "/usr/bin/curl"}},
		{"/usr/lib/libcurl.so.4", []string{"/usr/bin/server", "/usr/bin/curl"}},
		{"/usr/bin/sh", []string{"/usr/bin/server", "/usr/local/bin/start"}},
	} {
		pol := harden.Policy{Drop: []string{tc.drop}, Rebase: true}
		_, err := harden.NewPlan(t.Context(), tree(t, debianText(), server), profile.Identity{}, complete(tc.ran...), pol)
		var conflict *harden.Conflict
		if !errors.As(err, &conflict) || !strings.Contains(err.Error(), strings.TrimPrefix(tc.drop, "/")) {
			t.Errorf("--drop %s: got %v, want a conflict", tc.drop, err)
		}
	}
}

// TestFirstNameOfBusybox takes the name that holds the content for an applet
// like the others.
func TestFirstNameOfBusybox(t *testing.T) {
	t.Parallel()
	text := "elf bin/ar type=exec\nhard bin/busybox -> bin/ar\nhard bin/sh -> bin/ar\nelf usr/bin/server type=exec"
	pl := newPlan(t, tree(t, text, server), complete("/usr/bin/server"), harden.Policy{})
	if got := pl.Explain("bin/ar")[0].Reason.Kind; got != harden.UnusedApplet {
		t.Errorf("bin/ar: %s", got)
	}
	prof := complete("/usr/bin/server", "/bin/busybox")
	prof.Executables[1].As = "ar"
	if pl := newPlan(t, tree(t, text, server), prof, harden.Policy{}); !pl.Keeps("bin/ar") {
		t.Error("ar ran and goes")
	}
}

// TestPreload keeps the libraries that every program loads.
func TestPreload(t *testing.T) {
	t.Parallel()
	text := debianText() + `---
elf usr/lib/libpre.so.1 soname=libpre.so.1 needed=libdep.so.1
elf usr/lib/libdep.so.1 soname=libdep.so.1
elf usr/lib/libenv.so.1 soname=libenv.so.1
elf opt/libabs.so type=dyn
elf usr/bin/user interp=/lib64/ld.so needed=libpre.so.1,libenv.so.1
file etc/ld.so.preload = libpre.so.1 # and more\n`
	conf := v1.Config{Entrypoint: server.Entrypoint, Env: []string{"LD_PRELOAD=libenv.so.1:/opt/libabs.so"}}
	pl := newPlan(t, tree(t, text, conf), complete("/usr/bin/server"), harden.Policy{})
	for _, p := range []string{"usr/lib/libpre.so.1", "usr/lib/libdep.so.1", "usr/lib/libenv.so.1", "opt/libabs.so", "etc/ld.so.preload"} {
		if !pl.Keeps(p) {
			t.Errorf("%s goes: %+v", p, pl.Explain(p))
		}
	}
}

// TestLayerIndex drops the tables of contents that lazily pulled layers carry:
// they list what is gone.
func TestLayerIndex(t *testing.T) {
	t.Parallel()
	text := "elf usr/bin/server type=exec\nfile stargz.index.json\nfile .no.prefetch.landmark\nfile srv/stargz.index.json"
	for _, level := range []harden.Level{harden.Binaries, harden.Packages} {
		pl := newPlan(t, tree(t, text, server), complete("/usr/bin/server"), harden.Policy{Level: level})
		for p, want := range map[string]bool{"stargz.index.json": false, ".no.prefetch.landmark": false, "srv/stargz.index.json": true} {
			if pl.Keeps(p) != want {
				t.Errorf("%s: %s stays: %v, want %v", level, p, !want, want)
			}
		}
	}
}

// TestReadByOthers does not take the reading of a program by something that is
// not of the image for a use of it (R2).
func TestReadByOthers(t *testing.T) {
	t.Parallel()
	prof := complete("/usr/bin/server", "/host/backup")
	prof.Executables[1].Origin = []string{profile.OriginAttach}
	prof.Files = []profile.File{
		{Path: "/usr/bin/curl", Access: []string{profile.AccessRead}, By: []string{"/host/backup"}},
		{Path: "/usr/bin/serverctl", Access: []string{profile.AccessRead}, By: []string{"/usr/bin/server"}},
	}
	pl := newPlan(t, tree(t, debianText(), server), prof, harden.Policy{})
	if pl.Keeps("usr/bin/curl") || !pl.Keeps("usr/bin/serverctl") {
		t.Errorf("curl %v, serverctl %v", pl.Keeps("usr/bin/curl"), pl.Keeps("usr/bin/serverctl"))
	}
}

// TestManyPackages plans hostile databases in a time that grows with their size.
func TestManyPackages(t *testing.T) {
	t.Parallel()
	n := 20_000
	if testing.Short() {
		n = 4000
	}
	for name, fields := range map[string]func(i int) (list, depends string){
		"all provide, all depend": func(int) (string, string) { return "/srv/d", `Provides: x\nDepends: x\n` },
		"a chain of data":         func(i int) (string, string) { return fmt.Sprintf("/srv/d%d", i), fmt.Sprintf(`Depends: p%d\n`, i+1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text, status strings.Builder
			for i := range n {
				list, depends := fields(i)
				if i == 0 {
					list += `\n/usr/bin/server`
				}
				fmt.Fprintf(&text, "file srv/d%d\nfile var/lib/dpkg/info/p%d.list = %s\\n\n", i, i, list)
				fmt.Fprintf(&status, `Package: p%d\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n%s\n`, i, depends)
			}
			start := time.Now()
			tr := tree(t, text.String()+"file srv/d\nelf usr/bin/server type=exec\nfile var/lib/dpkg/status = "+status.String(), server)
			opened := time.Since(start)
			pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{})
			if took := time.Since(start) - opened; took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if name == "a chain of data" && !pl.Keeps(fmt.Sprintf("srv/d%d", n-1)) {
				t.Error("the end of the chain goes")
			}
		})
	}
}

// TestManyBeside keeps what lies beside many used files in a time that grows
// with their number.
func TestManyBeside(t *testing.T) {
	t.Parallel()
	const n = 20_000
	var text, list strings.Builder
	prof := complete("/usr/bin/server")
	for i := range n {
		fmt.Fprintf(&text, "file usr/share/p/d%d/f\n", i)
		fmt.Fprintf(&list, `/usr/share/p/d%d/f\n`, i)
		prof.Files = append(prof.Files, profile.File{Path: profile.Path(fmt.Sprintf("/usr/share/p/d%d/f", i)), Access: []string{profile.AccessOpen}})
	}
	tr := tree(t, text.String()+"elf usr/bin/server type=exec\nelf usr/bin/p type=exec\nfile usr/share/p/d7/g\nfile usr/share/p/h\nfile var/lib/dpkg/info/p.list = /usr/bin/p\\n/usr/share/p/d7/g\\n/usr/share/p/h\\n"+list.String()+
		"\nfile var/lib/dpkg/status = "+status("p"), server)
	start := time.Now()
	pl := newPlan(t, tr, prof, harden.Policy{})
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("took %v", took)
	}
	if !pl.Keeps("usr/share/p/d7/g") || pl.Keeps("usr/share/p/h") {
		t.Errorf("beside: %v, elsewhere: %v", pl.Keeps("usr/share/p/d7/g"), pl.Keeps("usr/share/p/h"))
	}
}

// TestWrappersOfWrappers reads a long command line of wrappers in little time.
func TestWrappersOfWrappers(t *testing.T) {
	t.Parallel()
	argv := strings.Split(strings.Repeat("/usr/bin/env ", 30_000)+"/usr/bin/server", " ")
	start := time.Now()
	text := "elf usr/bin/server type=exec\nelf usr/bin/env type=exec"
	newPlan(t, tree(t, text, v1.Config{Entrypoint: argv}), complete("/usr/bin/server"), harden.Policy{})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestStateOfGonePackage keeps all of a directory of data of which the profile
// saw some, though only a package that goes lists it: a database's files were
// made when it was installed, and no run opens all of them. Directories that
// are empty are places to write or to mount.
func TestStateOfGonePackage(t *testing.T) {
	t.Parallel()
	text := debianText() + `---
file var/lib/curl/data/1
file var/lib/curl/data/deep/2
dir var/lib/curl/data/empty
dir var/log/curl
dir var/cache/apt/archives
dir usr/share/curl/empty`
	text = strings.Replace(text, `/var/lib/curl\n`, `/var/lib/curl\n/var/log/curl\n/usr/share/curl\n/usr/share/curl/empty\n`, 1)
	for _, used := range []bool{false, true} {
		prof := complete("/usr/bin/server")
		if used {
			prof.Files = []profile.File{{Path: "/var/lib/curl/data/1", Access: []string{profile.AccessOpen}}}
		}
		pl := newPlan(t, tree(t, text, server), prof, harden.Policy{})
		for p, want := range map[string]bool{
			"var/lib/curl/data/1": used, "var/lib/curl/data/deep/2": used, "var/lib/curl/history": used,
			"var/lib/curl/data/empty": true, "var/log/curl": true, "usr/share/curl/empty": false, "usr/bin/curl": false,
		} {
			if pl.Keeps(p) != want {
				t.Errorf("used %v: %s stays: %v, want %v: %+v", used, p, !want, want, pl.Explain(p))
			}
		}
	}
}

// TestFailedLookup takes a path that was not there for no use of what is there
// now, and a file that the image does not have for no use of anything.
func TestFailedLookup(t *testing.T) {
	t.Parallel()
	prof := complete("/usr/bin/server")
	prof.Missing = []profile.Missing{{Path: "/usr/lib/libcurl.so.4", Errno: []string{"ENOENT"}}, {Path: "/var/lib/curl/history"}}
	prof.Files = []profile.File{{Path: "/usr/lib/tls/libcurl.so.4", Access: []string{profile.AccessOpen}}}
	pl := newPlan(t, tree(t, debianText(), server), prof, harden.Policy{})
	for _, p := range []string{"usr/lib/libcurl.so.4", "usr/lib/libcurl.so.4.8.0", "var/lib/curl/history"} {
		if pl.Keeps(p) {
			t.Errorf("%s stays: %+v", p, pl.Explain(p))
		}
	}
	if len(pl.Missing) != 1 || pl.Missing[0] != "/usr/lib/tls/libcurl.so.4" {
		t.Errorf("missing: %v", pl.Missing)
	}
}
