package formats

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

func open(t testing.TB, name string, raw []byte) *foreign.Input {
	t.Helper()
	in, err := foreign.Open(name, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fixtures is a file of each format that has events.
func fixtures() map[string]string {
	return map[string]string{
		"../tetragon/testdata/web.jsonl":            "tetragon",
		"../tracee/testdata/web.jsonl":              "tracee",
		"../hubble/testdata/web.jsonl":              "hubble",
		"../inspektorgadget/testdata/web.jsonl":     "inspektor-gadget",
		"../inspektorgadget/testdata/policies.yaml": "networkpolicy",
		"../strace/testdata/plain.log":              "strace",
	}
}

// A file is of one format only, and is known also when it is compressed.
func TestDetect(t *testing.T) {
	t.Parallel()
	for name, want := range fixtures() {
		raw := read(t, name)
		var gz bytes.Buffer
		z := gzip.NewWriter(&gz)
		z.Write(raw)
		z.Close()
		for _, in := range []*foreign.Input{open(t, "x", raw), open(t, "x.gz", gz.Bytes())} {
			var got []string
			for _, f := range All() {
				if f.Detect(in.Head()) {
					got = append(got, f.Name)
				}
			}
			if !slices.Equal(got, []string{want}) {
				t.Errorf("%s is %v", name, got)
			}
			if f, err := Detect(in); err != nil || f.Name != want {
				t.Errorf("%s is %q, %v", name, f.Name, err)
			}
		}
	}
}

// Each real sample is known by its beginning.
func TestDetectRealSamples(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "profiles")
	for pattern, want := range map[string]string{
		"tetragon/*": "tetragon", "tracee/*": "tracee", "inspektor-gadget/*": "inspektor-gadget", "strace/*": "strace",
		"kubescape/applicationprofile-*": "kubescape", "kubescape/containerprofile-*": "kubescape",
	} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			t.Skipf("no samples in %s", dir)
		}
		for _, name := range names {
			if f, err := Detect(open(t, "x", read(t, name))); err != nil || f.Name != want {
				t.Errorf("%s is %q, %v", name, f.Name, err)
			}
		}
	}
}

func TestDetectNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                     `"x" is empty`,
		"hello\n":              "unknown format: \"x\" is none of",
		`{"a":1}`:              "unknown format: \"x\" is none of",
		"\x00\x01\x02\x03\x04": "unknown format: \"x\" is none of",
		`{"apiVersion":"lathe.dev/v1alpha1","kind":"RuntimeProfile"}`: "is a runtime profile already",
	} {
		_, err := Detect(open(t, "x", []byte(text)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Find("nosuch"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// Files of several formats are one profile with a source each.
func TestImportMixed(t *testing.T) {
	t.Parallel()
	inputs := []*foreign.Input{
		open(t, "flows", read(t, "../hubble/testdata/web.jsonl")), open(t, "events", read(t, "../tetragon/testdata/web.jsonl")),
	}
	p, names, err := Import(context.Background(), "", inputs, foreign.Options{Namespace: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"hubble", "tetragon"}, names); diff != "" || len(p.Sources) != 2 {
		t.Error(diff, len(p.Sources))
	}
	if !slices.IsSortedFunc(p.Sources, func(a, b profile.Source) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("the sources are not sorted")
	}
	if _, _, err := Import(context.Background(), "nosuch", inputs, foreign.Options{}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// A name of a format is one word, and what it is fits a line of help.
func TestTable(t *testing.T) {
	t.Parallel()
	if !slices.IsSorted(Names()) || len(slices.Compact(Names())) != len(All()) {
		t.Errorf("names %v", Names())
	}
	for _, f := range All() {
		if f.Name == "" || strings.ContainsAny(f.Name, " _") || f.About == "" || len(f.About) > 80 {
			t.Errorf("%q: %q", f.Name, f.About)
		}
	}
}

// TestMergeLawsOfImports merges what all formats make of their files, complete
// and not, with and without an image, in any order and any grouping: the same
// bytes come out, and once more changes nothing.
func TestMergeLawsOfImports(t *testing.T) {
	t.Parallel()
	var all []*profile.Profile
	for name, format := range fixtures() {
		for _, opts := range []foreign.Options{
			{Complete: true, Run: "a", Container: "web", Image: profile.Image{Digest: "sha256:" + strings.Repeat("1", 64), Refs: []string{"web:1"}}},
			{Run: "b", Scenarios: []string{"e2e"}, Container: "web"},
		} {
			if format == "networkpolicy" {
				opts.Container = ""
			}
			p, _, err := Import(t.Context(), format, []*foreign.Input{open(t, name, read(t, name))}, opts)
			if err != nil {
				if opts.Image.Digest == "" {
					t.Fatalf("%s: %v", name, err)
				}
				opts.Rebase = true
				if p, _, err = Import(t.Context(), format, []*foreign.Input{open(t, name, read(t, name))}, opts); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			all = append(all, p)
		}
	}
	for _, name := range []string{"../kubescape/testdata/container.yaml", "../manifest/testdata/deploy.yaml"} {
		opts := foreign.Options{Image: profile.Image{Refs: []string{"registry.example.com/shop:1.4"}}}
		p, _, err := Import(t.Context(), "", []*foreign.Input{open(t, name, read(t, name))}, opts)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, p)
	}
	merge := func(list ...*profile.Profile) *profile.Profile {
		p, err := profile.Merge(list...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	bytesOf := func(p *profile.Profile) string {
		data, err := p.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	whole := merge(all...)
	want := bytesOf(whole)
	if bytesOf(merge(whole, whole)) != want || bytesOf(merge(&profile.Profile{}, whole)) != want {
		t.Error("merging with itself, or with nothing, changes it")
	}
	random := rand.New(rand.NewPCG(5, 5))
	for range 100 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		at := 1 + random.IntN(len(all)-1)
		again := all[random.IntN(len(all))]
		if bytesOf(merge(merge(all[:at]...), merge(all[at:]...), again)) != want {
			t.Fatalf("another order or grouping, split at %d, gives other bytes", at)
		}
	}
	c := whole.Coverage()
	if len(whole.Sources) != len(all) || c.Complete == 0 || c.Complete == c.Observed || c.Counts.Connect == 0 || c.Counts.Accept == 0 {
		t.Errorf("%d sources of %d imports, %+v", len(whole.Sources), len(all), c)
	}
}
