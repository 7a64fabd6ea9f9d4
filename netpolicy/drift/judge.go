package drift

import (
	"net/netip"
	"slices"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
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
}

// rules are those of one direction, by what they may be found by.
type rules struct {
	list    []netpolicy.Rule
	byName  map[string][]int
	byBlock map[netip.Prefix][]int
	lengths []int // of the blocks
	others  []int // found by labels, or for anyone
}

// NewJudge makes a judge. fate says what hardening did with an executable, where
// a plan is at hand; nil knows only what the hint says.
func NewJudge(h *netpolicy.Hint, fate func(executableKey string) netpolicy.Fate) *Judge {
	j := &Judge{
		hint: h, fate: fate, rules: map[netpolicy.Direction]*rules{},
		kept: map[string]bool{}, dropped: map[string]bool{}, foreign: map[string]bool{},
	}
	for _, d := range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
		j.rules[d] = index(h.Allows(d))
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

func index(list []netpolicy.Rule) *rules {
	r := &rules{list: list, byName: map[string][]int{}, byBlock: map[netip.Prefix][]int{}}
	for i := range list {
		p := &list[i].Peer
		for _, name := range p.Names {
			if p.Kind == netpolicy.PeerExternal { // of other peers a name is no address
				r.byName[name] = append(r.byName[name], i)
			}
		}
		for _, text := range p.CIDRs {
			if block, err := netip.ParsePrefix(text); err == nil {
				r.byBlock[block] = append(r.byBlock[block], i)
				r.lengths = append(r.lengths, block.Bits())
			}
		}
		if len(p.CIDRs) == 0 {
			r.others = append(r.others, i)
		}
	}
	slices.Sort(r.lengths)
	r.lengths = slices.Compact(r.lengths)
	return r
}

// of are the rules for the peer of a connection, whatever their ports.
func (r *rules) of(c *netpolicy.Connection) []int {
	var found []int
	if isListener(c) {
		for i := range r.list {
			found = append(found, i) // whoever the rules are for connects to it
		}
		return found
	}
	if c.Peer.Kind == netpolicy.PeerExternal || !c.Addr.IsValid() {
		for _, name := range c.Names { // a name that leads to an inner address is not that peer
			found = append(found, r.byName[name]...)
		}
	}
	for _, bits := range r.lengths {
		block, err := c.Addr.Prefix(bits)
		if err != nil {
			continue
		}
		for _, i := range r.byBlock[block] {
			if !slices.ContainsFunc(r.list[i].Peer.Except, func(text string) bool {
				except, err := netip.ParsePrefix(text)
				return err == nil && except.Contains(c.Addr)
			}) {
				found = append(found, i)
			}
		}
	}
	for _, i := range r.others {
		if selects(r.list[i].Peer, c) {
			found = append(found, i)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// isListener reports whether a connection is a port on which somebody listened,
// and to which nobody was seen to connect.
func isListener(c *netpolicy.Connection) bool {
	return c.Direction == netpolicy.Ingress && c.Peer.Kind == netpolicy.PeerAny && !c.Addr.IsValid()
}

// selects reports whether a peer without addresses is that of a connection.
func selects(p netpolicy.Peer, c *netpolicy.Connection) bool {
	switch p.Kind {
	case netpolicy.PeerAny:
		return true
	case netpolicy.PeerNamespace:
		return c.Peer.Namespace == p.Namespace
	case netpolicy.PeerClusterDNS:
		// Without an inventory the name servers are an address, of their Service.
		if c.Port == 53 && (c.Peer.Kind == netpolicy.PeerPrivate || c.Peer.Kind == netpolicy.PeerLinkLocal) {
			return true
		}
	default:
	}
	if c.Peer.Namespace != p.Namespace {
		return false
	}
	for k, v := range p.PodSelector {
		if got, ok := c.Peer.PodSelector[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Class classifies a connection and gives the id of the rule that is for it, ""
// where there is none.
func (j *Judge) Class(c *netpolicy.Connection) (Class, string) {
	r := j.rules[c.Direction]
	peers := r.of(c)
	rule := ""
	var makers []int
	for _, i := range peers {
		if holds(r.list[i].Ports, c.Protocol, c.Port) || isDNS(r.list[i].Peer.Kind, c) {
			makers = append(makers, i)
		}
	}
	if len(makers) > 0 {
		rule = r.list[makers[0]].ID
	}
	switch {
	case c.Peer.Kind == netpolicy.PeerMetadata && rule == "":
		return Metadata, ""
	case slices.ContainsFunc(c.Executables, j.isDropped):
		return RemovedExecutable, rule
	case slices.ContainsFunc(c.Executables, func(key string) bool { return j.isForeign(key) || slices.Contains(c.Foreign, key) }):
		return Foreign, rule
	case rule == "" && !j.hint.Restricts(c.Direction):
		return Expected, "" // nobody ever said what the direction is for
	case rule == "" && (len(peers) > 0 || isListener(c)):
		return NewPort, ""
	case rule == "":
		return NewPeer, ""
	case j.isNew(c, r, makers):
		return NewExecutable, rule
	}
	return Expected, rule
}

// isDNS reports whether a connection asks a name server that a rule is for, at
// the port of its Service instead of that of its pods.
func isDNS(kind netpolicy.PeerKind, c *netpolicy.Connection) bool {
	return kind == netpolicy.PeerClusterDNS && c.Port == 53
}

// isNew reports whether an executable is known that none of the rules was made
// of. A rule of which it is not known who made it says nothing.
func (j *Judge) isNew(c *netpolicy.Connection, r *rules, makers []int) bool {
	if len(c.Executables) == 0 {
		return false
	}
	known := map[string]bool{}
	for _, i := range makers {
		ev := &r.list[i].Evidence
		if ev.Attribution != profile.AttributionProcess || len(ev.Executables) == 0 {
			return false
		}
		for _, x := range ev.Executables {
			known[x.Key] = true
		}
	}
	return slices.ContainsFunc(c.Executables, func(key string) bool { return !known[key] })
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
