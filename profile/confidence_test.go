package profile

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEvidence(t *testing.T) {
	t.Parallel()
	at := func(hour int) Window {
		return Window{Start: time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 21, hour, 1, 0, 0, time.UTC)}
	}
	sources := []Source{
		{Kind: KindObserved, Run: "late", Window: at(9), Recorder: Recorder{Name: "strace"}, Paths: PathStyle{Exec: "raw", Open: "both"}},
		{Kind: KindObserved, Run: "early", Window: at(7), Recorder: Recorder{Name: "tracee"}, Paths: PathStyle{Exec: "resolved", Open: "resolved"}, Complete: true, Vouched: true},
		{Kind: KindDeclared},
		{Kind: KindStatic},
	}
	ids := map[string]string{}
	for i, name := range []string{"late", "early", "declared", "static"} {
		sources[i].ID = SourceID(sources[i])
		ids[name] = sources[i].ID
	}
	seen := func(names string) (list []string) {
		for name := range strings.FieldsSeq(names) {
			list = append(list, ids[name])
		}
		return list
	}
	count := func(names string) Seen {
		out := Seen{}
		for _, id := range seen(names) {
			out[id] = Count{N: 1}
		}
		return out
	}
	p := mustMerge(t, &Profile{
		Sources: sources,
		Executables: []Executable{
			{Path: "/raw", Seen: count("late")}, {Path: "/both", Seen: count("late early")}, {Path: "/said", Seen: count("declared static")},
		},
		Files: []File{
			{Path: "/linked", Seen: seen("late")}, {Path: "/found", Seen: seen("static")}, {Path: "/early", Seen: seen("early")},
		},
		Patterns: []Pattern{{Glob: "/p/*", Seen: seen("late")}},
	})
	var out bytes.Buffer
	if err := p.Evidence().Render(&out); err != nil {
		t.Fatal(err)
	}
	want := `run    start                 time  recorder  host  scenarios  executables  files
early  2026-11-21T07:00:00Z  1m0s  tracee    -     -          1 (1 new)    1 (1 new)
late   2026-11-21T09:00:00Z  1m0s  strace    -     -          2 (1 new)    1 (1 new)

executables  confidence         runs
/both        observed-resolved  2
/raw         observed-raw       1
/said        declared           0

files    confidence         runs
/early   observed-resolved  1
/linked  observed-raw       1
/found   static             0

patterns  confidence  runs
/p/*      pattern     1
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if e := p.Evidence(); !e.Runs[0].Complete || e.Runs[1].Complete {
		t.Errorf("complete runs: %+v", e.Runs)
	}
	p.Files[0].Bound = true
	for _, e := range p.Evidence().Entries {
		if e.Entry == string(p.Files[0].Path) && e.Confidence != ConfidenceResolved {
			t.Errorf("a bound entry is %s", e.Confidence)
		}
	}
}

func TestUnseenNeedsNoPairs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		runs []string
		want int
	}{
		{[]string{"abc", "abc", "abc"}, 0},  // nothing was seen once
		{[]string{"abcd", "abc", "abc"}, 0}, // one was seen once, none twice: bias-corrected
		{[]string{"abx", "aby", "abz"}, 3},  // three of three were seen once
	} {
		c := mustMergeForTest(runsOf(test.runs...)).Coverage()
		if c.Unseen == nil || *c.Unseen != test.want {
			t.Errorf("%q: unseen is %v, want %d", test.runs, c.Unseen, test.want)
		}
	}
}
