package netpolicy

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// selfCheck renders h as it will be written and holds it against what it was
// made of.
func (b *builder) selfCheck(h *Hint) error {
	if len(h.PolicyTypes) == 0 {
		return nil // nothing is restricted, nothing is written
	}
	probe := *h
	if len(probe.Workload.PodSelector) == 0 {
		probe.Workload.PodSelector = map[string]string{"app": "any"}
		probe.Workload.Name = "any"
	}
	sum, err := probe.digest()
	if err != nil {
		return err
	}
	np := probe.render(sum)
	if err := validate(np); err != nil {
		return fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	return b.judge(h, np)
}

// judge evaluates np on everything that is known about the workload.
func (b *builder) judge(h *Hint, np *networkingv1.NetworkPolicy) error {
	e, err := newEvaluator(np)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	want := func(p packet, allow bool, what string) error {
		if e.allows(p) == allow || !allow && !h.Restricts(p.dir) {
			return nil
		}
		verb := map[bool]string{true: "denied", false: "allowed"}[allow]
		return fmt.Errorf("%w: %s %s is %s: %s", ErrSelfCheck, p.dir, flow{p.dir, p.addr, p.end}, verb, what)
	}
	for f := range b.grants {
		if err := want(f.packet(), true, "observed"); err != nil {
			return err
		}
		if err := b.neighbours(f, want); err != nil {
			return err
		}
	}
	for _, list := range [][]flow{b.denied, b.failed} {
		for _, f := range list {
			if b.grants[f] {
				continue
			}
			if err := want(f.packet(), false, "omitted"); err != nil {
				return err
			}
		}
	}
	if err := clusterDNSWorks(h, want); err != nil {
		return err
	}
	for _, p := range b.canaries() {
		if err := want(p, false, "nobody asked for it"); err != nil {
			return err
		}
	}
	return nil
}

func (f flow) packet() packet { return packet{dir: f.dir, addr: f.addr, end: f.end} }

// neighbours are the addresses and ports around an allowed one: a policy that
// is wider than its evidence allows one of them.
func (b *builder) neighbours(f flow, want func(packet, bool, string) error) error {
	around := []flow{}
	if f.addr.IsValid() {
		around = append(around, flow{f.dir, f.addr.Prev(), f.end}, flow{f.dir, f.addr.Next(), f.end})
	}
	for _, port := range []int{int(f.end.port) - 1, int(f.end.port) + 1} {
		if port > 0 && port <= 65535 {
			around = append(around, flow{f.dir, f.addr, endpoint{f.end.proto, uint16(port)}})
		}
	}
	for _, n := range around {
		if n.addr.IsValid() != f.addr.IsValid() || b.grants[n] {
			continue
		}
		if err := want(n.packet(), false, "it is next to something observed"); err != nil {
			return err
		}
	}
	return nil
}

// clusterDNSWorks checks the rule that is not made of addresses, from both
// sides: the cluster's name servers are reachable, other pods are not.
func clusterDNSWorks(h *Hint, want func(packet, bool, string) error) error {
	i := slices.IndexFunc(h.Rules, func(r Rule) bool { return r.Peer.Kind == PeerClusterDNS })
	peer, port := clusterDNS(KubeDNS)
	if i >= 0 {
		peer, port = h.Rules[i].Peer, uint16(h.Rules[i].Ports[0].Port)
	}
	for _, end := range dnsEnds(port) {
		p := packet{dir: Egress, end: end, pod: labels.Set(peer.PodSelector), namespace: labels.Set{namespaceLabel: peer.Namespace}}
		if err := want(p, i >= 0, "the cluster's name servers"); err != nil {
			return err
		}
		for _, other := range []packet{
			{pod: labels.Set{"app": "other"}, namespace: p.namespace},
			{pod: p.pod, namespace: labels.Set{namespaceLabel: "default"}, local: true},
		} {
			other.dir, other.end = Egress, end
			if err := want(other, false, "a pod that is no name server"); err != nil {
				return err
			}
		}
	}
	return nil
}

// canaries are what no policy may allow that no evidence asks for: metadata
// services, addresses all over the world, ports that attackers and operators
// like.
func (b *builder) canaries() []packet {
	addrs := metadataAddrs()
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "10.96.0.1", "192.0.2.77", "198.51.100.77", "203.0.113.77", "2001:db8:ffff::77", "2606:4700:4700::1111", "fd12:3456:789a::1"} {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	ends := []endpoint{{protoTCP, 22}, {protoTCP, 80}, {protoTCP, 443}, {protoTCP, 4444}, {protoTCP, 6443}, {protoUDP, 53}, {protoUDP, 443}, {protoSCTP, 36412}}
	var list []packet
	for _, end := range ends {
		if f := (flow{dir: Ingress, end: end}); !b.grants[f] {
			list = append(list, f.packet())
		}
		for _, addr := range addrs {
			if f := (flow{dir: Egress, addr: addr, end: end}); !b.grants[f] {
				list = append(list, f.packet())
			}
		}
	}
	return list
}
