package harden

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// Gate keeps what the evidence is too weak to drop: that something was not seen
// means nothing where no complete source could have seen it.
type Gate struct {
	Of      string   `json:"of"`      // programs, scripts, libraries or files
	Missing []string `json:"missing"` // what no complete source could see: profile.Observes... words, alternatives joined by "or"
	Release string   `json:"release"` // what evidence would open the gate, for people
	Entries int      `json:"entries"` // that stay for the gate alone, and what they need
	Bytes   int64    `json:"bytes"`   // of their content
}

// gates are what must have been seen before something of a kind is dropped.
type gates struct {
	sees  map[string]bool // what complete and trusted sources could see
	shut  map[string]*Gate
	notes map[string]string // one string a gate
}

// The kinds of files that have gates.
const (
	gatePrograms  = "programs"
	gateScripts   = "scripts"
	gateLibraries = "libraries"
	gateFiles     = "files"
)

// Covers tells whether the trust is about a source. Only what was observed can
// be trusted: a declaration has seen nothing.
func (t *Trust) Covers(s *profile.Source) bool {
	return s.Kind == profile.KindObserved && slices.Contains([]string{s.ID, s.Recorder.Name, s.Input.Format}, t.Source)
}

// sees is what absence means something of: what a complete source could see,
// what any source could see where incomplete ones are allowed, and what the
// policy trusts a source to have seen.
func (p *Policy) sees(prof *profile.Profile) map[string]bool {
	set := map[string]bool{}
	for i := range prof.Sources {
		s := &prof.Sources[i]
		if s.IsComplete() || p.AllowIncomplete && s.Kind == profile.KindObserved {
			for _, o := range s.Observes {
				set[o] = true
			}
		}
		for j := range p.Trust {
			if p.Trust[j].Covers(s) {
				for _, o := range p.Trust[j].Observes {
					set[o] = true
				}
			}
		}
	}
	return set
}

// setGates finds the gates that are shut.
func (p *planner) setGates() {
	g := &gates{sees: p.pol.sees(p.prof), shut: map[string]*Gate{}, notes: map[string]string{}}
	for _, need := range []struct {
		of  string
		all [][]string // of each list one is needed
	}{
		{gatePrograms, [][]string{{profile.ObservesExec}}},
		{gateScripts, [][]string{{profile.ObservesExec}, {profile.ObservesExecScript, profile.ObservesOpen}}},
		{gateLibraries, [][]string{{profile.ObservesExec}, {profile.ObservesMmap, profile.ObservesOpen}}},
		{gateFiles, [][]string{{profile.ObservesOpen}}},
	} {
		var missing, wanted []string
		for _, any := range need.all {
			if !slices.ContainsFunc(any, func(o string) bool { return g.sees[o] }) {
				missing = append(missing, strings.Join(any, " or "))
				wanted = append(wanted, any...)
			}
		}
		if len(missing) > 0 {
			g.shut[need.of] = &Gate{Of: need.of, Missing: missing, Release: p.release(missing, wanted)}
			g.notes[need.of] = "no complete source could see " + strings.Join(missing, " and ")
		}
	}
	p.gates = g
	p.checkTrust()
}

// release says what evidence would open a gate.
func (p *planner) release(missing, wanted []string) string {
	text := "a complete source that observes " + strings.Join(missing, " and ")
	var half []string
	for i := range p.prof.Sources {
		s := &p.prof.Sources[i]
		var sees []string
		for _, o := range wanted {
			if slices.Contains(s.Observes, o) {
				sees = append(sees, o)
			}
		}
		if s.Kind == profile.KindObserved && !s.IsComplete() && len(sees) > 0 {
			half = append(half, fmt.Sprintf("%s, which observes %s but is not complete (--trust %s=%s)", p.sourceName(s.ID), strings.Join(sees, ", "), s.ID, strings.Join(sees, ",")))
		}
	}
	if len(half) > 0 {
		slices.Sort(half)
		text += "; there is " + half[0]
		if len(half) > 1 {
			text += fmt.Sprintf(" and %d more like it", len(half)-1)
		}
	}
	return text
}

// checkTrust tells what a person's word added to the evidence, and words about
// sources that are not there.
func (p *planner) checkTrust() {
	for i := range p.pol.Trust {
		t := &p.pol.Trust[i]
		found := false
		for j := range p.prof.Sources {
			s := &p.prof.Sources[j]
			if !t.Covers(s) {
				continue
			}
			found = true
			text := "counts as complete for " + strings.Join(t.Observes, ", ") + ", as " + t.name() + " says"
			if t.Reason != "" {
				text += ": " + t.Reason
			}
			p.note("trusted", "", "source "+p.sourceName(s.ID)+" "+text)
		}
		if !found {
			p.note("rule-without-match", "", t.name()+" is about no observed source of the profile")
		}
	}
}

func (t *Trust) name() string {
	if t.From == "" || t.From == "--trust" {
		return "--trust " + t.String()
	}
	return t.From
}

// gateOf is the gate before dropping a file; "" where knowledge drops it, not
// the lack of evidence. A link has the gate of what it leads to.
func (p *planner) gateOf(f *file) string {
	class := f.class
	if to := p.files[f.target]; class == link && to != nil && to.class != dir {
		class = to.class
	}
	switch {
	case p.level == Files && !f.above:
		return "" // the level packages drops it, by a gate of its own
	case class == program, f.applet != "", f.command:
		return gatePrograms
	case class == script:
		return gateScripts
	case p.level == Binaries, inDocs(f.path), p.droppableState(f), p.dbPaths[f.path]:
		return ""
	case class == library:
		return gateLibraries
	}
	return gateFiles
}

// rootsOfGates keeps what would go although no complete source could have seen
// it used. It tells whether there is such a thing.
func (p *planner) rootsOfGates() bool {
	if len(p.gates.shut) == 0 {
		return false
	}
	found := false
	for _, f := range p.order {
		if f.kept || f.barred {
			continue
		}
		of := p.gateOf(f)
		if p.gates.shut[of] == nil {
			continue
		}
		found = true
		// A script may have run only if its interpreter did, which the gate of
		// programs is about: alone it brings nothing with it.
		strong := of == gatePrograms || of == gateLibraries || of == gateScripts && p.gates.shut[gatePrograms] != nil
		p.keep(f, strong, Reason{Kind: Gated, Note: p.gates.notes[of]})
	}
	return found
}

// tellBlindSpots warns at the level files of uses that no complete source could
// see.
func (p *planner) tellBlindSpots() {
	if p.pol.Level != Files || p.gates.shut[gateFiles] != nil {
		return
	}
	for _, o := range [][2]string{
		{profile.ObservesOpenAll, "opening files by other system calls than open and openat"},
		{profile.ObservesStat, "looking files up without opening them"},
		{profile.ObservesList, "listing directories"},
	} {
		if !p.gates.sees[o[0]] {
			p.note("not-observed", "", "no complete source could see "+o[0]+" ("+o[1]+"): a file that was used only so goes")
		}
	}
}

// shutGates counts what each gate keeps: files, and what stays for their sake.
func (p *planner) shutGates() []Gate {
	if len(p.gates.shut) == 0 {
		return nil
	}
	root := map[*file]string{}
	for _, f := range p.order {
		if !f.kept || f.class == dir {
			continue
		}
		if g := p.gates.shut[p.gateBehind(f, root)]; g != nil {
			g.Entries++
			if f.entry.Data < 0 {
				g.Bytes += f.entry.Size
			}
		}
	}
	var list []Gate
	for _, of := range []string{gatePrograms, gateScripts, gateLibraries, gateFiles} {
		if g := p.gates.shut[of]; g != nil {
			list = append(list, *g)
		}
	}
	return list
}

// gateBehind is the gate at the end of a file's chain of reasons, or "". Chains
// share their ends, so each file is followed once.
func (p *planner) gateBehind(f *file, root map[*file]string) string {
	var chain []*file
	of := ""
	for at := f; at != nil; at = p.find(at.reason.From) {
		known, ok := root[at]
		if ok {
			of = known
			break
		}
		root[at] = "" // ends circles
		chain = append(chain, at)
		if at.reason.Kind == Gated {
			of = p.gateOf(at)
			break
		}
		if at.reason.From == "" {
			break
		}
	}
	for _, g := range chain {
		root[g] = of
	}
	return of
}
