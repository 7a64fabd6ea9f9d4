package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Filter says what [Profile.Filter] leaves out. Sources are named by their id or
// its beginning, by their recorder's name, or by their run.
type Filter struct {
	Only      []string // keep these sources only; empty keeps all
	Sources   []string // leave these sources out
	Scenarios []string // leave out sources that exercised one of these
	Origins   []string // leave out executables of these origins only: Origin... constants
}

// Filter is p without some of its evidence. An entry goes when no source is
// left that saw it, and what executables did goes with the last of them; an
// entry that others saw stays as it is, since it does not say which of its
// details came from where. Names that mean nothing in p are errors.
func (p *Profile) Filter(f Filter) (*Profile, error) {
	gone, err := p.unwanted(f)
	if err != nil {
		return nil, err
	}
	out, err := Merge(p)
	if err != nil {
		return nil, err
	}
	out.dropSources(gone)
	out.dropImages(gone)
	out.Sources = slices.DeleteFunc(out.Sources, func(s Source) bool { return gone[s.ID] })
	out.Executables = slices.DeleteFunc(out.Executables, func(x Executable) bool { return len(x.Seen) == 0 })
	out.dropUnseen()
	if err := out.dropOrigins(f.Origins); err != nil {
		return nil, err
	}
	return Merge(out)
}

// unwanted is the ids of the sources that f leaves out.
func (p *Profile) unwanted(f Filter) (map[string]bool, error) {
	gone := map[string]bool{}
	named := func(names []string, is bool) error {
		for _, name := range names {
			found := false
			for _, s := range p.Sources {
				if s.isNamed(name) {
					found = true
					gone[sourceKey(s)] = is
				}
			}
			if !found {
				return fmt.Errorf("no source has the id, recorder or run %q", name)
			}
		}
		return nil
	}
	if len(f.Only) > 0 {
		for _, s := range p.Sources {
			gone[sourceKey(s)] = true
		}
	}
	if err := named(f.Only, false); err != nil {
		return nil, err
	}
	if err := named(f.Sources, true); err != nil {
		return nil, err
	}
	for _, scenario := range f.Scenarios {
		found := false
		for _, s := range p.Sources {
			if slices.Contains(s.Scenarios, scenario) {
				found = true
				gone[sourceKey(s)] = true
			}
		}
		if !found {
			return nil, fmt.Errorf("no source exercised %q", scenario)
		}
	}
	return gone, nil
}

// minPrefix is the shortest beginning of an id that names a source.
const minPrefix = 6

func (s Source) isNamed(name string) bool {
	id := sourceKey(s)
	return name == id || len(name) >= minPrefix && strings.HasPrefix(id, name) ||
		name != "" && (name == s.Recorder.Name || name == s.Run)
}

// dropSources takes sources out of what saw the entries.
func (p *Profile) dropSources(gone map[string]bool) {
	without := func(ids []string) []string {
		return slices.DeleteFunc(ids, func(s string) bool { return gone[s] })
	}
	drop := func(seen Seen) {
		maps.DeleteFunc(seen, func(s string, _ Count) bool { return gone[s] })
	}
	for i := range p.Executables {
		drop(p.Executables[i].Seen)
	}
	for i := range p.Files {
		p.Files[i].Seen = without(p.Files[i].Seen)
	}
	for i := range p.Patterns {
		p.Patterns[i].Seen = without(p.Patterns[i].Seen)
	}
	for i := range p.Missing {
		p.Missing[i].Seen = without(p.Missing[i].Seen)
	}
	for i := range p.Network.Listen {
		drop(p.Network.Listen[i].Seen)
	}
	for i := range p.Network.Accept {
		drop(p.Network.Accept[i].Seen)
	}
	for i := range p.Network.Connect {
		drop(p.Network.Connect[i].Seen)
	}
	for i := range p.Network.DNS {
		p.Network.DNS[i].Seen = without(p.Network.DNS[i].Seen)
	}
	for i := range p.Syscalls {
		p.Syscalls[i].Seen = without(p.Syscalls[i].Seen)
	}
	for i := range p.Capabilities {
		p.Capabilities[i].Seen = without(p.Capabilities[i].Seen)
	}
	for i := range p.Outside {
		drop(p.Outside[i].Seen)
	}
}

// dropUnseen takes out the entries that no source is left for.
func (p *Profile) dropUnseen() {
	p.Files = slices.DeleteFunc(p.Files, func(f File) bool { return len(f.Seen) == 0 })
	p.Patterns = slices.DeleteFunc(p.Patterns, func(x Pattern) bool { return len(x.Seen) == 0 })
	p.Missing = slices.DeleteFunc(p.Missing, func(m Missing) bool { return len(m.Seen) == 0 })
	n := &p.Network
	n.Listen = slices.DeleteFunc(n.Listen, func(l Listen) bool { return len(l.Seen) == 0 })
	n.Accept = slices.DeleteFunc(n.Accept, func(a Accept) bool { return len(a.Seen) == 0 })
	n.Connect = slices.DeleteFunc(n.Connect, func(c Connect) bool { return len(c.Seen) == 0 })
	n.DNS = slices.DeleteFunc(n.DNS, func(d DNS) bool { return len(d.Seen) == 0 })
	p.Syscalls = slices.DeleteFunc(p.Syscalls, func(s Syscall) bool { return len(s.Seen) == 0 })
	p.Capabilities = slices.DeleteFunc(p.Capabilities, func(c Capability) bool { return len(c.Seen) == 0 })
	p.Outside = slices.DeleteFunc(p.Outside, func(o Outside) bool { return len(o.Seen) == 0 })
}

// dropImages takes out the images that only sources which go are about.
func (p *Profile) dropImages(gone map[string]bool) {
	left, taken := map[string]bool{}, map[string]bool{}
	for _, s := range p.Sources {
		if gone[s.ID] {
			taken[s.Subject.Image] = true
		} else {
			left[s.Subject.Image] = true
		}
	}
	p.Images = slices.DeleteFunc(p.Images, func(i Image) bool {
		return i.Digest != "" && taken[i.Digest] && !left[i.Digest] && !left[""]
	})
}

// dropOrigins takes out the executables that have no other origin, and what
// nothing else did.
func (p *Profile) dropOrigins(origins []string) error {
	for _, origin := range origins {
		if !oneOf(origin, OriginEntrypoint, OriginChild, OriginProbe, OriginAttach, OriginRuntime, OriginUnknown) {
			return fmt.Errorf("%q is no origin: those are entrypoint, child, probe, attach, runtime, unknown", origin)
		}
	}
	if len(origins) == 0 {
		return nil
	}
	gone := map[string]bool{}
	for i := range p.Executables {
		x := &p.Executables[i]
		had := len(x.Origin) > 0
		x.Origin = slices.DeleteFunc(x.Origin, func(o string) bool { return slices.Contains(origins, o) })
		if had && len(x.Origin) == 0 {
			gone[x.Key] = true
		}
	}
	p.Executables = slices.DeleteFunc(p.Executables, func(x Executable) bool { return gone[x.Key] })
	// less is keys without those that go, and whether nothing of them is left.
	less := func(keys *[]string) bool {
		had := len(*keys) > 0
		*keys = slices.DeleteFunc(*keys, func(key string) bool { return gone[key] })
		return had && len(*keys) == 0
	}
	for i := range p.Executables {
		less(&p.Executables[i].Parents)
	}
	p.Files = dropBy(p.Files, func(f *File) bool { return less(&f.By) })
	p.Missing = dropBy(p.Missing, func(m *Missing) bool { return less(&m.By) })
	n := &p.Network
	n.Listen = dropBy(n.Listen, func(l *Listen) bool { return less(&l.By) })
	n.Accept = dropBy(n.Accept, func(a *Accept) bool { return less(&a.By) })
	n.Connect = dropBy(n.Connect, func(c *Connect) bool { return less(&c.By) })
	n.DNS = dropBy(n.DNS, func(d *DNS) bool { return less(&d.By) })
	p.Capabilities = dropBy(p.Capabilities, func(c *Capability) bool { return less(&c.By) })
	return nil
}

// dropBy takes out the entries for which gone is true; gone may change them.
func dropBy[T any](list []T, gone func(*T) bool) []T {
	out := list[:0]
	for i := range list {
		if !gone(&list[i]) {
			out = append(out, list[i])
		}
	}
	return out
}
