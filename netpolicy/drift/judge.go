package drift

import (
	"slices"

	"github.com/lathe-build/lathe/netpolicy"
)

// Class is what a connection is to a hint.
type Class string

// The classes. All but Expected are drift.
const (
	Expected          Class = "expected"           // a rule is for it, and its executable is one that the rule was made of
	NewPeer           Class = "new-peer"           // no rule is for the peer
	NewPort           Class = "new-port"           // a rule is for the peer, and none for the port
	NewExecutable     Class = "new-executable"     // a rule is for it, made of what other executables did
	RemovedExecutable Class = "removed-executable" // a dropped executable made it: a tool that is back
	Foreign           Class = "foreign"            // an executable that the image does not hold made it
	Metadata          Class = "metadata"           // it goes to a cloud's metadata service, and no rule is for that
)

// Classes are all of them, drift in the order of its weight.
func Classes() []Class {
	return []Class{Metadata, RemovedExecutable, Foreign, NewPeer, NewPort, NewExecutable, Expected}
}

// Judge classifies connections by one hint. It is safe for concurrent use.
type Judge struct {
	hint    *netpolicy.Hint
	fate    func(string) netpolicy.Fate
	rules   map[netpolicy.Direction]*rules
	kept    map[string]bool // executables of rules
	dropped map[string]bool
	foreign map[string]bool
	omitted map[netpolicy.Direction]*rules // what the hint lists as left out by an option
}

// NewJudge makes a judge. fate says what hardening did with an executable, where
// a plan is at hand; nil knows only what the hint says.
func NewJudge(h *netpolicy.Hint, fate func(executableKey string) netpolicy.Fate) *Judge {
	j := &Judge{
		hint: h, fate: fate, rules: map[netpolicy.Direction]*rules{}, omitted: map[netpolicy.Direction]*rules{},
		kept: map[string]bool{}, dropped: map[string]bool{}, foreign: map[string]bool{},
	}
	for _, d := range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
		j.rules[d] = index(h.Allows(d))
		var omitted []netpolicy.Rule
		for _, o := range h.Omitted {
			if o.Direction == d {
				omitted = append(omitted, netpolicy.Rule{Peer: o.Peer, Ports: o.Ports})
			}
		}
		j.omitted[d] = index(omitted)
	}
	for _, o := range h.Tightened {
		for _, key := range o.Executables {
			j.dropped[key] = true
		}
	}
	for _, o := range h.Foreign {
		for _, key := range o.Executables {
			j.foreign[key] = true
		}
	}
	for _, r := range h.Rules {
		for _, x := range r.Evidence.Executables {
			if x.Kept {
				j.kept[x.Key] = true
			}
		}
	}
	return j
}

// Class classifies a connection and gives the id of the rule that is for it, ""
// where there is none.
func (j *Judge) Class(c *netpolicy.Connection) (Class, string) {
	w := &work{}
	r := j.rules[c.Direction]
	m := r.match(c, w)
	return j.class(c, c.Executables, c.Foreign, &m, w), r.rule(&m)
}

// class is that of a connection as far as some executables made it.
func (j *Judge) class(c *netpolicy.Connection, executables, foreign []string, m *match, w *work) Class {
	r := j.rules[c.Direction]
	none := len(m.rules) == 0
	switch {
	case c.Peer.Kind == netpolicy.PeerMetadata && none:
		return Metadata
	case slices.ContainsFunc(executables, j.isDropped):
		return RemovedExecutable
	case slices.ContainsFunc(executables, j.isForeign) || len(foreign) > 0:
		return Foreign
	case none && !j.hint.Restricts(c.Direction):
		return Expected // nobody ever said what the direction is for
	case none && m.peer:
		return NewPort
	case none:
		return NewPeer
	case !m.anyone && slices.ContainsFunc(executables, func(key string) bool { return !r.made(m, key, w) }):
		return NewExecutable
	}
	return Expected
}

// isDNS reports whether a connection asks a name server that a rule is for, at
// the port of its Service instead of that of its pods.
func isDNS(kind netpolicy.PeerKind, c *netpolicy.Connection) bool {
	return kind == netpolicy.PeerClusterDNS && c.Port == 53
}

func (j *Judge) isDropped(key string) bool {
	if j.fate != nil {
		return j.fate(key) == netpolicy.Dropped
	}
	return j.dropped[key] && !j.kept[key]
}

func (j *Judge) isForeign(key string) bool {
	if j.fate != nil {
		return j.fate(key) == netpolicy.NotInImage
	}
	return j.foreign[key] && !j.kept[key]
}

func holds(ports []netpolicy.Port, protocol string, port uint16) bool {
	return slices.ContainsFunc(ports, func(p netpolicy.Port) bool {
		return p.Protocol == protocol && int32(port) >= p.Port && int32(port) <= max(p.Port, p.EndPort)
	})
}
