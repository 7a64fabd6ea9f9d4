package drift

import (
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
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Added, Widened, Narrowed, Removed} }

// Wider reports whether the kind allows more than before.
func (k Kind) Wider() bool { return k == Added || k == Widened }

// Change is one difference.
type Change struct {
	Kind        Kind                `json:"kind"`
	Direction   netpolicy.Direction `json:"direction"`
	Peer        netpolicy.Peer      `json:"peer"`
	Ports       []netpolicy.Port    `json:"ports,omitempty"`       // that are allowed now, or no longer
	CIDRs       []string            `json:"cidrs,omitempty"`       // likewise, where they are not all of the peer's
	Rule        string              `json:"rule,omitempty"`        // of the hint that allows more
	Executables []string            `json:"executables,omitempty"` // that the rule was made of
	Reason      string              `json:"reason,omitempty"`      // why the executables explain it
	Text        string              `json:"text"`
}

// Diff compares what two hints allow, sorted by direction: what is wider first.
func Diff(before, after *netpolicy.Hint) []Change {
	var out []Change
	for _, d := range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
		was, is := before.Restricts(d), after.Restricts(d)
		switch {
		case was && !is:
			out = append(out, direction(Widened, d, "the direction is no longer restricted"))
		case !was && is:
			out = append(out, direction(Narrowed, d, "the direction was not restricted"))
		case was:
			out = append(out, wider(before.Allows(d), after, after.Allows(d))...)
			out = append(out, narrower(before.Allows(d), after, after.Allows(d))...)
		}
	}
	return out
}

func direction(k Kind, d netpolicy.Direction, why string) Change {
	return Change{Kind: k, Direction: d, Peer: netpolicy.Peer{Kind: netpolicy.PeerAny}, Reason: why, Text: fmt.Sprintf("%s: %s", d, why)}
}

// wider are the rules of which something was not allowed before.
func wider(before []netpolicy.Rule, hint *netpolicy.Hint, after []netpolicy.Rule) []Change {
	old := newRegion(before)
	var out []Change
	for i := range after {
		r := &after[i]
		if more := old.without(r); !more.empty() {
			kind := Widened
			if more.whole && !hasPeer(before, &r.Peer) {
				kind = Added
			}
			out = append(out, change(kind, r, more, becauseOf(hint, r, false)))
		}
	}
	return out
}

// narrower are the rules of which something is no longer allowed.
func narrower(before []netpolicy.Rule, hint *netpolicy.Hint, after []netpolicy.Rule) []Change {
	now := newRegion(after)
	var out []Change
	for i := range before {
		r := &before[i]
		if less := now.without(r); !less.empty() {
			kind := Narrowed
			if less.whole && !hasPeer(after, &r.Peer) {
				kind = Removed
			}
			out = append(out, change(kind, r, less, becauseOf(hint, r, true)))
		}
	}
	return out
}

func hasPeer(list []netpolicy.Rule, p *netpolicy.Peer) bool {
	return slices.ContainsFunc(list, func(r netpolicy.Rule) bool { return samePeer(&r.Peer, p) })
}

func change(kind Kind, r *netpolicy.Rule, part rest, why string) Change {
	slices.SortStableFunc(part.ports, comparePorts)
	c := Change{Kind: kind, Direction: r.Direction, Peer: r.Peer, Ports: part.ports, Rule: r.ID, Reason: why}
	for _, x := range r.Evidence.Executables {
		c.Executables = append(c.Executables, x.Key)
	}
	peer := r.Peer
	if len(peer.CIDRs) > 0 && !slices.Equal(part.spans, spansOf(peer.CIDRs, peer.Except)) {
		c.CIDRs = blocks(part.spans)
		peer.CIDRs = c.CIDRs
	}
	ports := make([]string, 0, len(c.Ports))
	for _, p := range c.Ports {
		ports = append(ports, p.String())
	}
	c.Text = fmt.Sprintf("%s %s %s", r.Direction, peer, strings.Join(ports, ", "))
	return c
}

// becauseOf says how the executables of a rule explain a change.
func becauseOf(after *netpolicy.Hint, r *netpolicy.Rule, gone bool) string {
	if !gone {
		if len(r.Evidence.Executables) == 0 {
			return "nobody knows which executable connects"
		}
		return ""
	}
	dropped := map[string]bool{}
	for _, o := range after.Tightened {
		for _, key := range o.Executables {
			dropped[key] = true
		}
	}
	var names []string
	for _, x := range r.Evidence.Executables {
		if dropped[x.Key] {
			names = append(names, x.Key)
		}
	}
	switch {
	case len(names) > 0:
		return "dropped: " + strings.Join(names, ", ")
	case slices.ContainsFunc(after.Omitted, func(o netpolicy.Omission) bool { return o.Direction == r.Direction && samePeer(&o.Peer, &r.Peer) }):
		return "left out by an option"
	}
	return "not observed"
}
