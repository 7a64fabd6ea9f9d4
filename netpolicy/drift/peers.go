package drift

import (
	"slices"

	"github.com/lathe-build/lathe/netpolicy"
)

// peerIndex finds peers without addresses by their namespace and labels.
type peerIndex struct {
	list []*netpolicy.Peer
	// have lists peers under each of their labels, and by under the rarest of
	// these: what selects no more than some labels is found by one of them.
	have, by map[string][]*netpolicy.Peer
}

func labelOf(namespace, key, value string) string { return namespace + "\x00" + key + "\x00" + value }

// sort makes the index of the list.
func (x *peerIndex) sort() {
	if len(x.list) == 0 {
		return
	}
	x.have, x.by = map[string][]*netpolicy.Peer{}, map[string][]*netpolicy.Peer{}
	for _, p := range x.list {
		for k, v := range p.PodSelector {
			key := labelOf(p.Namespace, k, v)
			x.have[key] = append(x.have[key], p)
		}
	}
	for _, p := range x.list {
		key := x.rarest(p)
		x.by[key] = append(x.by[key], p)
	}
}

// rarest is the label of a peer that the fewest others have; the namespace alone
// where it has none.
func (x *peerIndex) rarest(p *netpolicy.Peer) string {
	best := ""
	for k, v := range p.PodSelector {
		key := labelOf(p.Namespace, k, v)
		if best == "" || len(x.have[key]) < len(x.have[best]) || len(x.have[key]) == len(x.have[best]) && key < best {
			best = key
		}
	}
	if best == "" {
		return p.Namespace
	}
	return best
}

// covers reports whether one peer of the index selects everything that p
// selects.
func (x *peerIndex) covers(p *netpolicy.Peer, w *work) bool {
	fits := func(q *netpolicy.Peer) bool { w.left--; return within(p, q) }
	if slices.ContainsFunc(x.by[p.Namespace], fits) {
		return true
	}
	for k, v := range p.PodSelector {
		if slices.ContainsFunc(x.by[labelOf(p.Namespace, k, v)], fits) {
			return true
		}
	}
	return false
}

// covered reports whether p selects everything that one peer of the index
// selects.
func (x *peerIndex) covered(p *netpolicy.Peer, w *work) bool {
	fits := func(q *netpolicy.Peer) bool { w.left--; return within(q, p) }
	if len(p.PodSelector) > 0 {
		return slices.ContainsFunc(x.have[x.rarest(p)], fits)
	}
	return slices.ContainsFunc(x.list, fits)
}

// within reports whether q selects everything that p selects.
func within(p, q *netpolicy.Peer) bool {
	if p.Namespace != q.Namespace {
		return false
	}
	for k, v := range q.PodSelector {
		if got, ok := p.PodSelector[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// known are the peers of some rules, whatever the ports.
type known struct {
	anyone bool
	peers  peerIndex
	spans  []span
	names  map[string]bool // of external peers
}

func newKnown(list []netpolicy.Rule) *known {
	k := &known{names: map[string]bool{}}
	for i := range list {
		p := &list[i].Peer
		switch {
		case p.Kind == netpolicy.PeerAny:
			k.anyone = true
		case len(p.CIDRs) == 0:
			k.peers.list = append(k.peers.list, p)
		default:
			k.spans = append(k.spans, spansOf(p.CIDRs, p.Except)...)
		}
		for _, name := range namesOf(p) {
			k.names[name] = true
		}
	}
	k.spans = join(k.spans)
	k.peers.sort()
	return k
}

// has reports whether a peer has something in common with one of the rules'.
func (k *known) has(p *netpolicy.Peer, w *work) bool {
	if slices.ContainsFunc(namesOf(p), func(name string) bool { return k.names[name] }) {
		return true
	}
	switch {
	case p.Kind == netpolicy.PeerAny:
		return k.anyone
	case len(p.CIDRs) > 0:
		return overlap(spansOf(p.CIDRs, p.Except), k.spans)
	}
	return k.peers.covers(p, w) || k.peers.covered(p, w)
}
