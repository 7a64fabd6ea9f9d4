package netpolicy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Merge makes the hint of a pod of those of its containers: one policy is for
// all of them, so it allows what any of them needs. They must be about one
// workload. A direction that one of them could not see, and has no rules for, is
// not restricted, because nobody knows what that container needs; the rules of
// the others are listed as omitted then. Merging is commutative, associative
// and idempotent.
func Merge(hints ...*Hint) (*Hint, error) {
	if len(hints) == 0 {
		return nil, errors.New("merging hints: there are none")
	}
	m := &merger{
		out: &Hint{Schema: Schema, Workload: hints[0].Workload}, parts: map[string]Part{},
		hints: map[string]bool{}, rules: map[string]*Rule{}, warnings: map[Warning]bool{},
	}
	for i, h := range hints {
		if err := m.workload(&h.Workload); err != nil {
			return nil, fmt.Errorf("merging hints: hint %d: %w", i+1, err)
		}
		if err := m.part(h); err != nil {
			return nil, fmt.Errorf("merging hints: hint %d: %w", i+1, err)
		}
	}
	if len(m.hints) == 1 {
		return hints[0], nil // the same hint several times
	}
	m.profile(hints)
	m.directions(hints)
	for _, h := range hints {
		m.add(h)
	}
	if err := m.finish(); err != nil {
		return nil, fmt.Errorf("merging hints: %w", err)
	}
	return m.out, nil
}

type merger struct {
	out      *Hint
	parts    map[string]Part
	hints    map[string]bool // digests
	rules    map[string]*Rule
	warnings map[Warning]bool
}

// workload compares what two hints say of their workload.
func (m *merger) workload(w *Workload) error {
	o := &m.out.Workload
	switch {
	case w.Namespace != o.Namespace:
		return fmt.Errorf("namespace %q is not %q", w.Namespace, o.Namespace)
	case !maps.Equal(w.PodSelector, o.PodSelector):
		return fmt.Errorf("it selects pods by %q, the first one by %q", labelText(w.PodSelector), labelText(o.PodSelector))
	case w.HostNetwork != o.HostNetwork:
		return errors.New("of two containers of a pod one cannot be on the host's network alone")
	}
	if w.Name < o.Name {
		o.Name = w.Name
	}
	if o.SelectorFrom != w.SelectorFrom && w.SelectorFrom < o.SelectorFrom {
		o.SelectorFrom = w.SelectorFrom
	}
	o.Containers = sorted(slices.Concat(o.Containers, w.Containers))
	o.Observed = sorted(slices.Concat(o.Observed, w.Observed))
	o.Partial = o.Partial || w.Partial
	if len(o.Containers) == 0 {
		o.Containers = nil
	}
	if len(o.Observed) == 0 {
		o.Observed = nil
	}
	return nil
}

// part notes which hint this is, or of which it was made.
func (m *merger) part(h *Hint) error {
	sum, err := h.digest()
	if err != nil {
		return err
	}
	m.hints[sum] = true
	if len(h.Parts) > 0 {
		for _, p := range h.Parts {
			if old, ok := m.parts[p.Hint]; ok && old != p {
				return fmt.Errorf("the part %s was said to be of another image or container", p.Hint)
			}
			m.parts[p.Hint] = p
		}
		return nil
	}
	m.parts[sum] = Part{Container: strings.Join(h.Workload.Observed, ","), Image: h.Image, Hint: sum}
	return nil
}

// profile says what the evidence of all is good for.
func (m *merger) profile(hints []*Hint) {
	p := &m.out.Profile
	*p = hints[0].Profile
	p.Digest = ""
	for _, h := range hints[1:] {
		q := &h.Profile
		if p.From == "" || q.From != "" && q.From < p.From {
			p.From = q.From
		}
		p.To = max(p.To, q.To)
		p.Runs = min(p.Runs, q.Runs)
		p.Complete = p.Complete && q.Complete
		p.Observes = slices.DeleteFunc(slices.Clone(p.Observes), func(o string) bool { return !slices.Contains(q.Observes, o) })
	}
	if p.Observes == nil {
		p.Observes = []string{}
	}
}

// directions are those that every container's evidence restricts.
func (m *merger) directions(hints []*Hint) {
	m.out.PolicyTypes = []Direction{}
	for _, d := range []Direction{Ingress, Egress} {
		all := !slices.ContainsFunc(hints, func(h *Hint) bool { return !h.Restricts(d) })
		if all {
			m.out.PolicyTypes = append(m.out.PolicyTypes, d)
		} else {
			m.warn(WarnDirectionUnseen, d)
		}
	}
}

// add takes over what a hint lists.
func (m *merger) add(h *Hint) {
	for i := range h.Rules {
		m.rule(&h.Rules[i])
	}
	o := m.out
	o.Tightened = append(o.Tightened, h.Tightened...)
	o.Foreign = append(o.Foreign, h.Foreign...)
	for i := range h.Omitted {
		m.omission(&h.Omitted[i])
	}
	o.Ignored = append(o.Ignored, h.Ignored...)
	o.Unresolved = append(o.Unresolved, h.Unresolved...)
	for _, w := range h.Warnings {
		if w.Code != WarnNothingObserved && w.Code != WarnDirectionUnseen { // said of the pod below
			m.warnings[w] = true
		}
	}
}

const reasonUnrestricted = "evidence of another container could not see the direction"

// warn notes something about a direction of the whole pod.
func (m *merger) warn(code string, d Direction) {
	m.warnings[Warning{Code: code, Detail: warningTexts()[code] + ": " + string(d)}] = true
}

// omission takes over what a hint left out. What was left out because of the
// direction was a rule, and may be one of another container as well.
func (m *merger) omission(o *Omission) {
	if o.Reason != reasonUnrestricted {
		m.out.Omitted = append(m.out.Omitted, *o)
		return
	}
	r := Rule{Direction: o.Direction, Peer: o.Peer, Ports: o.Ports}
	for _, key := range o.Executables {
		r.Evidence.Executables = append(r.Evidence.Executables, Executable{Key: key})
	}
	m.rule(&r)
}

// rule takes over a rule. Its id is made of what it allows.
func (m *merger) rule(r *Rule) {
	id, err := ruleID(*r)
	if err != nil {
		id = r.ID
	}
	old := m.rules[id]
	if old == nil {
		c := *r
		m.rules[id] = &c
		return
	}
	old.Peer.Names = orNil(sorted(slices.Concat(old.Peer.Names, r.Peer.Names)))
	old.Peer.Via = orNil(sorted(slices.Concat(old.Peer.Via, r.Peer.Via)))
	old.Notes = orNil(sorted(slices.Concat(old.Notes, r.Notes)))
	mergeEvidence(&old.Evidence, &r.Evidence)
}

// mergeEvidence is the evidence of both. Counts are of one container each, so
// the larger one is kept: adding the same hint twice must change nothing.
func mergeEvidence(e, o *Evidence) {
	e.Observed = orNil(sorted(slices.Concat(e.Observed, o.Observed)))
	e.Sources = orNil(sorted(slices.Concat(e.Sources, o.Sources)))
	e.Outcome = orNil(sorted(slices.Concat(e.Outcome, o.Outcome)))
	e.Count, e.Runs = max(e.Count, o.Count), max(e.Runs, o.Runs)
	if e.First == "" || o.First != "" && o.First < e.First {
		e.First = o.First
	}
	e.Last = max(e.Last, o.Last)
	e.Attribution = max(e.Attribution, o.Attribution) // "unknown" comes after "process"
	kept := map[string]bool{}
	for _, x := range slices.Concat(e.Executables, o.Executables) {
		kept[x.Key] = kept[x.Key] || x.Kept
	}
	e.Executables = nil
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		e.Executables = append(e.Executables, Executable{Key: key, Kept: kept[key]})
	}
}

func orNil(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}

// finish sorts everything and checks the policy as New does.
func (m *merger) finish() error {
	o := m.out
	for _, key := range slices.Sorted(maps.Keys(m.parts)) {
		o.Parts = append(o.Parts, m.parts[key])
	}
	slices.SortFunc(o.Parts, func(a, b Part) int { return cmp.Or(cmp.Compare(a.Container, b.Container), cmp.Compare(a.Hint, b.Hint)) })
	b := &builder{}
	for _, r := range m.rules {
		if o.Restricts(r.Direction) {
			b.rules = append(b.rules, *r)
			continue
		}
		om := Omission{Direction: r.Direction, Peer: r.Peer, Ports: r.Ports, Executables: []string{}, Reason: reasonUnrestricted}
		for _, x := range r.Evidence.Executables {
			om.Executables = append(om.Executables, x.Key)
		}
		o.Omitted = append(o.Omitted, om)
	}
	b.tightened, b.foreign, b.omitted = o.Tightened, o.Foreign, o.Omitted
	if err := b.finish(); err != nil {
		return err
	}
	o.Rules = list(b.rules)
	o.Tightened, o.Foreign, o.Omitted = uniqueOmissions(b.tightened), uniqueOmissions(b.foreign), uniqueOmissions(b.omitted)
	o.Ignored, o.Unresolved = list(sortedIgnored(o.Ignored)), list(sortedUnresolved(o.Unresolved))
	for _, d := range o.PolicyTypes {
		if len(o.Allows(d)) == 0 {
			m.warn(WarnNothingObserved, d)
		}
	}
	o.Warnings = slices.SortedFunc(maps.Keys(m.warnings), func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
	o.Warnings = list(o.Warnings)
	if len(o.PolicyTypes) == 0 {
		return nil
	}
	if err := validate(o.render("")); err != nil {
		return fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	for _, form := range Forms() {
		if err := o.consistent(form); err != nil && !errors.Is(err, ErrTooLarge) { // which is said where it is rendered
			return fmt.Errorf("%s: %w", form, err)
		}
	}
	return nil
}

func uniqueOmissions(all []Omission) []Omission {
	same := func(a, b Omission) bool {
		return a.Direction == b.Direction && comparePeers(a.Peer, b.Peer) == 0 && comparePorts(a.Ports, b.Ports) == 0 &&
			slices.Equal(a.Executables, b.Executables) && a.Reason == b.Reason
	}
	return list(slices.CompactFunc(all, same))
}
