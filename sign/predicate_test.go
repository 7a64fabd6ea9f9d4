package sign

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var update = flag.Bool("update", false, "write golden files")

func testPredicate() Predicate {
	policy, hint := hash("4"), hash("5")
	return Predicate{
		Tool:      Tool{Name: "lathe", Version: "v0.1.0"},
		Source:    hash("1"),
		Profiles:  []v1.Hash{hash("3"), hash("2")},
		Policy:    &policy,
		Plan:      hash("6"),
		Hint:      &hint,
		Level:     "packages",
		Overrides: []string{"allow-incomplete"},
		Vouched:   []v1.Hash{hash("2")},
		Platforms: []Platform{{
			Platform:        "linux/amd64",
			Source:          hash("7"),
			Image:           hash("8"),
			Rebased:         true,
			DroppedClasses:  []string{"shell", "downloader"},
			DroppedPackages: []string{"curl", "bash"},
			Before:          Counts{Bytes: 100, Files: 10, Executables: 5, Packages: 3},
			After:           Counts{Bytes: 40, Files: 4, Executables: 1, Packages: 1},
		}},
		Verified: []string{"layers", "closure"},
	}
}

// The golden file is the format: a difference is a new version of the type URI.
func TestPredicateFormat(t *testing.T) {
	t.Parallel()
	got := must(testPredicate().Marshal())(t)
	golden := filepath.Join("testdata", "predicate.golden.json")
	if *update {
		check(t, os.WriteFile(golden, append(got, '\n'), 0o600))
	}
	want := must(os.ReadFile(golden))(t)
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("predicate (-want +got):\n%s", diff)
	}
}

func TestPredicateRoundTrip(t *testing.T) {
	t.Parallel()
	p := testPredicate()
	parsed := must(ParsePredicate(must(p.Marshal())(t)))(t)
	if diff := cmp.Diff(p.sorted(), *parsed); diff != "" {
		t.Errorf("predicate (-want +got):\n%s", diff)
	}
	if p.Profiles[0] != hash("3") || p.Platforms[0].DroppedPackages[0] != "curl" {
		t.Error("Marshal sorted the caller's lists")
	}
}

func TestPredicateOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	a, b := testPredicate(), testPredicate()
	second := a.Platforms[0]
	second.Platform = "linux/arm64"
	a.Platforms = []Platform{a.Platforms[0], second}
	b.Platforms = []Platform{second, b.Platforms[0]}
	b.Profiles = []v1.Hash{hash("2"), hash("3"), hash("2")}
	if diff := cmp.Diff(string(must(a.Marshal())(t)), string(must(b.Marshal())(t))); diff != "" {
		t.Errorf("two forms of one content:\n%s", diff)
	}
}

func TestMarshalRefusesIncompletePredicates(t *testing.T) {
	t.Parallel()
	other := v1.Hash{Algorithm: "sha512", Hex: strings.Repeat("a", 128)}
	for want, edit := range map[string]func(*Predicate){
		"tool.name":      func(p *Predicate) { p.Tool.Name = "" },
		"level":          func(p *Predicate) { p.Level = "" },
		"profiles":       func(p *Predicate) { p.Profiles = nil },
		"0 platforms":    func(p *Predicate) { p.Platforms = nil },
		"257 platforms":  func(p *Predicate) { p.Platforms = make([]Platform, MaxPlatforms+1) },
		"source":         func(p *Predicate) { p.Source = v1.Hash{} },
		"plan":           func(p *Predicate) { p.Plan = other },
		"policy":         func(p *Predicate) { p.Policy = &other },
		"hint":           func(p *Predicate) { p.Hint = &v1.Hash{} },
		"profiles: ":     func(p *Predicate) { p.Profiles[1] = other },
		"vouched":        func(p *Predicate) { p.Vouched[0] = other },
		"platform is":    func(p *Predicate) { p.Platforms[0].Platform = "" },
		"[0]: source":    func(p *Predicate) { p.Platforms[0].Source = other },
		"[0]: image":     func(p *Predicate) { p.Platforms[0].Image = v1.Hash{} },
		"negative":       func(p *Predicate) { p.Platforms[0].After.Files = -1 },
		"larger than":    func(p *Predicate) { p.Platforms[0].DroppedPackages = []string{strings.Repeat("x", MaxPredicate)} },
		"not a SHA-256 ": func(p *Predicate) { p.Plan.Hex = "aa" },
	} {
		p := testPredicate()
		edit(&p)
		if _, err := p.Marshal(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want one that says %q", err, want)
		}
	}
}

func TestParsePredicateRefuses(t *testing.T) {
	t.Parallel()
	good := string(must(testPredicate().Marshal())(t))
	for name, doc := range map[string]string{
		"unknown field":  strings.Replace(good, `{"tool"`, `{"trusted":true,"tool"`, 1),
		"trailing data":  good + "{}",
		"missing source": strings.Replace(good, `"source":"`+hash("1").String()+`",`, "", 1),
		"bad digest":     strings.Replace(good, hash("1").String(), "sha256:xyz", 1),
		"a list":         "[" + good + "]",
		"null":           "null",
		"nothing":        "",
		"too large":      good + strings.Repeat(" ", MaxPredicate),
	} {
		if doc == good {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := ParsePredicate([]byte(doc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// What is accepted can be written, and then reads as the same.
func FuzzParsePredicate(f *testing.F) {
	f.Add([]byte(`{}`))
	good, err := testPredicate().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePredicate(b)
		if err != nil {
			return
		}
		out, err := p.Marshal()
		if err != nil {
			if len(b) < MaxPredicate/8 { // escapes make text longer
				t.Fatalf("accepted, but not written: %v", err)
			}
			return
		}
		again, err := ParsePredicate(out)
		if err != nil {
			t.Fatalf("written, but not accepted: %v", err)
		}
		if !json.Valid(out) || cmp.Diff(p.sorted(), again.sorted()) != "" {
			t.Errorf("%s became %s", b, out)
		}
	})
}
