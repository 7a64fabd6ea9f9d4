package netpolicy

import (
	"net/netip"
	"slices"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// meant knows what a policy is meant to allow, from what rules were made of. It
// looks at no policy, so that it can judge one.
type meant struct {
	flows map[flow]bool     // without the peer: addresses, and ingress of everyone
	pods  map[string][]pods // by namespace and one of the labels
	names map[string]bool   // names of peers, with the port
	// metadata: wide rules may be about metadata services, too.
	metadata bool
	wide     []Rule // rules that are wider than addresses seen
}

// pods are those that some labels select, and a port that is allowed there.
type pods struct {
	labels map[string]string
	dir    Direction
	end    endpoint
}

func newMeant(grants map[flow]bool, ids map[string]*identity, rules []Rule) *meant {
	m := &meant{flows: map[flow]bool{}, pods: map[string][]pods{}, names: map[string]bool{}}
	for f := range grants {
		if f.addr.IsValid() || f.peer == "" {
			m.flows[flow{dir: f.dir, addr: f.addr, end: f.end}] = true
		}
		if id := ids[f.peer]; id != nil && !id.peer.Kind.byBlocks() {
			key := podKey(id.peer.Namespace, id.peer.PodSelector)
			m.pods[key] = append(m.pods[key], pods{id.peer.PodSelector, f.dir, f.end})
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
		}
	}
	return m
}

// podKey is the namespace with the first of the labels; "" where there is none.
func podKey(namespace string, labels map[string]string) string {
	first := ""
	for k, v := range labels {
		if label := k + "=" + v; first == "" || label < first {
			first = label
		}
	}
	return namespace + "\x00" + first
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
	for _, r := range m.wide {
		if !m.metadata && slices.Contains(metadataAddrs(), p.Addr) {
			break // a block around a metadata service is not about it
		}
		if r.Direction == p.Direction && p.Addr.IsValid() && inBlocks(r.Peer, p.Addr) && holds(r.Ports, end) {
			return true
		}
	}
	if p.Pod == nil {
		return false
	}
	keys := []string{podKey(p.Pod.Namespace, nil)}
	for k, v := range p.Pod.Labels {
		keys = append(keys, p.Pod.Namespace+"\x00"+k+"="+v)
	}
	for _, key := range keys {
		for _, g := range m.pods[key] {
			if g.dir == p.Direction && g.end == end && hasAll(p.Pod.Labels, g.labels) {
				return true
			}
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

// firstOf is an address of a peer made of blocks.
func firstOf(p Peer) []netip.Addr {
	var list []netip.Addr
	for _, text := range p.CIDRs {
		block, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		for a, n := block.Addr(), 0; block.Contains(a) && n < maxSteps; a, n = a.Next(), n+1 {
			if inBlocks(p, a) {
				list = append(list, a)
				break
			}
		}
	}
	return list
}

// maxSteps bounds the search for an address of a block that is not excepted.
const maxSteps = 1 << 10

// maxAskedNames bounds the names of one peer that are asked about.
const maxAskedNames = 8

func fewNames(names []string) []string { return names[:min(len(names), maxAskedNames)] }
