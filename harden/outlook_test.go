package harden_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// counted is what a plan leaves, counted from its records.
func counted(tr *layers.Tree, pl *harden.Plan) *harden.Outlook {
	o := &harden.Outlook{Level: pl.Policy.Level}
	carried := map[int]bool{}
	for i, r := range pl.Records.All() {
		if r.Action == harden.ActDrop {
			continue
		}
		switch e := tr.Entry(i); {
		case r.Action == harden.ActRewrite:
			o.Bytes += r.NewSize
		case e.Type == layers.HardLink && pl.Records.At(e.Data).Action == harden.ActDrop && !carried[e.Data]:
			carried[e.Data] = true
			o.Bytes += tr.Entry(e.Data).Size
		default:
			o.Bytes += r.Size
		}
		if r.Type == layers.Regular.String() || r.Type == layers.HardLink.String() {
			o.Files++
		}
		if r.Class == "program" || r.Class == "script" || r.Class == "applet" {
			o.Executables++
		}
	}
	for _, q := range pl.Packages {
		if q.Kept {
			o.Packages++
		}
	}
	return o
}

// TestOutlook compares what a plan says of the next level with the plan at that
// level.
func TestOutlook(t *testing.T) {
	t.Parallel()
	gains := 0
	for seed := range uint64(60) {
		text, ran := randomSystem(rand.New(rand.NewPCG(seed, 5)))
		if seed%2 == 0 { // with plugins
			text = "elf usr/lib/plugin0.so needed=lib1.so.1\n" + text
		}
		pol := harden.Policy{Plugins: []harden.Plugins{harden.KeepPlugins, harden.DropUnloaded}[seed%4/2]}
		tr := tree(t, text, v1.Config{Cmd: []string{"/bin/prog5"}})
		prof := complete(ran...)
		if seed%5 == 0 { // behind gates
			prof.Sources[0].Observes = []string{profile.ObservesExec}
		}
		var before *harden.Plan
		for level := harden.Binaries; level != ""; level = level.Next() {
			pol.Level = level
			pl := newPlan(t, tr, prof, pol)
			if before != nil {
				if diff := cmp.Diff(counted(tr, pl), before.Next); diff != "" {
					t.Fatalf("seed %d: %s looks out on %s otherwise (-plan +outlook):\n%s\n%s", seed, before.Policy.Level, level, diff, text)
				}
				if counted(tr, before).Bytes > before.Next.Bytes {
					gains++
				}
			}
			before = pl
		}
		if before.Next != nil {
			t.Fatal("there is a level after the last")
		}
	}
	if gains < 60 {
		t.Errorf("the next level gained something %d times only", gains)
	}
}

// TestOutlookOfRefusals says nothing of a level that would be refused.
func TestOutlookOfRefusals(t *testing.T) {
	t.Parallel()
	tr := tree(t, dpkgImage("file var/lib/rpm/rpmdb.sqlite = x"), v1.Config{Cmd: []string{"/bin/app"}})
	pl := newPlan(t, tr, complete("/bin/app"), harden.Policy{Level: harden.Binaries})
	if pl.Next != nil {
		t.Errorf("the next level is %+v, although the rpm database cannot be rewritten", pl.Next)
	}
	pl = newPlan(t, tr, complete("/bin/app"), harden.Policy{Level: harden.Binaries, AllowStaleRPMDB: true})
	if pl.Next == nil {
		t.Error("nothing is said of the next level")
	}
}
