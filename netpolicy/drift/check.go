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
	Looked() int64 // rules that all answers so far had to look at
}

// Check asks a policy about connections. The judge says what is blocked on
// purpose. The error is [netpolicy.ErrTooComplex].
func Check(p Policy, j *Judge, list []netpolicy.Connection) ([]Checked, error) {
	out := make([]Checked, 0, len(list))
	w := &work{maxLooked}
	for i := range list {
		for _, part := range j.split(&list[i], w) {
			before := p.Looked()
			out = append(out, Checked{j.verdict(p, &part.Connection, part.finding.Class, w), part.finding})
			w.left -= int(p.Looked() - before)
			if err := w.enough(); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (j *Judge) verdict(p Policy, c *netpolicy.Connection, class Class, w *work) Verdict {
	if len(c.Packets) == 0 {
		return Unjudged
	}
	if !slices.ContainsFunc(c.Packets, func(q evaluate.Packet) bool { return !p.Allows(q) }) {
		return Allowed
	}
	if class == Expected && isListener(c) && !j.opensTo(c, w) {
		return Unjudged // rules name who may connect, and nobody did
	}
	switch class {
	case Metadata, RemovedExecutable, Foreign:
		return Meant
	case Expected, NewPeer, NewPort, NewExecutable:
	}
	if j.omits(c, w) {
		return LeftOut
	}
	return Blocked
}

// opensTo reports whether a rule lets anyone connect to the port of a listener.
func (j *Judge) opensTo(c *netpolicy.Connection, w *work) bool {
	r := j.rules[netpolicy.Ingress]
	m := r.match(c, w)
	return slices.ContainsFunc(m.rules, func(i int) bool {
		return r.list[i].Peer.Kind == netpolicy.PeerAny && holds(r.list[i].Ports, c.Protocol, c.Port)
	})
}

// omits reports whether an omission is about a connection.
func (j *Judge) omits(c *netpolicy.Connection, w *work) bool {
	r := j.omitted[c.Direction]
	for i := range r.of(c) {
		w.left -= 1 + len(r.list[i].Ports)
		if holds(r.list[i].Ports, c.Protocol, c.Port) {
			return true
		}
	}
	return false
}
