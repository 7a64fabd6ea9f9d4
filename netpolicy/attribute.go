package netpolicy

import (
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// maker is what is known of who made an observation.
type maker int

const (
	makerNone    maker = iota // no executable is named
	makerKept                 // a kept executable
	makerDropped              // an executable that hardening drops
	makerForeign              // an executable that the image does not hold
	makerUnknown              // an executable whose fate nobody knows
)

// attributor answers who made an observation.
type attributor struct {
	executables map[string]profile.Executable
	fate        func(string) Fate
	known       map[string]verdict
	scripts     map[string]bool                // answers of scriptGone
	runs        map[string]map[string]bool     // scripts by their interpreters
	people      func(*profile.Executable) bool // a person ran it
	byHand      bool                           // what people did counts
}

// verdict is a maker with the reason that an omission shows.
type verdict struct {
	maker  maker
	reason string
}

func newAttributor(p *profile.Profile, fate func(string) Fate) *attributor {
	if fate == nil {
		fate = func(string) Fate { return Unknown }
	}
	a := &attributor{
		executables: make(map[string]profile.Executable, len(p.Executables)),
		fate:        fate,
		known:       map[string]verdict{},
		scripts:     map[string]bool{},
		runs:        map[string]map[string]bool{},
		people:      p.ByHand(),
	}
	for _, e := range p.Executables {
		key := e.Key
		if key == "" {
			key = profile.Key(e.Path, e.As)
		}
		a.executables[key] = e
	}
	return a
}

// of is the verdict on the executable named key.
func (a *attributor) of(key string) verdict {
	v, ok := a.known[key]
	if !ok {
		v = a.judge(key)
		a.known[key] = v
	}
	return v
}

func (a *attributor) judge(key string) verdict {
	e, seen := a.executables[key]
	if reason := a.foreign(e); seen && reason != "" {
		return verdict{makerForeign, reason}
	}
	switch a.fate(key) {
	case Kept:
		return verdict{makerKept, ""}
	case Dropped:
		return verdict{makerDropped, "executable-removed"}
	case NotInImage:
		return verdict{makerForeign, "executable-not-in-image"}
	case Unknown:
	}
	return verdict{makerUnknown, ""}
}

// foreign says why e is no part of the image's own workload although a path of
// the same name may be in the image, or "".
func (a *attributor) foreign(e profile.Executable) string {
	if !a.byHand && a.people(&e) {
		return "executable-attached"
	}
	if len(e.Layer) == 0 || slices.Contains(e.Layer, profile.LayerImage) || slices.Contains(e.Layer, profile.LayerUnknown) {
		return ""
	}
	return "executable-not-in-image"
}

// actors are the executables of an observation without interpreters of a script
// that is named beside them: these acted for the script.
func (a *attributor) actors(by []string) []string {
	if len(by) < 2 {
		return by
	}
	names := make(map[string]bool, len(by))
	for _, key := range by {
		names[key] = true
	}
	var out []string
	for _, key := range by {
		if !a.actsFor(key, names) {
			out = append(out, key)
		}
	}
	return out
}

// actsFor reports whether an executable is the interpreter of another one of
// some. The shorter list of the two is gone through.
func (a *attributor) actsFor(key string, names map[string]bool) bool {
	scripts, ok := a.runs[key]
	if !ok {
		scripts = map[string]bool{}
		for _, script := range a.executables[key].Scripts {
			if name := profile.Key(script, ""); name != key {
				scripts[name] = true
			}
		}
		a.runs[key] = scripts
	}
	few, many := scripts, names
	if len(many) < len(few) {
		few, many = many, few
	}
	for name := range few {
		if many[name] {
			return true
		}
	}
	return false
}

// scriptGone reports whether the kept interpreter named key ran a script that is
// dropped.
func (a *attributor) scriptGone(key string) bool {
	gone, ok := a.scripts[key]
	if !ok {
		gone = slices.ContainsFunc(a.executables[key].Scripts, func(script profile.Path) bool {
			return a.fate(profile.Key(script, "")) == Dropped
		})
		a.scripts[key] = gone
	}
	return gone
}

// named reports whether the executables of an observation are those that made
// it: a recorder that attributes to a container names all that ran there.
func named(by, attribution []string) bool {
	return len(by) > 0 && (len(attribution) == 0 || slices.Contains(attribution, profile.AttributionProcess))
}
