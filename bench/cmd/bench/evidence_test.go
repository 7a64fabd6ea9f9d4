package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestEvidence writes the section twice: rates are of CPU, and ratios range from
// the worst pair to the best.
func TestEvidence(t *testing.T) {
	t.Parallel()
	took := func(name string, low, middle, high time.Duration) measured {
		return measured{Name: name, usage: usage{CPU: middle, Wall: time.Second, Peak: 30 << 20}, Low: low, High: high}
	}
	e := &evidence{
		Streams: []imported{{
			"tetragon", 200_000_000, took("", 400*time.Millisecond, 500*time.Millisecond, time.Second),
			took("", 2*time.Second, 2*time.Second, 4*time.Second), took("", 0, time.Second, 0),
		}},
		Millions: []measured{took("tetragon", 0, 12*time.Second, 0)},
		Write:    took("", 0, 100*time.Millisecond, 0), Read: took("", 0, 200*time.Millisecond, 0),
	}
	name := filepath.Join(t.TempDir(), "results.md")
	if err := os.WriteFile(name, []byte("# Benchmarks\n"+evidenceTitle+"\nold\n\n## Growth\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := replaceSection(name, evidenceTitle, e.write); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Benchmarks\n\n## Importing evidence\n\n100000 generated events", "| tetragon | 200 | 200000 | 400 | 100 | **4.0** (2.0–10.0) | 200 |\n",
		"| tetragon | 12.0 | 1.0 | 30 |\n", "**0.10 s of CPU**", "**0.20 s of CPU**", "\n\n## Growth\n",
	} {
		if strings.Count(string(raw), want) != 1 {
			t.Errorf("there is not one %q in:\n%s", want, raw)
		}
	}
	if strings.Contains(string(raw), "\nold\n") {
		t.Error("the old section is still there")
	}
}

// TestEvidenceStep generates, imports and decodes, as processes of their own do.
func TestEvidenceStep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, step := range []string{stepWriteFiles, stepReadFiles} {
		if ok, err := evidenceStep(t.Context(), step, dir, "10"); !ok || err != nil {
			t.Errorf("%s: %v, %v", step, ok, err)
		}
		if ok, err := evidenceStep(t.Context(), step, dir, "x"); !ok || err == nil {
			t.Errorf("%s of x files: %v, %v", step, ok, err)
		}
	}
	for _, step := range []string{stepImport, stepDecode, stepDecodeFew} {
		if ok, err := evidenceStep(t.Context(), step, dir, "tetragon"); !ok || err == nil {
			t.Errorf("%s of nothing: %v, %v", step, ok, err)
		}
	}
	if ok, err := evidenceStep(t.Context(), stepFloor, dir, ""); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}
