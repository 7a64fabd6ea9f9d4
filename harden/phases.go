package harden

import (
	"github.com/lathe-build/lathe/profile"
)

// phasesOfUse are the phases in which each executable did something, by its key,
// in the order of time.
// A profile says when a program was started; one that is started at startup and
// goes on to serve shows that by what it alone does later.
func phasesOfUse(p *profile.Profile) map[string][]string {
	used := map[string]map[string]bool{}
	note := func(by, phases []string) {
		if len(by) != 1 { // of several, which one did it when is not known
			return
		}
		for _, phase := range phases {
			if used[by[0]] == nil {
				used[by[0]] = map[string]bool{}
			}
			used[by[0]][phase] = true
		}
	}
	for i := range p.Executables {
		x := &p.Executables[i]
		note([]string{x.Key}, x.Phase)
	}
	for i := range p.Files {
		note(p.Files[i].By, p.Files[i].Phase)
	}
	for i := range p.Network.Listen {
		note(p.Network.Listen[i].By, p.Network.Listen[i].Phase)
	}
	for i := range p.Network.Accept {
		note(p.Network.Accept[i].By, p.Network.Accept[i].Phase)
	}
	for i := range p.Network.Connect {
		note(p.Network.Connect[i].By, p.Network.Connect[i].Phase)
	}
	out := make(map[string][]string, len(used))
	for key, set := range used {
		for _, phase := range []string{profile.PhaseStartup, profile.PhaseServing, profile.PhaseShutdown} {
			if set[phase] {
				out[key] = append(out[key], phase)
			}
		}
	}
	return out
}
