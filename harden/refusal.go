package harden

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// Refusal says why a plan would not be safe: the result would not start, the
// profile is not about the image, or the evidence is not enough.
type Refusal struct {
	Reasons []string
	// Fit is true when the only reason is that the profile is about another
	// image, which a rebase answers.
	Fit bool
	// Incomplete is true when the only reason is that no source is complete.
	Incomplete bool
	// RPM is true when the only reason is a database that cannot be rewritten.
	RPM bool
}

// Error lists the reasons.
func (r *Refusal) Error() string {
	return "the plan is refused: " + strings.Join(r.Reasons, "; ")
}

// Finding is something that a person should know about a plan.
type Finding struct {
	Kind string `json:"kind"` // a short word for programs
	Path string `json:"path"`
	Text string `json:"text"` // a sentence for people
}

func (p *planner) note(kind, name, text string) {
	p.findings = append(p.findings, Finding{kind, name, text})
}

func (p *planner) refuse(reason string) {
	if p.refusedOf == nil {
		p.refusedOf = map[string]bool{}
	}
	if !p.refusedOf[reason] {
		p.refusedOf[reason] = true
		p.refusals = append(p.refusals, reason)
	}
}

func (p *planner) sortedFindings() []Finding {
	slices.SortFunc(p.findings, func(a, b Finding) int {
		return strings.Compare(a.Kind+"\x00"+a.Path+"\x00"+a.Text, b.Kind+"\x00"+b.Path+"\x00"+b.Text)
	})
	return slices.Compact(p.findings)
}

// checkFit refuses evidence that is about another image or that proves nothing.
func (p *planner) checkFit(id profile.Identity) error {
	fit := profile.Fits(p.prof, id)
	if !fit.OK && !p.pol.Rebase {
		about := fmt.Sprintf("the profile is about %s, not about this image (%s)", aboutWhat(p.prof), id.ManifestDigest)
		return &Refusal{Fit: true, Reasons: []string{about}}
	}
	p.rebased = !fit.OK
	if !p.sawRuns() {
		return &Refusal{Reasons: []string{"the profile saw no program run: everything would be dropped"}}
	}
	if len(p.gates.sees) == 0 && !p.prof.Complete() && !p.pol.AllowIncomplete {
		return &Refusal{Incomplete: true, Reasons: []string{
			"no source of the profile is complete, so what it did not see may still be used",
		}}
	}
	if p.db.ReadOnly() {
		if p.pol.Level != Binaries && !p.pol.AllowStaleRPMDB {
			return &Refusal{RPM: true, Reasons: []string{
				"the image has an rpm database, which cannot be rewritten yet: it would list packages that are gone",
			}}
		}
		p.note("stale-rpmdb", "", "the rpm database stays as it is and lists files that are gone")
	}
	return nil
}

// sawRuns tells whether somebody saw a program of the container run: what is only
// declared, and what people ran by hand, prove nothing about the rest.
func (p *planner) sawRuns() bool {
	return slices.ContainsFunc(p.prof.Executables, func(x profile.Executable) bool {
		seen := len(x.Seen) == 0
		for id := range x.Seen {
			seen = seen || p.sources[id] != nil && p.sources[id].Kind == profile.KindObserved
		}
		return seen && !p.byHand(&x)
	})
}

func aboutWhat(prof *profile.Profile) string {
	if len(prof.Images) == 0 {
		return "an image that it does not name"
	}
	img := prof.Images[0]
	for _, name := range append([]string{img.Digest}, append(img.ConfigDigest, img.Refs...)...) {
		if name != "" {
			return name
		}
	}
	return "an image that it does not name"
}

func (p *planner) vouched() bool {
	complete := false
	for _, s := range p.prof.Sources {
		if s.IsComplete() {
			complete = true
			if !s.Vouched {
				return false
			}
		}
	}
	return complete
}
