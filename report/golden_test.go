package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	hostile := Input{Platform: "linux/amd64", Plan: hostilePlan(), Profile: startup()}
	hostile.Before.Contents, _ = contentsOf(hostile.Plan)
	dry := webInput(harden.Binaries)
	dry.After = nil
	dryJob := webJob()
	dryJob.DryRun, dryJob.Outputs, dryJob.Signature, dryJob.Hint, dryJob.Result = true, nil, nil, nil, ""
	unsigned := webJob()
	unsigned.Signature = &Signature{Note: "there is no --key"}
	unsigned.LeftOut = []LeftOut{{"linux/s390x", "no profile covers it"}}
	arm := webInput(harden.Packages)
	arm.Platform = "linux/arm64"
	arm.Plan.Rebased = true
	for _, tt := range []struct {
		name   string
		job    Job
		inputs []Input
	}{
		{"packages", webJob(), []Input{webInput(harden.Packages)}},
		{"binaries-dry-run", dryJob, []Input{dry}},
		{"two-platforms", unsigned, []Input{webInput(harden.Packages), arm}},
		{"hostile", Job{Image: "evil\x1b[31m|`name`\n# x"}, []Input{hostile}},
		{"empty", Job{Image: "scratch"}, []Input{{Platform: "linux/amd64", Plan: &harden.Plan{}, Profile: &profile.Profile{}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := New(tt.job, tt.inputs...)
			if err != nil {
				t.Fatal(err)
			}
			js, err := r.JSON()
			if err != nil {
				t.Fatal(err)
			}
			if len(tt.inputs) == 1 && !tt.job.DryRun { // the others would only repeat it
				golden(t, tt.name+".json", js)
			}
			var md, txt, narrow bytes.Buffer
			if err := r.Markdown(&md); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".md", md.Bytes())
			if err := r.Terminal(&txt, Style{}); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".txt", txt.Bytes())
			if err := r.Terminal(&narrow, Style{Width: 72, Color: true}); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".color.txt", narrow.Bytes())
		})
	}
}

// hostilePlan has names that try to be more than names.
func hostilePlan() *harden.Plan {
	evil := "bin/a\x1b[2J|`b`\n<script>\u202e\xff@x"
	d := &draft{}
	d.tool(evil, "shell", "T1059.004", true, harden.Executed, profile.PhaseServing)
	d.keep("lib/\x1b]0;title\a", "library", 70, harden.Library, evil, "lib\r\n## heading")
	d.drop("etc/www.example.com/[x](https://example.com)", "data", 9, harden.UnusedPackage, "", "package `rm -rf` | evil")
	d.plan.Packages = []harden.Package{{Manager: "dpkg", Name: "evil|\x1b[1mpkg`", Version: "1\n2", Bytes: 9, Dropped: 9}}
	d.plan.Findings = []harden.Finding{{Kind: "script-command", Path: evil, Text: "see https://example.com or www.example.com, @you <b>\x07"}}
	d.plan.Missing = []string{evil, " leading and trailing "}
	return &d.plan
}

func TestExplain(t *testing.T) {
	t.Parallel()
	pl := webServer(harden.Packages)
	v := newView(&Input{Plan: pl, Profile: startup()})
	chain := append(v.explain("usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so"), v.explain("var/lib/apt/lists/deb.debian.org_dists_bookworm_main")...)
	var b bytes.Buffer
	if err := Explain(&b, chain); err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.txt", b.Bytes())
	js, err := ExplainJSON(chain)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.json", js)
}
