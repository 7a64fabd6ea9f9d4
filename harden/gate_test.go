package harden_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// seen is a profile of the server by one complete source that could see so much.
func seen(observes string) *profile.Profile {
	p := complete("/usr/bin/server")
	p.Sources[0].Observes = strings.Fields(observes)
	p.Sources[0].Recorder.Name = "strace"
	return p
}

// half makes the source of a profile incomplete.
func half(p *profile.Profile) *profile.Profile {
	p.Sources[0].Complete = false
	return p
}

func trust(t testing.TB, texts ...string) (list []harden.Trust) {
	t.Helper()
	for _, s := range texts {
		one, err := harden.ParseTrust(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	return list
}

// TestGates drops of each kind of file only what a complete source could have
// seen used.
func TestGates(t *testing.T) {
	t.Parallel()
	text := debianText() + "---\nelf bin/busybox interp=/lib64/ld.so\nlink bin/wget -> busybox"
	const tool, script, library, file = "usr/bin/curl", "usr/local/bin/start", "usr/lib/libcurl.so.4.8.0", "var/lib/curl/history"
	for _, tc := range []struct {
		name         string
		prof         *profile.Profile
		pol          harden.Policy
		keeps, drops string
		shut         string
	}{
		{name: "all is seen", prof: seen("exec open mmap"), drops: strings.Join([]string{tool, script, library, file, "usr/bin/wget"}, " ")},
		{name: "opens without maps", prof: seen("exec open"), drops: strings.Join([]string{tool, script, library, file}, " ")},
		{name: "executions alone", prof: seen("exec"), keeps: library + " " + file + " " + script, drops: tool + " usr/bin/dash usr/bin/wget", shut: "scripts libraries files"},
		{name: "executions with scripts", prof: seen("exec exec.script"), keeps: library + " " + file, drops: tool + " " + script, shut: "libraries files"},
		{name: "maps without opens", prof: seen("exec exec.script mmap"), keeps: file, drops: tool + " " + script + " " + library + " usr/lib/libcurl.so.4", shut: "files"},
		{name: "opens without executions", prof: seen("open"), keeps: tool + " usr/bin/dash usr/bin/sh usr/bin/wget " + script + " " + library, shut: "programs scripts libraries"},
		{name: "nothing but connections", prof: seen("net.connect.tcp"), keeps: tool + " " + script + " " + library + " " + file, shut: "programs scripts libraries files"},
		{name: "documentation needs no evidence", prof: seen("net.listen"), drops: "usr/share/doc/server/README", shut: "programs scripts libraries files"},
		{
			name: "the level binaries drops tools only", prof: seen("exec"), pol: harden.Policy{Level: harden.Binaries},
			keeps: script, drops: tool, shut: "scripts libraries files",
		},
		{
			name: "the level files", prof: seen("exec exec.script mmap"), pol: harden.Policy{Level: harden.Files},
			keeps: "usr/share/server/template", drops: tool, shut: "files",
		},
		{name: "a drop rule needs no evidence", prof: seen("open"), pol: harden.Policy{Drop: []string{tool}}, drops: tool, keeps: "usr/bin/dash", shut: "programs scripts libraries"},
		{name: "incomplete sources allowed", prof: half(seen("exec open")), pol: harden.Policy{AllowIncomplete: true}, drops: tool + " " + library},
		{
			name: "an incomplete source allowed counts for what it observes", prof: half(seen("open")), pol: harden.Policy{AllowIncomplete: true},
			keeps: tool, shut: "programs scripts libraries",
		},
		{name: "a source trusted by its recorder", prof: half(seen("exec open")), pol: harden.Policy{Trust: trust(t, "strace=exec,open")}, drops: tool + " " + library},
		{
			name: "a source trusted by its id with executions", prof: half(seen("exec open")), pol: harden.Policy{Trust: trust(t, "s-000000000000=exec")},
			drops: tool, keeps: library + " " + file, shut: "scripts libraries files",
		},
		{name: "a word about another source", prof: seen("exec"), pol: harden.Policy{Trust: trust(t, "kubescape=open")}, keeps: library, shut: "scripts libraries files"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pl := newPlan(t, tree(t, text, server), tc.prof, tc.pol)
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
			var shut []string
			for _, g := range pl.Gates {
				shut = append(shut, g.Of)
				if len(g.Missing) == 0 || g.Release == "" {
					t.Errorf("a gate that does not say what is missing: %+v", g)
				}
			}
			if got := strings.Join(shut, " "); got != tc.shut {
				t.Errorf("shut: %q, want %q", got, tc.shut)
			}
		})
	}
}

func TestGateCounts(t *testing.T) {
	t.Parallel()
	prof := seen("exec exec.script mmap")
	other := half(seen("open"))
	other.Sources[0].ID, other.Sources[0].Recorder.Name = "s-111111111111", "kubescape"
	prof.Sources = append(prof.Sources, other.Sources...)
	tr := tree(t, debianText(), server)
	pl := newPlan(t, tr, prof, harden.Policy{})
	if len(pl.Gates) != 1 {
		t.Fatalf("gates: %+v", pl.Gates)
	}
	want := "a complete source that observes open; there is s-111111111111 of kubescape, which observes open but is not complete (--trust s-111111111111=open)"
	if g := pl.Gates[0]; g.Release != want || g.Entries == 0 || g.Bytes == 0 {
		t.Errorf("gate %+v", g)
	}
	trusted := newPlan(t, tr, prof, harden.Policy{Trust: trust(t, "s-111111111111=open")})
	if len(trusted.Gates) != 0 || !hasFinding(trusted, "trusted") {
		t.Errorf("trust does not open the gate: %+v, %+v", trusted.Gates, trusted.Findings)
	}
	if n := len(dropped(trusted)) - len(dropped(pl)); n < pl.Gates[0].Entries {
		t.Errorf("the gate counts %d entries, opening it drops %d more", pl.Gates[0].Entries, n)
	}
}

// TestGateReleases says of each gate what is missing and what evidence would
// release it; that evidence does.
func TestGateReleases(t *testing.T) {
	t.Parallel()
	const only = "net.listen"
	tr := tree(t, debianText(), server)
	pl := newPlan(t, tr, seen(only), harden.Policy{})
	want := map[string]struct{ missing, release, by, drops string }{
		"programs":  {"exec", "a complete source that observes exec", "exec", "usr/bin/curl"},
		"scripts":   {"exec; exec.script or open", "a complete source that observes exec and exec.script or open", "exec exec.script", "usr/local/bin/start"},
		"libraries": {"exec; mmap or open", "a complete source that observes exec and mmap or open", "exec mmap", "usr/lib/libcurl.so.4.8.0"},
		"files":     {"open", "a complete source that observes open", "exec open", "var/lib/curl/history"},
	}
	if len(pl.Gates) != len(want) {
		t.Errorf("%d gates", len(pl.Gates))
	}
	for _, g := range pl.Gates {
		w := want[g.Of]
		if got := strings.Join(g.Missing, "; "); got != w.missing || g.Release != w.release {
			t.Errorf("%s: missing %q, released by %q", g.Of, got, g.Release)
		}
		if note := pl.Explain(w.drops)[0].Reason; !pl.Keeps(w.drops) || note.Kind != harden.Gated || !strings.HasPrefix(note.Note, "no complete source could see ") {
			t.Errorf("%s stays for %+v", w.drops, note)
		}
		released := newPlan(t, tr, seen(only+" "+w.by), harden.Policy{})
		if released.Keeps(w.drops) || slices.ContainsFunc(released.Gates, func(o harden.Gate) bool { return o.Of == g.Of }) {
			t.Errorf("%s: with %q, %s stays: %+v", g.Of, w.by, w.drops, released.Explain(w.drops))
		}
	}
}

// TestGateOfPatterns keeps a program that an upper bound of executions covers,
// whatever complete sources saw.
func TestGateOfPatterns(t *testing.T) {
	t.Parallel()
	prof := seen("exec open mmap")
	prof.Patterns = []profile.Pattern{{Glob: "/**/cur*", Access: []string{profile.AccessExec}}}
	pl := newPlan(t, tree(t, debianText(), server), prof, harden.Policy{})
	if !pl.Keeps("usr/bin/curl") || !pl.Keeps("usr/lib/libcurl.so.4.8.0") || pl.Keeps("usr/bin/dash") {
		t.Errorf("curl: %+v", pl.Explain("usr/bin/curl"))
	}
	if !hasFinding(pl, "pattern") {
		t.Errorf("findings: %+v", pl.Findings)
	}
}

func TestParseTrust(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "strace", "=exec", "strace=", "strace=exec,", "strace=all", " strace=exec"} {
		if got, err := harden.ParseTrust(bad); err == nil {
			t.Errorf("%q: got %+v", bad, got)
		}
	}
	if got := trust(t, "strace=exec, open")[0].String(); got != "strace=exec,open" {
		t.Errorf("got %q", got)
	}
}

func TestIncompleteRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		prof *profile.Profile
		pol  harden.Policy
		want bool
	}{
		{"no complete source", half(seen("exec open")), harden.Policy{}, true},
		{"trust in another source", half(seen("exec open")), harden.Policy{Trust: trust(t, "other=exec")}, true},
		{"trust", half(seen("exec open")), harden.Policy{Trust: trust(t, "strace=exec")}, false},
		{"allowed", half(seen("exec open")), harden.Policy{AllowIncomplete: true}, false},
		{"only declared", declared(complete("/usr/bin/server")), harden.Policy{AllowIncomplete: true}, true},
		{"only by hand", byHand(complete("/usr/bin/server")), harden.Policy{}, true},
		{"by hand, and kept", byHand(complete("/usr/bin/server")), harden.Policy{KeepAttached: true}, false},
	} {
		tc.pol.Rebase = true
		_, err := harden.NewPlan(t.Context(), tree(t, debianText(), server), profile.Identity{}, tc.prof, tc.pol)
		var refusal *harden.Refusal
		if got := errors.As(err, &refusal); got != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func declared(p *profile.Profile) *profile.Profile {
	p.Sources[0].Kind = profile.KindDeclared
	return p
}

func byHand(p *profile.Profile) *profile.Profile {
	for i := range p.Executables {
		p.Executables[i].Origin = []string{profile.OriginAttach}
	}
	return p
}

// TestOrigins tells people, probes and declarations from what the container does.
func TestOrigins(t *testing.T) {
	t.Parallel()
	with := func(path string, change func(x *profile.Executable)) *profile.Profile {
		p := complete("/usr/bin/server", path)
		p.Sources = append(p.Sources, profile.Source{ID: "s-111111111111", Kind: profile.KindDeclared})
		change(&p.Executables[1])
		return p
	}
	origin := func(words ...string) func(*profile.Executable) {
		return func(x *profile.Executable) { x.Origin = words }
	}
	isDeclared := func(x *profile.Executable) {
		x.Origin, x.Seen = []string{profile.OriginProbe}, profile.Seen{"s-111111111111": {N: 1}}
	}
	sleeps := func(x *profile.Executable) {
		isDeclared(x)
		x.Instead = []string{"preStop: sleep: {seconds: 15}"}
	}
	readByHand := with("/usr/bin/dash", origin(profile.OriginAttach))
	readByHand.Files = []profile.File{{Path: "/var/lib/curl/history", Access: []string{profile.AccessOpen}, By: []string{"/usr/bin/dash"}}}
	onTTY := with("/usr/bin/curl", func(x *profile.Executable) { x.TTY = true })
	allOnTTY := with("/usr/bin/curl", func(x *profile.Executable) { x.TTY = true })
	allOnTTY.Executables[0].TTY, allOnTTY.Executables[0].Origin = true, []string{profile.OriginEntrypoint}
	allOnTTY.Executables = append(allOnTTY.Executables, complete("/usr/bin/dash").Executables...)
	for _, tc := range []struct {
		name                  string
		prof                  *profile.Profile
		pol                   harden.Policy
		path                  string
		keep                  bool
		finding, none, reason string
	}{
		{name: "a person's", prof: with("/usr/bin/curl", origin("attach")), path: "usr/bin/curl", finding: "by-hand"},
		{name: "a person's, wanted", prof: with("/usr/bin/curl", origin("attach")), pol: harden.Policy{KeepAttached: true}, path: "usr/bin/curl", keep: true, none: "by-hand"},
		{name: "a person's and the container's", prof: with("/usr/bin/curl", origin("attach", "child")), path: "usr/bin/curl", keep: true, none: "by-hand"},
		{name: "on a terminal", prof: onTTY, path: "usr/bin/curl", finding: "by-hand"},
		{name: "all on a terminal", prof: allOnTTY, path: "usr/bin/curl", keep: true, none: "by-hand"},
		{name: "of a volume", prof: with("/usr/bin/curl", func(x *profile.Executable) { x.Layer = []string{profile.LayerVolume} }), path: "usr/bin/curl", finding: "not-of-the-image"},
		{name: "written at run time", prof: with("/usr/bin/curl", func(x *profile.Executable) { x.Layer = []string{profile.LayerUpper} }), path: "usr/bin/curl", finding: "not-of-the-image"},
		{name: "of the image once", prof: with("/usr/bin/curl", func(x *profile.Executable) { x.Layer = []string{profile.LayerUpper, profile.LayerImage} }), path: "usr/bin/curl", keep: true, none: "not-of-the-image"},
		{name: "read by hand", prof: readByHand, path: "var/lib/curl/history"},
		{name: "read by hand, wanted", prof: readByHand, pol: harden.Policy{KeepAttached: true}, path: "var/lib/curl/history", keep: true},
		{name: "a probe", prof: with("/usr/bin/curl", origin("probe")), path: "usr/bin/curl", keep: true, finding: "probe"},
		{name: "a probe and more", prof: with("/usr/bin/curl", origin("probe", "child")), path: "usr/bin/curl", keep: true, none: "probe"},
		{name: "declared", prof: with("/usr/bin/curl", isDeclared), path: "usr/bin/curl", keep: true, finding: "probe", reason: "the workload declares it: probe"},
		{name: "declared, and what takes its place", prof: with("/usr/bin/curl", sleeps), path: "usr/bin/curl", keep: true, finding: "probe", reason: "the workload declares it: probe; preStop: sleep: {seconds: 15} needs no program in the image"},
		{name: "declared and dropped", prof: with("/usr/bin/curl", isDeclared), pol: harden.Policy{Drop: []string{"usr/bin/curl"}}, path: "usr/bin/curl", finding: "declared-and-dropped"},
		{name: "declared and not there", prof: with("/usr/bin/nosuch", isDeclared), path: "usr/bin/curl", finding: "not-in-image"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pl := newPlan(t, tree(t, debianText(), server), tc.prof, tc.pol)
			if pl.Keeps(tc.path) != tc.keep {
				t.Errorf("keeps: %v, %+v", pl.Keeps(tc.path), pl.Explain(tc.path))
			}
			if tc.finding != "" && !hasFinding(pl, tc.finding) || tc.none != "" && hasFinding(pl, tc.none) {
				t.Errorf("findings: %+v", pl.Findings)
			}
			if got := pl.Explain(tc.path)[0].Reason.Note; tc.reason != "" && got != tc.reason {
				t.Errorf("reason %q", got)
			}
		})
	}
}

func TestHealthcheckFinding(t *testing.T) {
	t.Parallel()
	conf := v1.Config{Entrypoint: server.Entrypoint, Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "curl", "-f", "http://localhost"}}}
	tr := tree(t, debianText(), conf)
	pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{})
	exact := func(f harden.Finding) bool {
		return f.Kind == "probe" && strings.HasSuffix(f.Text, ": there, livenessProbe: httpGet: {path: /, port: 80} needs no program in the image")
	}
	if !slices.ContainsFunc(pl.Findings, exact) {
		t.Errorf("findings: %+v", pl.Findings)
	}
	if pl := newPlan(t, tr, complete("/usr/bin/server", "/usr/bin/curl"), harden.Policy{}); hasFinding(pl, "probe") {
		t.Errorf("curl ran, and findings are: %+v", pl.Findings)
	}
}

func TestBlindSpots(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	if pl := newPlan(t, tr, seen("exec open mmap"), harden.Policy{Level: harden.Files}); !hasFinding(pl, "not-observed") {
		t.Errorf("findings: %+v", pl.Findings)
	}
	if pl := newPlan(t, tr, seen("exec open mmap open.all stat list"), harden.Policy{Level: harden.Files}); hasFinding(pl, "not-observed") {
		t.Errorf("findings: %+v", pl.Findings)
	}
	if pl := newPlan(t, tr, seen("exec open mmap"), harden.Policy{}); hasFinding(pl, "not-observed") {
		t.Errorf("at the level packages: %+v", pl.Findings)
	}
}

// TestMoreEvidence takes profiles apart at random: what fewer sources, or fewer
// things that they could see, drop, more of them drop, too; and what ran stays.
func TestMoreEvidence(t *testing.T) {
	t.Parallel()
	words := []string{"exec", "exec.script", "open", "mmap", "stat", "list"}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		text, ran := randomSystem(rng)
		tr := tree(t, text, v1.Config{Cmd: []string{"/bin/prog5"}})
		pol := harden.Policy{Level: []harden.Level{harden.Binaries, harden.Packages, harden.Files}[seed%3]}
		prof := complete(ran...)
		prof.Sources = nil
		for i := range prof.Executables {
			prof.Executables[i].Seen = profile.Seen{"s-000000000002": {N: 1}}
		}
		for i := range 3 {
			s := profile.Source{ID: fmt.Sprintf("s-%012d", i), Kind: profile.KindObserved, Complete: rng.IntN(3) > 0, Lost: profile.Lost{Known: true}}
			for _, w := range words {
				if rng.IntN(2) == 0 {
					s.Observes = append(s.Observes, w)
				}
			}
			prof.Sources = append(prof.Sources, s)
		}
		prof.Sources[2].Complete, prof.Sources[2].Observes = true, append(prof.Sources[2].Observes, "syscalls")
		all := newPlan(t, tr, prof, pol)
		less := *prof
		less.Sources = slices.Clone(prof.Sources[1:])
		if rng.IntN(2) == 0 && len(less.Sources[1].Observes) > 1 {
			less.Sources[1].Observes = less.Sources[1].Observes[1:]
		}
		few := newPlan(t, tr, &less, pol)
		allowed := pol
		allowed.AllowIncomplete = true
		loose := newPlan(t, tr, prof, allowed)
		for d := range all.Decisions() {
			if !few.Keeps(d.Path) && d.Keep {
				t.Fatalf("seed %d: without evidence %s goes (%+v), with it it stays: %+v\n%s", seed, d.Path, few.Explain(d.Path), all.Explain(d.Path), text)
			}
			if !d.Keep && loose.Keeps(d.Path) {
				t.Fatalf("seed %d: --allow-incomplete keeps %s: %+v", seed, d.Path, loose.Explain(d.Path))
			}
		}
		for _, x := range ran {
			if target, _, err := tr.Resolve(x); err == nil && !few.Keeps(target) {
				t.Fatalf("seed %d: %s ran and goes", seed, x)
			}
		}
		more := *prof
		more.Executables = slices.Concat(prof.Executables, complete("/bin/prog0").Executables)
		for d := range newPlan(t, tr, &more, pol).Decisions() {
			if !d.Keep && all.Keeps(d.Path) && (strings.HasPrefix(d.Path, "usr/bin/") || strings.HasPrefix(d.Path, "usr/lib/")) {
				t.Fatalf("seed %d: one more execution drops %s: %+v", seed, d.Path, all.Explain(d.Path))
			}
		}
	}
}
