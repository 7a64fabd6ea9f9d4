// Package importtest is what the tests of importers share: reading a text as a
// file of evidence, and comparing a profile with a golden file. The goldens are
// written anew by go test -update.
package importtest

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

//nolint:gochecknoglobals // a flag of go test
var update = flag.Bool("update", false, "write the golden files")

// Importer is the entry point of a format.
type Importer func(context.Context, []*foreign.Input, foreign.Options) (*profile.Profile, error)

// Text imports a text as the only file of a recording.
func (im Importer) Text(t testing.TB, name, text string, opts foreign.Options) (*profile.Profile, error) {
	t.Helper()
	in, err := foreign.Open(name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	return im(t.Context(), []*foreign.Input{in}, opts)
}

// MustText is Text that may not fail.
func (im Importer) MustText(t testing.TB, name, text string, opts foreign.Options) *profile.Profile {
	t.Helper()
	p, err := im.Text(t, name, text, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Golden compares the canonical bytes of a profile with a file.
func Golden(t testing.TB, name string, p *profile.Profile) {
	t.Helper()
	got, err := p.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Fuzz imports lines like those of a file: whatever they are, a profile that
// comes of them is valid.
func (im Importer) Fuzz(f *testing.F, seeds string) {
	f.Helper()
	raw, err := os.ReadFile(seeds)
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := im.Text(t, "events.json", text, foreign.Options{})
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

// Benchmark imports 10 MB of a file's lines, of its container web.
func (im Importer) Benchmark(b *testing.B, file string) {
	b.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat(string(raw), 10_000_000/len(raw))
	b.SetBytes(int64(len(text)))
	lines := strings.Count(text, "\n")
	for b.Loop() {
		im.MustText(b, "events.json", text, foreign.Options{Container: "web"})
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
