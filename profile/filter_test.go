package profile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mixed is evidence of two runs, of which a person entered the second.
func mixed() *Profile {
	one := Source{Kind: KindObserved, Run: "one", Recorder: Recorder{Name: "strace"}, Scenarios: []string{"startup", "e2e"}, Subject: Subject{Image: digestOf('a')}}
	two := Source{Kind: KindObserved, Run: "two", Recorder: Recorder{Name: "tetragon"}, Scenarios: []string{"e2e"}, Subject: Subject{Image: digestOf('b')}}
	one.ID, two.ID = SourceID(one), SourceID(two)
	both := Seen{one.ID: {N: 1}, two.ID: {N: 2}}
	return &Profile{
		Images:  []Image{{Digest: digestOf('a')}, {Digest: digestOf('b')}},
		Sources: []Source{one, two},
		Executables: []Executable{
			{Path: "/web", Origin: []string{OriginEntrypoint}, Seen: both},
			{Path: "/sh", Origin: []string{OriginAttach}, Seen: Seen{two.ID: {}}},
			{Path: "/ls", Origin: []string{OriginAttach, OriginChild}, Parents: []string{"/sh", "/web"}, Seen: Seen{one.ID: {}, two.ID: {}}},
		},
		Files: []File{
			{Path: "/page", By: []string{"/web"}, Seen: []string{one.ID}},
			{Path: "/history", By: []string{"/sh"}, Seen: []string{two.ID}},
			{Path: "/shared", By: []string{"/sh", "/web"}, Seen: []string{one.ID, two.ID}},
			{Path: "/nobodys", Seen: []string{two.ID}},
		},
		Patterns: []Pattern{{Glob: "/p/*", Seen: []string{two.ID}}},
		Missing:  []Missing{{Path: "/m", By: []string{"/sh"}, Seen: []string{one.ID}}},
		Network: Network{
			Listen:  []Listen{{Proto: "tcp", Addr: "::", Port: 80, By: []string{"/web"}, Seen: both}},
			Accept:  []Accept{{Proto: "tcp", Port: 80, Peer: Peer{IP: "192.0.2.1"}, Seen: Seen{two.ID: {}}}},
			Connect: []Connect{{Proto: "tcp", Port: 443, Peer: Peer{IP: "192.0.2.2"}, By: []string{"/sh"}, Seen: Seen{one.ID: {}}}},
			DNS:     []DNS{{Name: "example.com", Type: "A", By: []string{"/sh"}, Seen: []string{one.ID}}},
		},
		Syscalls:     []Syscall{{Name: "read", Seen: []string{two.ID}}},
		Capabilities: []Capability{{Name: "KILL", By: []string{"/sh"}, Seen: []string{one.ID}}},
		Outside:      []Outside{{Prefix: "/proc", Seen: Seen{two.ID: {N: 1}}}},
	}
}

// outline is what a filter can change, on one line.
func outline(p *Profile) string {
	var out []string
	for _, i := range p.Images {
		out = append(out, i.Digest[7:8])
	}
	for _, s := range p.Sources {
		out = append(out, s.Run)
	}
	for _, x := range p.Executables {
		out = append(out, fmt.Sprintf("%s%v%v%d", x.Key, x.Origin, x.Parents, len(x.Seen)))
	}
	for _, f := range p.Files {
		out = append(out, fmt.Sprintf("%s%v%d", f.Path, f.By, len(f.Seen)))
	}
	n := p.Network
	return strings.Join(append(out, fmt.Sprint(len(p.Patterns), len(p.Missing), len(n.Listen), len(n.Accept), len(n.Connect), len(n.DNS),
		len(p.Syscalls), len(p.Capabilities), len(p.Outside))), " ")
}

func TestFilter(t *testing.T) {
	t.Parallel()
	two := SourceID(mixed().Sources[1])
	onlyOne := "a one /ls[attach child][/sh /web]1 /web[entrypoint][]1 /page[/web]1 /shared[/sh /web]1 0 1 1 0 1 1 0 1 0"
	for name, test := range map[string]struct {
		filter Filter
		want   string
	}{
		"nothing": {
			Filter{}, "a b one two /ls[attach child][/sh /web]2 /sh[attach][]1 /web[entrypoint][]2 /history[/sh]1 /nobodys[]1 /page[/web]1 /shared[/sh /web]2 1 1 1 1 1 1 1 1 1",
		},
		"a source by its run":      {Filter{Sources: []string{"two"}}, onlyOne},
		"a source by its id":       {Filter{Sources: []string{two}}, onlyOne},
		"a source by a beginning":  {Filter{Sources: []string{two[:8]}}, onlyOne},
		"a source by its recorder": {Filter{Sources: []string{"tetragon"}}, onlyOne},
		"all but a source":         {Filter{Only: []string{"strace"}}, onlyOne},
		"a scenario":               {Filter{Scenarios: []string{"startup"}}, "b two /ls[attach child][/sh /web]1 /sh[attach][]1 /web[entrypoint][]1 /history[/sh]1 /nobodys[]1 /shared[/sh /web]1 1 0 1 1 0 0 1 0 1"},
		"a scenario of all":        {Filter{Scenarios: []string{"e2e"}}, "0 0 0 0 0 0 0 0 0"},
		"an origin": {
			Filter{Origins: []string{OriginAttach}}, "a b one two /ls[child][/web]2 /web[entrypoint][]2 /nobodys[]1 /page[/web]1 /shared[/web]2 1 0 1 1 0 0 1 0 1",
		},
	} {
		p := mixed()
		before := bytesOf(t, p)
		got, err := p.Filter(test.filter)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out := outline(got)
		if name == "nothing" || name == "an origin" { // sources sort by id
			out = strings.Replace(out, "two one", "one two", 1)
		}
		if diff := cmp.Diff(test.want, out); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if bytesOf(t, p) != before {
			t.Errorf("%s: it changed its input", name)
		}
	}
	for name, f := range map[string]Filter{
		"no source": {Sources: []string{"three"}}, "no source to keep": {Only: []string{""}}, "no scenario": {Scenarios: []string{"x"}},
		"no origin": {Origins: []string{"x"}}, "too short": {Sources: []string{"s-"}},
	} {
		if _, err := mixed().Filter(f); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestFilterUndoesMerge takes a source out again that a merge brought in.
func TestFilterUndoesMerge(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		p := newGenerator(seed).profile()
		got, err := p.Filter(Filter{Only: []string{knownSources()[1].ID}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Sources) != 1 || got.Validate() != nil {
			t.Fatalf("seed %d: %v", seed, got.Validate())
		}
		again, err := got.Filter(Filter{Only: []string{knownSources()[1].ID}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(bytesOf(t, got), bytesOf(t, again)); diff != "" {
			t.Fatalf("seed %d: filtering again changes something:\n%s", seed, diff)
		}
	}
}
