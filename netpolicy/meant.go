package netpolicy

import (
	"net/netip"
	"slices"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// meant knows what a policy is meant to allow, from what rules were made of. It
// looks at no policy, so that it can judge one.
type meant struct {
	flows map[flow]bool // without the peer: addresses, and ingress of everyone
	pods  evaluate.Selectors[pods]
	names map[string]bool // names of peers, with the port
	// metadata: wide rules may be about metadata services, too.
	metadata bool
	wide     []Rule        // rules that are wider than addresses seen
	blocks   []*peerBlocks // of these
}

// pods are those that some labels select, and a port that is allowed there.
type pods struct {
	labels map[string]string
	dir    Direction
	end    endpoint
}

func newMeant(grants map[flow]bool, ids map[string]*identity, rules []Rule) *meant {
	m := &meant{flows: map[flow]bool{}, names: map[string]bool{}}
	for f := range grants {
		if f.addr.IsValid() || f.peer == "" {
			m.flows[flow{dir: f.dir, addr: f.addr, end: f.end}] = true
		}
		if id := ids[f.peer]; id != nil && !id.peer.Kind.byBlocks() {
			m.pods.Add(id.peer.Namespace, id.peer.PodSelector, pods{id.peer.PodSelector, f.dir, f.end})
		}
	}
	for _, r := range rules {
		for _, name := range fewNames(r.Peer.Names) {
			for _, p := range r.Ports {
				for n := p.Port; n <= max(p.Port, p.EndPort) && r.Peer.Kind == PeerExternal; n++ {
					m.names[name+" "+endpoint{p.Protocol, uint16(n)}.String()] = true //nolint:gosec // a port
				}
			}
		}
		if r.Peer.Kind == PeerInternet || r.Peer.Kind == PeerMapped {
			m.wide = append(m.wide, r)
			m.blocks = append(m.blocks, blocksOfPeer(&r.Peer))
		}
	}
	m.pods.Index()
	return m
}

// allows reports whether p is meant to pass.
func (m *meant) allows(p evaluate.Packet) bool {
	end := endpoint{p.Protocol, p.Port}
	if m.flows[flow{dir: p.Direction, addr: p.Addr, end: end}] || m.flows[flow{dir: p.Direction, end: end}] {
		return true
	}
	for _, name := range p.Names {
		if m.names[name+" "+end.String()] {
			return true
		}
	}
	for i, r := range m.wide {
		if !m.metadata && slices.Contains(metadataAddrs(), p.Addr) {
			break // a block around a metadata service is not about it
		}
		if r.Direction == p.Direction && p.Addr.IsValid() && holds(r.Ports, end) && m.blocks[i].hold(p.Addr) {
			return true
		}
	}
	if p.Pod == nil {
		return false
	}
	for g := range m.pods.Of(p.Pod.Namespace, p.Pod.Labels) {
		if g.dir == p.Direction && g.end == end && hasAll(p.Pod.Labels, g.labels) {
			return true
		}
	}
	return false
}

func hasAll(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// holds reports whether end is one of ports.
func holds(ports []Port, end endpoint) bool {
	for _, p := range ports {
		if p.Protocol == end.proto && int32(end.port) >= p.Port && int32(end.port) <= max(p.Port, p.EndPort) {
			return true
		}
	}
	return false
}

// firstOf is an address of each block of a peer.
func firstOf(p Peer) []netip.Addr {
	blocks := blocksOfPeer(&p)
	var list []netip.Addr
	for _, block := range blocks.list {
		if a, ok := blocks.firstIn(block); ok {
			list = append(list, a)
		}
	}
	return list
}

// maxAskedNames bounds the names of one peer that are asked about.
const maxAskedNames = 8

func fewNames(names []string) []string { return names[:min(len(names), maxAskedNames)] }
