package drift

import (
	"slices"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// Verdict is what a policy would do with a connection.
type Verdict string

// The verdicts.
const (
	Allowed  Verdict = "allowed"
	Meant    Verdict = "blocked-on-purpose" // made by what hardening drops or the image does not hold, or to a metadata service
	LeftOut  Verdict = "blocked-by-option"  // the hint lists it as omitted
	Blocked  Verdict = "blocked"            // somebody who stays may need it
	Unjudged Verdict = "unjudged"           // no packet can be made of what is known
)

// Checked is a connection with its verdict.
type Checked struct {
	Verdict Verdict `json:"verdict"`
	Finding
}

// Policy answers for the policy, or policies, that are about a workload.
type Policy interface {
	Allows(evaluate.Packet) bool
}

// Check asks a policy about connections. The judge says what is blocked on
// purpose.
func Check(p Policy, j *Judge, list []netpolicy.Connection) []Checked {
	out := make([]Checked, 0, len(list))
	for i := range list {
		for _, c := range j.split(&list[i]) {
			f := j.finding(&c)
			out = append(out, Checked{j.verdict(p, &c, f.Class), f})
		}
	}
	return out
}

func (j *Judge) verdict(p Policy, c *netpolicy.Connection, class Class) Verdict {
	if len(c.Packets) == 0 {
		return Unjudged
	}
	if !slices.ContainsFunc(c.Packets, func(q evaluate.Packet) bool { return !p.Allows(q) }) {
		return Allowed
	}
	if class == Expected && isListener(c) && !j.opensTo(c) {
		return Unjudged // rules name who may connect, and nobody did
	}
	switch class {
	case Metadata, RemovedExecutable, Foreign:
		return Meant
	case Expected, NewPeer, NewPort, NewExecutable:
	}
	if slices.ContainsFunc(j.hint.Omitted, func(o netpolicy.Omission) bool { return o.Direction == c.Direction && omits(o, c) }) {
		return LeftOut
	}
	return Blocked
}

// opensTo reports whether a rule lets anyone connect to the port of a listener.
func (j *Judge) opensTo(c *netpolicy.Connection) bool {
	return slices.ContainsFunc(j.rules[netpolicy.Ingress].list, func(r netpolicy.Rule) bool {
		return r.Peer.Kind == netpolicy.PeerAny && holds(r.Ports, c.Protocol, c.Port)
	})
}

// omits reports whether an omission is about a connection.
func omits(o netpolicy.Omission, c *netpolicy.Connection) bool {
	one := index([]netpolicy.Rule{{Peer: o.Peer}})
	return holds(o.Ports, c.Protocol, c.Port) && len(one.of(c)) > 0
}
