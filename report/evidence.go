package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

func newEvidence(in *Input) Evidence {
	c := in.Profile.Coverage()
	e := Evidence{
		Complete: c.Complete > 0, Vouched: in.Plan.Vouched, Rebased: in.Plan.Rebased,
		Runs: c.Runs, Recorders: append([]string{}, c.Recorders...), Scenarios: append([]string{}, c.Scenarios...),
		Sources: []Source{},
	}
	for i := range in.Profile.Sources {
		e.Sources = append(e.Sources, newSource(&in.Profile.Sources[i], in.Plan.Policy.Trust))
	}
	slices.SortStableFunc(e.Sources, func(a, b Source) int { return cmp.Compare(a.ID, b.ID) })
	return e
}

func newSource(s *profile.Source, trust []harden.Trust) Source {
	out := Source{
		ID: s.ID, Recorder: strings.TrimSpace(s.Recorder.Name + " " + s.Recorder.Version), Kind: s.Kind,
		Complete: s.IsComplete(), Vouched: s.Vouched, Observes: append([]string{}, s.Observes...),
	}
	if s.Lost.Known {
		lost := s.Lost.Events
		out.Lost = &lost
	}
	for i := range trust {
		if trust[i].Covers(s) {
			out.Trusted = append(out.Trusted, trust[i].Observes...)
		}
	}
	slices.Sort(out.Trusted)
	out.Trusted = slices.Compact(out.Trusted)
	slices.Sort(out.Observes)
	return out
}

// state says whether the absence of something from a source means anything.
func (s *Source) state() string {
	switch {
	case s.Kind != profile.KindObserved:
		return s.Kind
	case s.Complete && s.Vouched:
		return "complete, as a person vouches"
	case s.Complete:
		return "complete"
	case len(s.Trusted) > 0:
		return "not complete, trusted with " + strings.Join(s.Trusted, ", ")
	}
	return "not complete"
}

// losses says what a recorder knows of events that it missed.
func (s *Source) losses() string {
	switch {
	case s.Kind != profile.KindObserved:
		return ""
	case s.Lost == nil:
		return "cannot tell"
	}
	return count(*s.Lost)
}

// gateSentence says what a gate keeps, and what would release it.
func gateSentence(g *harden.Gate) string {
	return g.Of + ": no complete source could see " + strings.Join(g.Missing, " and ") + ", so " + plural(g.Entries, "entry", "entries") + " with " + size(g.Bytes) + " stay; released by " + g.Release
}

// heldBack are the gates for which something stays.
func (p *Platform) heldBack() []harden.Gate {
	return slices.DeleteFunc(slices.Clone(p.Gates), func(g harden.Gate) bool { return g.Entries == 0 })
}
