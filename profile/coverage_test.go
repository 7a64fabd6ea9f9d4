package profile

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestIsComplete(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		s    Source
		want bool
	}{
		"complete":          {Source{Kind: KindObserved, Complete: true, Lost: Lost{Known: true}}, true},
		"says not":          {Source{Kind: KindObserved, Lost: Lost{Known: true}}, false},
		"lost something":    {Source{Kind: KindObserved, Complete: true, Lost: Lost{Known: true, Events: 1}}, false},
		"cannot tell":       {Source{Kind: KindObserved, Complete: true}, false},
		"vouched for":       {Source{Kind: KindObserved, Complete: true, Vouched: true}, true},
		"vouched, not said": {Source{Kind: KindObserved, Vouched: true}, false},
		"declared":          {Source{Kind: KindDeclared, Complete: true, Vouched: true}, false},
	} {
		p := &Profile{Sources: []Source{{Kind: KindObserved}, tc.s}}
		if got := p.Complete(); got != tc.want {
			t.Errorf("%s: complete is %v", name, got)
		}
	}
}

// runsOf makes a profile of recordings, each of which saw some files.
func runsOf(files ...string) *Profile {
	p := &Profile{}
	for i, list := range files {
		s := Source{
			Kind: KindObserved, Run: string(rune('z' - i)), Complete: true, Lost: Lost{Known: true},
			Window: Window{Start: time.Date(2026, 11, 21, 20, i, 0, 0, time.UTC), End: time.Date(2026, 11, 21, 20, i, 30, 0, time.UTC)},
		}
		s.ID = SourceID(s)
		p.Sources = append(p.Sources, s)
		for _, f := range list {
			p.Files = append(p.Files, File{Path: Path("/" + string(f)), Seen: []string{s.ID}})
		}
	}
	return p
}

func TestCoverage(t *testing.T) {
	t.Parallel()
	p := mustMergeForTest(runsOf("abc", "abd", "abce"))
	p.Sources[0].Observes = []string{ObservesOpen, ObservesExec}
	p.Sources[1].Observes = []string{ObservesOpen}
	p.Sources[2].Observes = []string{ObservesDNS}
	p.Sources[2].Complete = false
	p.Network.Connect = []Connect{{By: []string{"/a"}}, {}}
	p.Outside = []Outside{{Prefix: "/proc", Seen: Seen{"a": {N: 3}, "b": {N: 4}}}}
	c := p.Coverage()
	if c.Runs != 3 || c.Observed != 3 || c.Complete != 2 || c.Seconds != 90 || !c.LostKnown {
		t.Errorf("runs %d, observed %d, complete %d, seconds %v, lost known %v", c.Runs, c.Observed, c.Complete, c.Seconds, c.LostKnown)
	}
	for name, pair := range map[string][2][]string{
		"observes":   {c.Observes, {ObservesExec, ObservesOpen}},
		"always":     {c.Always, {ObservesOpen}},
		"incomplete": {c.Incomplete, {ObservesDNS}},
	} {
		if !slices.Equal(pair[0], pair[1]) {
			t.Errorf("%s is %q, want %q", name, pair[0], pair[1])
		}
	}
	if c.Counts.Unattributed != 1 || c.Counts.Outside != 7 || c.Counts.Files != 5 {
		t.Errorf("counts are %+v", c.Counts)
	}
	// a and b are in all three runs, c in two, d and e in one: 2²/(2·1).
	if diff := cmp.Diff([]int{3, 1, 1}, c.NewFiles); diff != "" {
		t.Error(diff)
	}
	if c.Unseen == nil || *c.Unseen != 2 {
		t.Errorf("unseen is %v", c.Unseen)
	}
}

func mustMergeForTest(p *Profile) *Profile {
	out, err := Merge(p)
	if err != nil {
		return nil
	}
	return out
}

func TestCoverageOfTwoRunsDoesNotEstimate(t *testing.T) {
	t.Parallel()
	if c := runsOf("ab", "bc").Coverage(); c.Unseen != nil || len(c.NewFiles) != 2 {
		t.Errorf("unseen is %v, new files %v", c.Unseen, c.NewFiles)
	}
	if c := (&Profile{}).Coverage(); c.NewFiles != nil || c.LostKnown {
		t.Errorf("the empty profile: %+v", c)
	}
}

func TestRenderEscapes(t *testing.T) {
	t.Parallel()
	p := &Profile{Sources: []Source{{Kind: KindObserved, Notes: []string{"\x1b[2J"}, Scenarios: []string{"a\rb"}}}}
	var out bytes.Buffer
	if err := p.Coverage().Render(&out); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(out.String(), "\x1b\r") {
		t.Errorf("control characters reach the terminal: %q", out.String())
	}
	if err := p.Coverage().Render(failingWriter{}); err == nil {
		t.Error("a failing writer is not reported")
	}
	if err := p.Write(failingWriter{}); !errors.Is(err, errDisk) {
		t.Errorf("the error is %v", err)
	}
}

var errDisk = errors.New("disk full")

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errDisk }

func TestLasted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		each time.Duration // of three sources
		want string
	}{
		{0, "0s"},
		{3 * time.Microsecond, "9µs"},
		{240*time.Millisecond + 333*time.Microsecond, "721ms"},
		{1143 * time.Millisecond, "3.43s"},
		{333_333_333, "1s"},
		{4 * time.Second, "12s"},
		{250*time.Second + 500*time.Millisecond, "12m31s"},
	} {
		p := &Profile{}
		for range 3 {
			p.Sources = append(p.Sources, Source{Kind: KindObserved, Window: Window{Start: start, End: start.Add(tt.each)}})
		}
		var b strings.Builder
		if err := p.Coverage().Render(&b); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "Z, "+tt.want+"\n") {
			t.Errorf("three times %s is not %s:\n%s", tt.each, tt.want, b.String())
		}
	}
}
