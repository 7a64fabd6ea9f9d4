package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// paired are two loads: the second one has three rounds.
func paired() *recordings {
	run := func(wall, cpu time.Duration) sample { return sample{Wall: wall, Workload: cpu, Recorder: 1} }
	return &recordings{Loads: []watched{
		{Name: "empty"},
		{Name: "full", What: "it works", Rounds: []round{
			{armNone: run(10, 4), armLathe: run(11, 5), armStrace: run(100, 8)},
			{armNone: run(20, 4), armLathe: run(40, 8), armStrace: run(100, 8)},
			{armNone: run(10, 9), armLathe: run(12, 9), armStrace: run(100, 9)},
		}},
	}}
}

// TestRatios pairs the runs of one round.
func TestRatios(t *testing.T) {
	t.Parallel()
	w := &paired().Loads[1]
	got := []spread{w.ratios(armLathe, wallOf), w.ratios(armStrace, wallOf), w.ratios(armLathe, allOf), (&watched{}).ratios(armLathe, wallOf)}
	want := []spread{{1.1, 1.2, 2}, {5, 10, 10}, {1, 1.2, 1.8}, {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if m := w.typical(armNone, wallOf); m != 10 {
		t.Errorf("the median is %d", m)
	}
}

// TestReplace writes the section into results that are there, twice.
func TestReplace(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "results.md")
	const before, after = "# Benchmarks\n\n## Network hint\n\nfast\n", "\n## Growth\n\nlinear\n"
	if err := os.WriteFile(name, []byte(before+recordingTitle+"\nold\n"+after), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := paired().replace(name); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	if !strings.HasPrefix(text, before+recordingTitle) || !strings.HasSuffix(text, after) || strings.Contains(text, "old") {
		t.Errorf("the results are now:\n%s", text)
	}
	if want := "| full | lathe | **1.20** (1.10–2.00) |"; strings.Count(text, want) != 1 {
		t.Errorf("there is not one %q in:\n%s", want, text)
	}
	if err := (&recordings{Missing: "no root"}).replace(name); err != nil {
		t.Fatal(err)
	}
	if raw, err = os.ReadFile(name); err != nil || !strings.Contains(string(raw), "**Not measured: no root.**") {
		t.Errorf("%v: it does not say that nothing was measured:\n%s", err, raw)
	}
}
