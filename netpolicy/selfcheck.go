package netpolicy

import (
	"errors"
	"fmt"
	"net/netip"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/lathe-build/lathe/netpolicy/cilium"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/netpolicy/inventory"
)

// selfCheck renders h in every form as it will be written and holds each against
// what it was made of.
func (b *builder) selfCheck(h *Hint) error {
	if len(h.PolicyTypes) == 0 {
		return nil // nothing is restricted, nothing is written
	}
	probe := *h
	if len(probe.Workload.PodSelector) == 0 {
		probe.Workload.PodSelector = map[string]string{"app": "any"}
		probe.Workload.Name = "any"
	}
	if err := validate(probe.render("")); err != nil {
		return fmt.Errorf("%w: %w", ErrSelfCheck, err)
	}
	for _, form := range Forms() {
		e, err := probe.evaluator(form)
		if errors.Is(err, ErrTooLarge) {
			continue // which is said where it is rendered
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrSelfCheck, form, err)
		}
		if err := b.judge(h, form, e); err != nil {
			return fmt.Errorf("%s: %w", form, err)
		}
	}
	return nil
}

// judge asks a policy about everything that is known about the workload.
func (b *builder) judge(h *Hint, form Form, e *evaluate.Evaluator) error {
	m := newMeant(b.grants, b.ids, h.Rules)
	m.metadata = b.opts.AllowMetadata
	j := judge{e: e, meant: m, hint: h, form: form}
	for f := range b.grants {
		for _, p := range b.packets(f) {
			j.want(p, true, "observed")
			b.neighbours(&j, p)
		}
	}
	for _, list := range [][]flow{b.denied, b.failed} {
		for _, f := range list {
			for _, p := range b.packets(f) {
				p.Names = nil // an address may have a name that somebody who stays needs
				j.want(p, false, "omitted")
			}
		}
	}
	b.clusterDNSWorks(&j)
	b.canaries(&j)
	return j.err
}

// judge compares answers with what is meant.
type judge struct {
	e     *evaluate.Evaluator
	meant *meant
	hint  *Hint
	form  Form
	err   error // the first that is wrong
}

// want asks about p. What is not to be allowed for one reason may be for
// another, and a direction that is not restricted allows everything.
func (j *judge) want(p evaluate.Packet, allow bool, why string) {
	if j.form == Core {
		p.Names = nil // it knows addresses only
	}
	if j.err != nil || !allow && (!j.hint.Restricts(p.Direction) || j.meant.allows(p)) {
		return
	}
	if j.e.Allows(p) == allow {
		return
	}
	verb := map[bool]string{true: "denied", false: "allowed"}[allow]
	j.err = fmt.Errorf("%w: %s %s is %s: %s", ErrSelfCheck, p.Direction, packetText(p), verb, why)
}

func packetText(p evaluate.Packet) string {
	end := endpoint{p.Protocol, p.Port}
	switch {
	case p.Pod != nil:
		return fmt.Sprintf("pod %s/%s %s", p.Pod.Namespace, labelText(p.Pod.Labels), end)
	case p.Addr.IsValid():
		return p.Addr.String() + " " + end.String()
	}
	return end.String()
}

// maxSamples bounds the pods of one peer that are asked about.
const maxSamples = 4

// packets are attempts of f as a policy sees them.
func (b *builder) packets(f flow) []evaluate.Packet {
	p := evaluate.Packet{Direction: f.dir, Addr: f.addr, Protocol: f.end.proto, Port: f.end.port}
	if f.addr.IsValid() {
		p.Names = b.named[f.addr]
	}
	id := b.ids[f.peer]
	if id == nil {
		return []evaluate.Packet{p}
	}
	switch id.peer.Kind {
	case PeerPods, PeerClusterDNS, PeerNamespace:
		return b.podPackets(p, id, f)
	case PeerAPIServer:
		p.Entities = []string{cilium.EntityAPIServer}
	case PeerNodes:
		p.Entities = []string{cilium.EntityRemoteNode}
	case PeerMapped:
		var list []evaluate.Packet
		for _, a := range firstOf(id.peer) {
			q := p
			q.Addr = a
			list = append(list, q)
		}
		return list
	case PeerAny, PeerExternal, PeerInternet, PeerPrivate, PeerLinkLocal, PeerMetadata, PeerResolver, PeerEndpoints, PeerNames:
	}
	return []evaluate.Packet{p}
}

// podPackets are attempts to pods that the inventory has, or to one as its
// labels say.
func (b *builder) podPackets(p evaluate.Packet, id *identity, f flow) []evaluate.Packet {
	var list []evaluate.Packet
	for _, pod := range id.pods[:min(len(id.pods), maxSamples)] {
		if name := id.names[f.end]; name != "" && pod.Ports[f.end.proto+"/"+name] != f.end.port {
			continue
		}
		q := p
		q.Pod = b.pod(pod.Namespace, pod.Labels)
		q.Pod.Ports = pod.Ports
		list = append(list, q)
	}
	if len(list) == 0 {
		labels := id.peer.PodSelector
		if len(labels) == 0 {
			labels = map[string]string{"app": "any"}
		}
		p.Pod = b.pod(id.peer.Namespace, labels)
		p.Pod.Ports = map[string]uint16{f.end.proto + "/" + id.names[f.end]: f.end.port}
		list = append(list, p)
	}
	return list
}

// pod is a pod as policies know it.
func (b *builder) pod(namespace string, set map[string]string) *evaluate.Pod {
	names := map[string]string{namespaceLabel: namespace}
	if b.opts.Cluster != nil {
		names = b.opts.Cluster.NamespaceLabels(namespace)
	}
	return &evaluate.Pod{Namespace: namespace, NamespaceLabels: names, Labels: labels.Set(set), Local: namespace == b.namespace}
}

// neighbours are the addresses, ports and pods around an allowed one: a policy
// that is wider than its evidence allows one of them.
func (b *builder) neighbours(j *judge, p evaluate.Packet) {
	const why = "it is next to something observed"
	next := p
	next.Names, next.Entities = nil, nil
	for _, addr := range []netip.Addr{p.Addr.Prev(), p.Addr.Next()} {
		if next.Addr = addr; addr.IsValid() {
			j.want(next, false, why)
		}
	}
	for _, port := range []int{int(p.Port) - 1, int(p.Port) + 1} {
		if port > 0 && port <= 65535 {
			next = p
			next.Port = uint16(port)
			j.want(next, false, why)
		}
	}
	if p.Pod == nil {
		return
	}
	next = p
	next.Pod = b.pod("lathe-other-namespace", p.Pod.Labels)
	next.Pod.Ports = p.Pod.Ports
	j.want(next, false, why)
	next.Pod = b.pod(p.Pod.Namespace, map[string]string{"lathe.dev/other": "pod"})
	next.Pod.Ports = p.Pod.Ports
	j.want(next, false, why)
}

// clusterDNSWorks asks about name servers when there is no rule for them: nobody
// who stays asks for names.
func (b *builder) clusterDNSWorks(j *judge) {
	peer, port := clusterDNS(b.opts.ClusterDNS)
	for _, end := range dnsEnds(port) {
		j.want(evaluate.Packet{Direction: Egress, Pod: b.pod(peer.Namespace, peer.PodSelector), Protocol: end.proto, Port: end.port}, false, "the cluster's name servers")
	}
}

// canaries are what no policy may allow that no evidence asks for: metadata
// services, the API server, addresses all over the world, ports that attackers
// and operators like, and pods of the inventory.
func (b *builder) canaries(j *judge) {
	const why = "nobody asked for it"
	addrs := metadataAddrs()
	for _, s := range []string{"1.1.1.1", "8.8.8.8", "10.96.0.1", "192.0.2.77", "198.51.100.77", "203.0.113.77", "2001:db8:ffff::77", "2606:4700:4700::1111", "fd12:3456:789a::1"} {
		addrs = append(addrs, netip.MustParseAddr(s))
	}
	ends := []endpoint{{protoTCP, 22}, {protoTCP, 80}, {protoTCP, 443}, {protoTCP, 4444}, {protoTCP, 6443}, {protoUDP, 53}, {protoUDP, 443}, {protoSCTP, 36412}}
	var pods []*inventory.Pod
	if b.opts.Cluster != nil {
		pods = b.opts.Cluster.Pods()
		pods = pods[:min(len(pods), maxCanaryPods)]
	}
	for _, end := range ends {
		p := evaluate.Packet{Direction: Ingress, Protocol: end.proto, Port: end.port}
		j.want(p, false, why)
		p.Direction = Egress
		j.want(evaluate.Packet{Direction: Egress, Entities: []string{cilium.EntityAPIServer}, Protocol: end.proto, Port: end.port}, b.grantsTo(j, PeerAPIServer, end), why)
		for _, p.Addr = range addrs {
			j.want(p, false, why)
		}
		p.Addr = netip.Addr{}
		for _, pod := range pods {
			p.Pod = b.pod(pod.Namespace, pod.Labels)
			p.Pod.Ports = pod.Ports
			for _, p.Direction = range []Direction{Ingress, Egress} {
				j.want(p, false, why)
			}
		}
	}
}

// maxCanaryPods bounds the pods of the inventory that are asked about.
const maxCanaryPods = 2000

// grantsTo reports whether a rule is for the kind: in Cilium's form the API
// server and nodes are entities, not addresses.
func (b *builder) grantsTo(j *judge, kind PeerKind, end endpoint) bool {
	if !j.hint.Restricts(Egress) {
		return true
	}
	for _, r := range j.hint.Rules {
		if r.Peer.Kind == kind && holds(r.Ports, end) && j.e.Allows(evaluate.Packet{Direction: Egress, Entities: []string{cilium.EntityAPIServer}, Protocol: end.proto, Port: end.port}) {
			return true
		}
	}
	return false
}
