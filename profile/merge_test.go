package profile

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustMerge(t *testing.T, ps ...*Profile) *Profile {
	t.Helper()
	p, err := Merge(ps...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func bytesOf(t *testing.T, p *Profile) string {
	t.Helper()
	data, err := p.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestMergeLaws(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		g := newGenerator(seed)
		a, b, c := g.profile(), g.profile(), g.profile()
		before := bytesOf(t, a)
		ab := mustMerge(t, a, b)
		for name, pair := range map[string][2]*Profile{
			"commutative": {ab, mustMerge(t, b, a)},
			"associative": {mustMerge(t, ab, c), mustMerge(t, a, mustMerge(t, b, c))},
			"all at once": {mustMerge(t, ab, c), mustMerge(t, c, a, b)},
			"idempotent":  {ab, mustMerge(t, ab, a, ab, b)},
			"identity":    {mustMerge(t, a), mustMerge(t, &Profile{}, a, nil)},
		} {
			if diff := cmp.Diff(bytesOf(t, pair[0]), bytesOf(t, pair[1])); diff != "" {
				t.Fatalf("seed %d: not %s:\n%s", seed, name, diff)
			}
		}
		if bytesOf(t, a) != before {
			t.Fatalf("seed %d: merging changed its argument", seed)
		}
		if err := ab.Validate(); err != nil {
			t.Fatalf("seed %d: the merge of valid profiles: %v", seed, err)
		}
	}
}

// TestGeneratorCoversEveryField makes sure that the laws are tried on all there
// is: a field that is added and not generated fails here.
func TestGeneratorCoversEveryField(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for seed := range uint64(40) {
		g := newGenerator(seed)
		filledFields(reflect.ValueOf(mustMerge(t, g.profile(), g.profile())), "", seen)
	}
	delete(seen, ".Network.Accept.Peer.Path") // clients of unix sockets have none
	var never []string
	for field, filled := range seen {
		if !filled {
			never = append(never, field)
		}
	}
	slices.Sort(never)
	if len(never) > 0 || len(seen) < 100 {
		t.Errorf("of %d fields these are never filled: %q", len(seen), never)
	}
}

// filledFields tells of every field below v whether it was ever not empty.
func filledFields(v reflect.Value, name string, seen map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		filledFields(v.Elem(), name, seen)
		return
	case reflect.Slice:
		for i := range v.Len() {
			filledFields(v.Index(i), name, seen)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			filledFields(v.MapIndex(key), name+"[]", seen)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			break
		}
		for i := range v.NumField() {
			filledFields(v.Field(i), name+"."+v.Type().Field(i).Name, seen)
		}
	default:
	}
	seen[name] = seen[name] || !v.IsZero()
}

func TestMergeSharesNoMemory(t *testing.T) {
	t.Parallel()
	p := newGenerator(8).profile()
	p.Files = append(p.Files, File{Path: "/x", Via: []Path{"/y"}, Access: []string{AccessOpen}})
	merged := mustMerge(t, p)
	before := bytesOf(t, p)
	for i := range merged.Files {
		for j := range merged.Files[i].Via {
			merged.Files[i].Via[j] = "/changed"
		}
		for j := range merged.Files[i].Access {
			merged.Files[i].Access[j] = AccessExec
		}
	}
	for i := range merged.Executables {
		clear(merged.Executables[i].Seen)
	}
	clear(merged.Metadata.Annotations)
	if diff := cmp.Diff(before, bytesOf(t, p)); diff != "" {
		t.Errorf("changing the result changed the argument:\n%s", diff)
	}
}

func TestMergeEntries(t *testing.T) {
	t.Parallel()
	clock := func(minute int) time.Time { return time.Date(2026, 11, 21, 20, minute, 0, 0, time.UTC) }
	a := &Profile{Executables: []Executable{{
		Path: "/bin/sh", TTY: true, Phase: []string{PhaseStartup},
		Seen: Seen{"s-1": {N: 3, First: clock(1), Last: clock(2)}},
	}}}
	b := &Profile{Executables: []Executable{
		{
			Path: "/bin/sh", Phase: []string{PhaseServing}, UIDs: []uint32{1000, 0},
			Seen: Seen{"s-1": {N: 2, First: clock(0), Last: clock(9)}, "s-2": {N: 1}},
		},
		{Path: "/bin/sh", As: "ash"},
	}}
	want := []Executable{
		{
			Key: "/bin/sh", Path: "/bin/sh", TTY: true, Phase: []string{PhaseServing, PhaseStartup}, UIDs: []uint32{0, 1000},
			Seen: Seen{"s-1": {N: 3, First: clock(0), Last: clock(9)}, "s-2": {N: 1}},
		},
		{Key: "/bin/sh::ash", Path: "/bin/sh", As: "ash"},
	}
	if diff := cmp.Diff(want, mustMerge(t, a, b).Executables); diff != "" {
		t.Error(diff)
	}
}

func TestMergeKeepsConnectionsOfDifferentExecutablesApart(t *testing.T) {
	t.Parallel()
	edge := func(by ...string) Connect {
		return Connect{Proto: "tcp", Port: 443, Peer: Peer{IP: "192.0.2.1"}, By: by}
	}
	p := &Profile{Network: Network{Connect: []Connect{edge("/b", "/a"), edge("/a"), edge("/a", "/b"), edge()}}}
	var got []string
	for _, c := range mustMerge(t, p).Network.Connect {
		got = append(got, fmt.Sprint(c.By))
	}
	if diff := cmp.Diff([]string{"[]", "[/a]", "[/a /b]"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMergeArgvKeepsTheSmallest(t *testing.T) {
	t.Parallel()
	var p Profile
	for i := range 20 {
		p.Executables = append(p.Executables, Executable{Path: "/a", Argv: []string{fmt.Sprintf("a %02d", 19-i)}})
	}
	got := mustMerge(t, &p).Executables[0].Argv
	if len(got) != maxArgv || got[0] != "a 00" || got[7] != "a 07" {
		t.Errorf("argv is %q", got)
	}
}

func TestMergeRefusesMixedBinding(t *testing.T) {
	t.Parallel()
	bound := &Profile{Files: []File{{Path: "/a", Bound: true}}}
	for name, other := range map[string]*Profile{
		"file":       {Files: []File{{Path: "/b"}}},
		"executable": {Executables: []Executable{{Path: "/b"}}},
	} {
		if _, err := Merge(bound, other); !errors.Is(err, ErrMixed) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	if _, err := Merge(bound, &Profile{Syscalls: []Syscall{{Name: "read"}}}); err != nil {
		t.Errorf("a profile without paths: %v", err)
	}
}

func TestMergeOfManyEqualKeysIsNotQuadratic(t *testing.T) {
	t.Parallel()
	const n = 200_000
	p := &Profile{}
	for i := range n {
		p.Files = append(p.Files, File{Path: "/a", Via: []Path{Path(fmt.Sprintf("/%06d", i))}})
	}
	if got := len(mustMerge(t, p).Files[0].Via); got != n {
		t.Errorf("%d spellings, want %d", got, n)
	}
}
