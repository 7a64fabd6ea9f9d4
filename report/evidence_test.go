package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// TestEvidence says of each source what it is worth, and what stays because
// nobody could see it.
func TestEvidence(t *testing.T) {
	t.Parallel()
	prof := ran("/entry.sh", "/bin/busybox::sh", "/usr/sbin/serve")
	prof.Executables[2].Phase = []string{profile.PhaseServing}
	prof.Sources[0].Observes = []string{profile.ObservesOpen}
	prof.Sources[0].Recorder = profile.Recorder{Name: "spo", Version: "1"}
	prof.Sources = append(prof.Sources,
		profile.Source{ID: "b", Kind: profile.KindObserved, Recorder: profile.Recorder{Name: "kubescape"}, Observes: []string{profile.ObservesExec}},
		profile.Source{ID: "c", Kind: profile.KindDeclared})
	pol := harden.Policy{
		Rules:   []harden.Rule{{Do: harden.DoDeny, Class: "shell"}},
		Trust:   []harden.Trust{{Source: "kubescape", Observes: []string{profile.ObservesStat}}},
		Answers: []harden.Answer{{Path: "bin/sh", Keep: true, Reason: "until June", From: "p:3"}, {Path: "bin/busybox", Keep: true, Reason: "so is it", From: "p:6"}},
	}
	in, err := hardened(t, busybox, prof, pol)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Job{}, in)
	if err != nil {
		t.Fatal(err)
	}
	p := &r.Platforms[0]
	var states []string
	for i := range p.Evidence.Sources {
		states = append(states, p.Evidence.Sources[i].state()+", "+p.Evidence.Sources[i].losses())
	}
	want := []string{"complete, 0", "not complete, trusted with stat, cannot tell", "declared, "}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if len(p.Gates) == 0 || p.Gates[0].Of != "programs" || len(p.Answers) == 0 || len(p.Startup) == 0 {
		t.Errorf("gates %+v, answers %+v, startup %+v", p.Gates, p.Answers, p.Startup)
	}
	var md, term strings.Builder
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if err := r.Terminal(&term, Style{Width: 200}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Kept for lack of evidence", "programs: no complete source could see exec", "released by", "until June", "shell (denied)", "Used only by the entrypoint"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("report.md has no %q:\n%s", want, md.String())
		}
	}
	for _, want := range []string{"not dropped", "only to start", "shell (denied)"} {
		if !strings.Contains(term.String(), want) {
			t.Errorf("the terminal has no %q:\n%s", want, term.String())
		}
	}
}
