package harden_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// readPolicy reads the lines of a policy below its head.
func readPolicy(t testing.TB, text string) harden.Policy {
	t.Helper()
	p, err := harden.ReadPolicy(strings.NewReader(policyHead+text), "policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

// ran is a start script that a shell runs, which runs the server.
func ran() *profile.Profile {
	p := complete("/usr/bin/server", "/usr/bin/dash")
	p.Sources[0].Recorder.Name = "strace"
	p.Executables[1].Scripts = []profile.Path{"/usr/local/bin/start"}
	p.Executables[1].Via = []profile.Path{"/bin/sh"}
	return p
}

func TestPolicyRules(t *testing.T) {
	t.Parallel()
	text := strings.Replace(debianText(), "script usr/local/bin/start = /bin/sh -e",
		`script usr/local/bin/start = /bin/sh -e\nif x; then serverctl; fi`, 1) + "\nfile srv/app.spdx.json\nfile srv/sbom.json"
	for _, tc := range []struct{ name, policy, keeps, drops, finding, reason string }{
		{name: "keep a package", policy: "keep:\n- {package: cur*, reason: backup}", keeps: "usr/bin/curl usr/lib/libcurl.so.4", reason: "policy.yaml:4 (package cur*): backup"},
		{name: "keep a class", policy: "keep:\n- class: downloader", keeps: "usr/bin/curl", drops: "usr/bin/serverctl", reason: "policy.yaml:4 (class downloader)"},
		{name: "keep a layer", policy: "keep:\n- layer: 1", keeps: "usr/local/bin/start srv/page", drops: "usr/bin/curl"},
		{name: "keep a layer's scripts only", policy: "keep:\n- {layer: 1, path: /usr}", keeps: "usr/local/bin/start", drops: "usr/bin/curl"},
		{name: "drop a layer", policy: "drop:\n- {layer: 1, path: /srv}", drops: "srv/page srv/tool.sh", reason: "policy.yaml:4 (path srv, layer 1)"},
		{name: "drop a package's data", policy: "drop:\n- {package: server, path: /usr/share}", drops: "usr/share/server/template", keeps: "usr/bin/server"},
		{name: "commands of a script", policy: "keep:\n- scriptCommands: /usr/local/bin/*", keeps: "usr/bin/serverctl", drops: "usr/bin/curl", reason: "policy.yaml:4 (commands of usr/local/bin/*), line 2"},
		{name: "commands of no script", policy: "keep:\n- scriptCommands: /srv/none", finding: "rule-without-match"},
		{name: "a rule about nothing", policy: "drop:\n- package: perl", finding: "rule-without-match"},
		{name: "an answer without a conflict", policy: "answers:\n- {path: /bin/sh, take: keep, reason: x}", finding: "answer-without-conflict"},
		{name: "bills of materials stay", policy: "sbom: keep", keeps: "srv/app.spdx.json srv/sbom.json", finding: "stale-sbom"},
		{name: "bills of materials go", policy: "sbom: drop", drops: "srv/app.spdx.json srv/sbom.json", keeps: "srv/page"},
		{name: "deny what does not run", policy: "deny:\n- class: downloader", drops: "usr/bin/curl", reason: "package curl: it never ran, and nothing that stays needs it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pl := newPlan(t, tree(t, text, v1.Config{Entrypoint: []string{"start"}}), ran(), readPolicy(t, tc.policy))
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
			if tc.finding != "" && !hasFinding(pl, tc.finding) {
				t.Errorf("no finding %s: %+v", tc.finding, pl.Findings)
			}
			first := strings.Fields(tc.keeps + " " + tc.drops)
			if tc.reason != "" && pl.Explain(first[0])[0].Reason.Note != tc.reason {
				t.Errorf("the reason of %s is %+v, want %q", first[0], pl.Explain(first[0])[0].Reason, tc.reason)
			}
		})
	}
}

func TestPolicyHistory(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	pl := newPlan(t, tr, complete("/usr/bin/server"), readPolicy(t, "keep:\n- history: apt-get"))
	if !hasFinding(pl, "rule-without-match") {
		t.Error("a rule about a history that is not there matched")
	}
	pl = newPlan(t, tr, complete("/usr/bin/server"), readPolicy(t, "keep:\n- history: layer 1"))
	if !pl.Keeps("usr/local/bin/start") || pl.Keeps("usr/bin/curl") {
		t.Errorf("a rule about the command of the second layer keeps %+v, %+v", pl.Explain("usr/local/bin/start"), pl.Explain("usr/bin/curl"))
	}
	diffID := tr.Layer(1).DiffID.String()
	pl = newPlan(t, tr, complete("/usr/bin/server"), readPolicy(t, "drop:\n- {layer: '"+diffID+"', path: /srv}"))
	if pl.Keeps("srv/page") {
		t.Error("the layer's diff ID does not name it")
	}
}

func TestPolicyConflicts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, policy, want string }{
		{
			"denied and observed", "deny:\n- {class: shell, reason: rule 7}",
			`policy.yaml:4 denies shells, among them "/usr/bin/dash", but the profile saw it run at serving for "/usr/local/bin/start" (source s-000000000000 of strace)`,
		},
		{"dropped and observed", "drop:\n- path: /usr/bin/serverctl", `policy.yaml:4 names "/usr/bin/serverctl", but the profile saw it run at serving (source s-000000000000 of strace)`},
		{"dropped and needed", "drop:\n- path: /usr/lib/libssl.so.3", `policy.yaml:4 names "/usr/lib/libssl.so.3", but "/usr/bin/server" needs it (libssl.so.3)`},
		{
			"dropped and kept", "drop:\n- path: /usr/bin/curl\nkeep:\n- path: /usr/bin/c*",
			`policy.yaml:4 names "/usr/bin/curl", but policy.yaml:6 (path usr/bin/c*) keeps it`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pol := readPolicy(t, tc.policy)
			pol.Rebase = true
			prof := ran()
			prof.Executables = append(prof.Executables, complete("/usr/bin/serverctl").Executables...)
			_, err := harden.NewPlan(t.Context(), tree(t, debianText(), server), profile.Identity{}, prof, pol)
			var conflict *harden.Conflict
			if !errors.As(err, &conflict) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestPolicyAnswers(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	answer := func(take string) harden.Policy {
		return readPolicy(t, "deny:\n- class: shell\nanswers:\n- {path: /bin/sh, take: "+take+", reason: until June}")
	}
	pl := newPlan(t, tr, ran(), answer("keep"))
	if !pl.Keeps("usr/bin/dash") || !pl.Keeps("usr/bin/sh") {
		t.Errorf("the shell goes: %+v", pl.Explain("usr/bin/dash"))
	}
	want := []harden.Settled{{
		Path: "usr/bin/dash", Kept: true, Rule: "policy.yaml:4 (class shell)", Reason: "until June", From: "policy.yaml:6",
		Evidence: `the profile saw it run at serving for "/usr/local/bin/start" (source s-000000000000 of strace)`,
	}}
	if diff := cmp.Diff(want, pl.Settled); diff != "" {
		t.Errorf("settled (-want +got):\n%s", diff)
	}
	if !hasFinding(pl, "conflict-answered") {
		t.Errorf("no finding about the answer: %+v", pl.Findings)
	}
	pl = newPlan(t, tr, ran(), answer("drop"))
	if pl.Keeps("usr/bin/dash") || pl.Keeps("usr/bin/sh") {
		t.Errorf("the shell stays: %+v", pl.Explain("usr/bin/sh"))
	}
	if got := pl.Explain("usr/bin/dash")[0].Reason; got.Kind != harden.DenyRule || len(pl.Settled) != 1 || pl.Settled[0].Kept {
		t.Errorf("reason %+v, settled %+v", got, pl.Settled)
	}
}
