package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/netpolicy"
)

// Kind is how what a hint allows differs from what another allows.
type Kind string

// The kinds of changes.
const (
	Added    Kind = "added"    // a peer that was not allowed before
	Widened  Kind = "widened"  // more addresses or ports of a peer
	Narrowed Kind = "narrowed" // fewer
	Removed  Kind = "removed"  // a peer that is no longer allowed
	Moved    Kind = "moved"    // other addresses of the same names: another core policy, the same peer
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Added, Widened, Narrowed, Removed, Moved} }

// Wider reports whether the kind allows more than before.
func (k Kind) Wider() bool { return k == Added || k == Widened }

// Narrower reports whether the kind allows less than before.
func (k Kind) Narrower() bool { return k == Removed || k == Narrowed }

// Change is one difference.
type Change struct {
	Kind        Kind                `json:"kind"`
	Direction   netpolicy.Direction `json:"direction"`
	Peer        netpolicy.Peer      `json:"peer"`
	Ports       []netpolicy.Port    `json:"ports,omitempty"`       // that are allowed now, or no longer
	CIDRs       []string            `json:"cidrs,omitempty"`       // likewise, where they are not all of the peer's
	Names       []string            `json:"names,omitempty"`       // likewise, of an external peer
	Rule        string              `json:"rule,omitempty"`        // of the hint that allows more
	Executables []string            `json:"executables,omitempty"` // that the rule was made of
	Reason      string              `json:"reason,omitempty"`      // why the executables explain it
	Text        string              `json:"text"`
}

// Diff compares what two hints allow, sorted by direction: what is wider first.
// The error is [ErrTooComplex].
func Diff(before, after *netpolicy.Hint) ([]Change, error) {
	out := workloads(before, after)
	budget := &work{maxSteps}
	for _, d := range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
		was, is := before.Restricts(d), after.Restricts(d)
		switch {
		case was && !is:
			out = append(out, direction(Widened, d, "the direction is no longer restricted"))
		case !was && is:
			out = append(out, direction(Narrowed, d, "the direction was not restricted"))
		case was:
			for _, c := range []*comparison{
				{old: before.Allows(d), rules: after.Allows(d), part: Widened, whole: Added, why: unattributed},
				{old: after.Allows(d), rules: before.Allows(d), part: Narrowed, whole: Removed, why: goneBecause(after, d, budget)},
			} {
				changes, err := c.changes(budget)
				if err != nil {
					return nil, fmt.Errorf("comparing hints: %s: %w", d, err)
				}
				out = append(out, changes...)
			}
		}
	}
	return out, nil
}

// workloads compares which pods the policies are for.
func workloads(before, after *netpolicy.Hint) []Change {
	b, a := &before.Workload, &after.Workload
	var out []Change
	add := func(k Kind, h *netpolicy.Hint, why string) {
		for _, d := range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
			if h.Restricts(d) {
				out = append(out, direction(k, d, why))
			}
		}
	}
	switch had, has := applies(b), applies(a); {
	case had && !has:
		add(Widened, before, "no policy can be made of the hint any more")
	case !had && has:
		add(Narrowed, after, "no policy could be made of the hint")
	case !had:
	case a.Namespace != b.Namespace:
		add(Widened, before, "the policy is for another namespace")
	default:
		if !selectsAll(a, b) {
			add(Widened, before, "the policy does not select all pods that it selected")
		}
		if !selectsAll(b, a) {
			add(Narrowed, after, "the policy selects other pods as well")
		}
	}
	return out
}

// applies reports whether there is a policy for the workload.
func applies(w *netpolicy.Workload) bool {
	return !w.HostNetwork && len(w.PodSelector) > 0 && (w.Partial || len(w.Missing()) == 0)
}

// selectsAll reports whether w selects every pod that o selects.
func selectsAll(w, o *netpolicy.Workload) bool {
	return within(&netpolicy.Peer{PodSelector: o.PodSelector}, &netpolicy.Peer{PodSelector: w.PodSelector})
}

func direction(k Kind, d netpolicy.Direction, why string) Change {
	return Change{Kind: k, Direction: d, Peer: netpolicy.Peer{Kind: netpolicy.PeerAny}, Reason: why, Text: fmt.Sprintf("%s: %s", d, why)}
}

// comparison finds what of rules others do not allow.
type comparison struct {
	old, rules  []netpolicy.Rule
	part, whole Kind
	why         func(*netpolicy.Rule) string
}

func (c *comparison) changes(budget *work) ([]Change, error) {
	old, err := newRegion(c.old, budget)
	if err != nil {
		return nil, err
	}
	peers := newKnown(c.old)
	var out []Change
	for i := range c.rules {
		r := &c.rules[i]
		parts, whole, err := old.without(r)
		if err != nil {
			return nil, err
		}
		for _, part := range parts {
			kind, why := c.part, c.why(r)
			switch {
			case part.moved:
				kind, why = Moved, map[Kind]string{Widened: "another address of a name", Narrowed: "an address of a name was not seen again"}[c.part]
			case whole && !peers.has(&r.Peer, budget):
				kind = c.whole
			}
			out = append(out, change(kind, r, part, why))
		}
		if err := budget.step(1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func change(kind Kind, r *netpolicy.Rule, part rest, why string) Change {
	slices.SortStableFunc(part.ports, comparePorts)
	c := Change{Kind: kind, Direction: r.Direction, Peer: r.Peer, Ports: part.ports, Rule: r.ID, Reason: why}
	for _, x := range r.Evidence.Executables {
		c.Executables = append(c.Executables, x.Key)
	}
	peer := r.Peer
	if len(peer.CIDRs) > 0 && len(part.spans) > 0 && !slices.Equal(part.spans, spansOf(peer.CIDRs, peer.Except)) {
		c.CIDRs = blocks(part.spans)
		peer.CIDRs = c.CIDRs
	}
	if !slices.Equal(part.names, namesOf(&r.Peer)) {
		c.Names = part.names
	}
	if len(part.names) > 0 {
		peer.Names = part.names
	}
	ports := make([]string, 0, len(c.Ports))
	for _, p := range c.Ports {
		ports = append(ports, p.String())
	}
	c.Text = fmt.Sprintf("%s %s %s", r.Direction, peer, strings.Join(ports, ", "))
	if len(peer.CIDRs) > 0 && len(part.spans) == 0 {
		c.Text += ", by name"
	}
	return c
}

func unattributed(r *netpolicy.Rule) string {
	if len(r.Evidence.Executables) == 0 {
		return "nobody knows which executable connects"
	}
	return ""
}

// goneBecause says how the executables of a rule explain that it is gone.
func goneBecause(after *netpolicy.Hint, d netpolicy.Direction, budget *work) func(*netpolicy.Rule) string {
	dropped := map[string]bool{}
	for _, o := range after.Tightened {
		for _, key := range o.Executables {
			dropped[key] = true
		}
	}
	var left []netpolicy.Rule
	for _, o := range after.Omitted {
		if o.Direction == d {
			left = append(left, netpolicy.Rule{Peer: o.Peer})
		}
	}
	omitted := newKnown(left)
	return func(r *netpolicy.Rule) string {
		var names []string
		for _, x := range r.Evidence.Executables {
			if dropped[x.Key] {
				names = append(names, x.Key)
			}
		}
		switch {
		case len(names) > 0:
			return "dropped: " + strings.Join(names, ", ")
		case omitted.has(&r.Peer, budget):
			return "left out by an option"
		}
		return "not observed"
	}
}

func comparePorts(a, b netpolicy.Port) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Name, b.Name))
}
