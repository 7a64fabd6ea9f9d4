package drift

import (
	"cmp"
	"slices"
	"sort"

	"github.com/lathe-build/lathe/netpolicy"
)

// region is everything that one direction of a hint allows: runs of ports in
// which every port has the same peers.
type region struct {
	atoms map[string][]atom // by protocol, sorted and apart
}

// atom is a run of ports with who may be talked with on all of them.
type atom struct {
	first, last int32
	spans       []span
	peers       []netpolicy.Peer // of those that are no blocks
	names       map[string]bool  // of external peers
}

func newRegion(list []netpolicy.Rule) *region {
	r := &region{atoms: map[string][]atom{}}
	for _, proto := range []string{"TCP", "UDP", "SCTP"} {
		r.atoms[proto] = atomsOf(list, proto)
	}
	return r
}

// use is one rule's run of ports.
type use struct {
	first, last int32
	rule        int
}

// atomsOf cuts the ports of all rules where any of them begins or ends.
func atomsOf(list []netpolicy.Rule, proto string) []atom {
	var uses []use
	var cuts []int32
	for i := range list {
		for _, p := range list[i].Ports {
			if p.Protocol == proto {
				u := use{p.Port, max(p.Port, p.EndPort), i}
				uses = append(uses, u)
				cuts = append(cuts, u.first, u.last+1)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	atoms := make([]atom, max(0, len(cuts)-1))
	for i := range atoms {
		atoms[i] = atom{first: cuts[i], last: cuts[i+1] - 1, names: map[string]bool{}}
	}
	parsed := make([][]span, len(list))
	for _, u := range uses {
		peer := &list[u.rule].Peer
		if parsed[u.rule] == nil && len(peer.CIDRs) > 0 {
			parsed[u.rule] = spansOf(peer.CIDRs, peer.Except)
		}
		at, _ := slices.BinarySearch(cuts, u.first)
		for ; at < len(atoms) && atoms[at].last <= u.last; at++ {
			atoms[at].add(peer, parsed[u.rule])
		}
	}
	for i := range atoms {
		atoms[i].spans = join(atoms[i].spans)
	}
	return atoms
}

func (a *atom) add(p *netpolicy.Peer, spans []span) {
	if len(p.CIDRs) == 0 {
		a.peers = append(a.peers, *p)
		return
	}
	a.spans = append(a.spans, spans...)
	if p.Kind == netpolicy.PeerExternal {
		for _, name := range p.Names {
			a.names[name] = true
		}
	}
}

// allows reports whether the atom is for all of a peer without addresses.
func (a *atom) allows(p *netpolicy.Peer) bool {
	return slices.ContainsFunc(a.peers, func(q netpolicy.Peer) bool { return within(p, &q) })
}

// within reports whether q selects everything that p selects.
func within(p, q *netpolicy.Peer) bool {
	switch {
	case q.Kind == netpolicy.PeerAny:
		return true
	case p.Kind == netpolicy.PeerAny, p.Namespace != q.Namespace:
		return false
	}
	for k, v := range q.PodSelector {
		if got, ok := p.PodSelector[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// hasNames reports whether all names of an external peer are allowed. A peer
// that has names is these names: another address of one is no other peer.
func (a *atom) hasNames(p *netpolicy.Peer) bool {
	if p.Kind != netpolicy.PeerExternal || len(p.Names) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.Names, func(name string) bool { return !a.names[name] })
}

// rest is the part of a rule that a region does not allow.
type rest struct {
	ports []netpolicy.Port
	spans []span // of peers that are blocks: all addresses that are missing on some of the ports
	whole bool   // nothing of the rule is allowed
}

func (r *rest) empty() bool { return len(r.ports) == 0 }

// without is what of a rule the region does not allow.
func (g *region) without(rule *netpolicy.Rule) rest {
	out := rest{whole: true}
	spans := spansOf(rule.Peer.CIDRs, rule.Peer.Except)
	for _, p := range rule.Ports {
		last := max(p.Port, p.EndPort)
		atoms := g.atoms[p.Protocol]
		next := p.Port
		i := sort.Search(len(atoms), func(i int) bool { return atoms[i].last >= p.Port })
		for ; i < len(atoms) && atoms[i].first <= last; i++ {
			a := &atoms[i]
			out.add(p, next, a.first-1, spans)
			lost := spans
			covered := false
			switch {
			case slices.ContainsFunc(a.peers, func(q netpolicy.Peer) bool { return q.Kind == netpolicy.PeerAny }):
				covered = true
			case len(rule.Peer.CIDRs) == 0:
				covered = a.allows(&rule.Peer)
			default:
				lost = subtract(spans, a.spans)
				covered = len(lost) == 0 || a.hasNames(&rule.Peer)
			}
			if covered || len(rule.Peer.CIDRs) > 0 && !slices.Equal(lost, spans) {
				out.whole = false
			}
			if !covered {
				out.add(p, max(a.first, p.Port), min(a.last, last), lost)
			}
			next = a.last + 1
		}
		out.add(p, next, last, spans)
	}
	out.spans = join(out.spans)
	return out
}

// add notes that a run of ports is missing.
func (r *rest) add(p netpolicy.Port, first, last int32, spans []span) {
	if first > last {
		return
	}
	if n := len(r.ports); n > 0 && r.ports[n-1].Protocol == p.Protocol && max(r.ports[n-1].Port, r.ports[n-1].EndPort)+1 == first {
		r.ports[n-1].EndPort = last
	} else {
		port := netpolicy.Port{Protocol: p.Protocol, Port: first}
		if last > first {
			port.EndPort = last
		} else {
			port.Name = p.Name
		}
		r.ports = append(r.ports, port)
	}
	r.spans = append(r.spans, spans...)
}

// samePeer reports whether two rules are about peers that have something in
// common.
func samePeer(a, b *netpolicy.Peer) bool {
	if slices.ContainsFunc(a.Names, func(n string) bool { return a.Kind == b.Kind && slices.Contains(b.Names, n) }) && a.Kind == netpolicy.PeerExternal {
		return true
	}
	if len(a.CIDRs) > 0 && len(b.CIDRs) > 0 {
		return overlap(spansOf(a.CIDRs, a.Except), spansOf(b.CIDRs, b.Except))
	}
	if len(a.CIDRs) > 0 || len(b.CIDRs) > 0 {
		return false
	}
	return within(a, b) || within(b, a)
}

func comparePorts(a, b netpolicy.Port) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
}
