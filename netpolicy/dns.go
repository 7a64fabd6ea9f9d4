package netpolicy

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/netpolicy/inventory"
	"github.com/lathe-build/lathe/profile"
)

// questions reads the names that were asked for.
func (c *collector) questions(list []profile.DNS) {
	for _, q := range list {
		name := dnsName(strings.ToValidUTF8(q.Name, "?"))
		if name == "" {
			continue
		}
		c.answers[name] = c.answers[name] || len(q.Answers) > 0
		t := tally{names: []string{name}}
		for _, id := range q.Seen {
			t.runs = append(t.runs, c.sources.runs[id])
			t.counted(1)
		}
		c.asked.record(c.who, q.By, nil, t)
		names := []string{name}
		for _, answer := range q.Answers { // a name among them is what the one asked for stands for
			if _, ok := parseAddr(answer); !ok {
				names = append(names, dnsName(strings.ToValidUTF8(answer, "?")))
			}
		}
		for _, answer := range q.Answers {
			if addr, ok := parseAddr(answer); ok {
				c.byAddr[addr] = append(c.byAddr[addr], names...)
			}
		}
	}
}

// isDNS reports whether f is a question to a name server.
func isDNS(f flow) bool {
	return f.dir == Egress && f.end.port == dnsPort && f.end.proto != protoSCTP
}

// asksNames gathers who asked for names: those of whom questions were seen and
// those who talked to a name server.
func (c *collector) asksNames() edge {
	asked := c.asked
	for _, edges := range []map[flow]*edge{c.edges, c.loopDNS} {
		for f, e := range edges {
			if !isDNS(f) && (f.dir == Ingress || c.kindOf(f) != PeerClusterDNS) {
				continue
			}
			if t, kept := e.allowed(); t != nil {
				m := makerKept
				if !kept {
					m = makerNone
				}
				asked.add(m, nameless(t))
				continue
			}
			for _, m := range []maker{makerDropped, makerForeign} {
				if e[m] != nil {
					asked.add(m, nameless(e[m]))
				}
			}
		}
	}
	return asked
}

// nameless is t without the names of the peer, which here is a name server.
func nameless(t *tally) *tally {
	n := *t
	n.names = nil
	return &n
}

// clusterDNS is the peer that answers for a cluster's names, and its port.
func clusterDNS(where ClusterDNS) (Peer, uint16) {
	if where == OpenShiftDNS {
		return Peer{
			Kind:        PeerClusterDNS,
			Namespace:   "openshift-dns",
			PodSelector: map[string]string{"dns.operator.openshift.io/daemonset-dns": "default"},
		}, openShiftDNSPort
	}
	return Peer{
		Kind:        PeerClusterDNS,
		Namespace:   "kube-system",
		PodSelector: map[string]string{"k8s-app": "kube-dns"},
	}, dnsPort
}

// dnsRule adds the rule for the cluster's name servers when someone who stays
// asks for names. An unattributed question counts even beside attributed ones:
// it was another question.
func (b *builder) dnsRule() {
	asked := b.asksNames()
	var t tally
	kept := asked[makerKept] != nil
	if kept {
		t.add(asked[makerKept])
	}
	if !b.opts.Strict {
		for _, m := range []maker{makerUnknown, makerNone} {
			if asked[m] != nil {
				t.add(asked[m])
				b.warnings.add(WarnAttributionUnknown, "DNS")
			}
		}
	} else if !kept && (asked[makerUnknown] != nil || asked[makerNone] != nil) {
		b.unresolved = append(b.unresolved, Unresolved{Direction: Egress, What: "DNS", Reason: reasonNoMaker, Action: actionOmitted})
	}
	if !kept && len(t.runs) == 0 && len(t.names) == 0 && len(t.observed) == 0 {
		b.dnsOmissions(asked)
		return
	}
	unknown := !b.opts.Strict && (asked[makerUnknown] != nil || asked[makerNone] != nil)
	for _, key := range b.nameServers() {
		peer := b.ids[key].peer
		peer.Names = b.withAnswers(t.names)
		var ends []endpoint
		for end := range b.dnsPeers[key] {
			ends = append(ends, dnsEnds(end.port)...)
		}
		for _, end := range ends {
			b.grants[flow{dir: Egress, peer: key, end: end}] = true
		}
		b.rules = append(b.rules, Rule{
			Direction: Egress,
			Peer:      peer,
			Ports:     ports(ends, nil),
			Evidence:  t.evidence(b.isKept, unknown),
			Notes:     []string{"UDP and TCP: answers that do not fit a datagram are asked for over TCP"},
		})
	}
}

// asksAt notes a name server that is asked.
func (b *builder) asksAt(f flow) {
	if b.dnsPeers[f.peer] == nil {
		b.dnsPeers[f.peer] = map[endpoint]bool{}
	}
	b.dnsPeers[f.peer][f.end] = true
}

// nameServers are the identities of the cluster's name servers: those that were
// asked, else the one that the inventory has, else the one that clusters have.
func (b *builder) nameServers() []string {
	if len(b.dnsPeers) == 0 && b.opts.Cluster != nil {
		var none tally
		for _, name := range []string{"kube-system/kube-dns", "openshift-dns/dns-default"} {
			found := b.opts.Cluster.Find(inventory.Query{Service: name, Protocol: protoUDP, Port: dnsPort})
			for _, f := range b.targets(flow{dir: Egress, end: endpoint{protoUDP, dnsPort}}, found.Targets, &none) {
				b.asksAt(f)
			}
		}
	}
	if len(b.dnsPeers) == 0 {
		peer, port := clusterDNS(b.opts.ClusterDNS)
		b.asksAt(flow{dir: Egress, peer: b.remember(identity{peer: peer}), end: endpoint{protoUDP, port}})
	}
	return slices.Sorted(maps.Keys(b.dnsPeers))
}

// withAnswers are names without those that a search list made.
func (b *builder) withAnswers(names []string) []string {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = b.answers[name]
	}
	return withoutSearch(set)
}

// dnsOmissions lists the questions of those who do not stay.
func (b *builder) dnsOmissions(asked edge) {
	for _, m := range []maker{makerDropped, makerForeign} {
		t := asked[m]
		if t == nil {
			continue
		}
		om := Omission{
			Direction:   Egress,
			Peer:        Peer{Kind: PeerNames, Names: b.withAnswers(t.names)},
			Ports:       ports(dnsEnds(dnsPort), nil),
			Executables: sorted(t.keys),
			Reason:      strings.Join(sorted(t.reasons), ", "),
		}
		if m == makerDropped {
			b.tightened = append(b.tightened, om)
		} else {
			b.foreign = append(b.foreign, om)
			b.warnings.add(WarnForeign, some(om.Executables, shownPerWarning)+" asked for names")
		}
	}
}

// namesOf are the names of addr: those that the recorder gave the peer, and the
// questions that it answered. They come sorted.
func (c *collector) namesOf(addr netip.Addr, given []string) []string {
	known := c.answered[addr]
	if known == nil && len(c.byAddr[addr]) > 0 {
		known = sorted(c.byAddr[addr])
		c.answered[addr] = known
	}
	if len(given) == 0 {
		return known
	}
	return sorted(append(slices.Clone(given), known...))
}
