package netpolicy

import (
	"fmt"
	"net/netip"
	"strings"
)

// allowIngress opens a port to those who were seen to connect and can be named.
// Where there is none, an option says to whom. Sources that nothing identifies
// (a test harness, a bridge's gateway) are no sources of a policy.
func (b *builder) allowIngress(rules, omitted clusters, f flow, t *tally, kept bool) {
	what := b.text(f)
	known := false
	for source, e := range b.clients[f] {
		st, sourceKept := e.allowed()
		if st == nil || b.opts.Strict && !sourceKept {
			continue
		}
		known = true
		part := *st
		part.observed = t.observed
		b.grants[source] = true
		rules.add(peerKey{dir: Ingress, kind: b.kindOf(source), addr: source.addr, peer: source.peer}, []endpoint{f.end}, &part, !sourceKept)
	}
	if known {
		for source := range b.strangers[f] {
			if source.addr.IsValid() {
				b.warnings.add(WarnSourceOmitted, fmt.Sprintf("%s to %s", source.addr, f))
				b.unresolved = append(b.unresolved, Unresolved{Direction: Ingress, What: source.String(), Reason: b.unknownWhy(source, PeerPrivate), Action: actionOmitted})
			}
		}
		return
	}
	switch b.opts.IngressFrom {
	case FromNobody:
		b.warnings.add(WarnIngressDenied, what)
		b.leaveOut(omitted, f, t, "no source is known")
	case FromNamespace:
		g := f
		g.peer = b.remember(identity{peer: Peer{Kind: PeerNamespace, Namespace: b.namespace}})
		b.grants[g] = true
		rules.add(peerKey{dir: Ingress, kind: PeerNamespace, peer: g.peer}, []endpoint{f.end}, t, !kept)
		b.warnings.add(WarnIngressSource, what)
	case FromAnywhere:
		b.grants[f] = true
		rules.add(peerKey{dir: Ingress, kind: PeerAny, makers: strings.Join(sorted(t.keys), "\n")}, []endpoint{f.end}, t, !kept)
		b.warnings.add(WarnIngressSource, what)
	}
}

// internet is every public address, and what is none of it: the blocks that
// RFC 6890 and its registries keep from public use.
func internet() (cidrs, except []string) {
	return []string{"0.0.0.0/0", "::/0"}, []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
		"::1/128", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8",
	}
}

// inBlocks reports whether a peer made of blocks holds addr.
func inBlocks(p Peer, addr netip.Addr) bool { return blocksOfPeer(&p).hold(addr) }

// addressCount is how many addresses blocks hold, for people.
func addressCount(cidrs []string) string {
	n := 0
	for _, text := range cidrs {
		block, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		if bits := block.Addr().BitLen() - block.Bits(); bits < 31 {
			n += 1 << bits
		} else {
			return "more than 2,000,000,000 addresses"
		}
	}
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
