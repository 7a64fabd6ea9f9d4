package netpolicy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

const reasonNoMaker = "no executable is known"

// builder makes rules and omissions of what a collector gathered.
type builder struct {
	*collector
	rules     []Rule
	tightened []Omission
	foreign   []Omission
	omitted   []Omission
	grants    map[flow]bool // every flow that some rule is meant to allow
	denied    []flow        // flows that were omitted on purpose
	named     map[netip.Addr][]string
	dnsPeers  map[string]map[endpoint]bool // identities of name servers that are asked
}

func newBuilder(c *collector) *builder {
	return &builder{collector: c, grants: map[flow]bool{}, named: map[netip.Addr][]string{}, dnsPeers: map[string]map[endpoint]bool{}}
}

// peerKey is what flows that are reported together have in common.
type peerKey struct {
	dir    Direction
	kind   PeerKind
	addr   netip.Addr
	peer   string // of an identity
	makers string // of omissions, and of ingress rules
}

// cluster is flows of one peer: what they use and why they are there.
type cluster struct {
	peerKey
	addrs   []netip.Addr
	ends    []endpoint
	tally   tally
	unknown bool // not all of it is of kept executables
}

// clusters gathers flows by peer.
type clusters map[peerKey]*cluster

func (cs clusters) add(key peerKey, ends []endpoint, t *tally, unknown bool) {
	c := cs[key]
	if c == nil {
		c = &cluster{peerKey: key}
		cs[key] = c
		if key.addr.IsValid() {
			c.addrs = []netip.Addr{key.addr}
		}
	}
	c.ends = append(c.ends, ends...)
	c.tally.add(t)
	c.unknown = c.unknown || unknown
}

// build turns the gathered flows into rules and omissions.
func (b *builder) build() error {
	allowed, tightened, foreign, omitted := clusters{}, clusters{}, clusters{}, clusters{}
	for f, e := range b.edges {
		t, kept := e.allowed()
		if t == nil {
			continue
		}
		b.allow(allowed, omitted, f, t, kept)
	}
	for f, e := range b.edges {
		if t, _ := e.allowed(); t != nil || b.grants[f] {
			continue // DNS over the other transport may have been granted
		}
		b.omit(tightened, f, e[makerDropped])
		b.omit(foreign, f, e[makerForeign])
	}
	b.addRules(allowed)
	b.dnsRule()
	b.tightened = append(b.tightened, b.omissions(tightened)...)
	b.foreign = append(b.foreign, b.omissions(foreign)...)
	b.omitted = append(b.omitted, b.omissions(omitted)...)
	return b.finish()
}

// allow sorts a flow that somebody needs among the rules, or among what an
// option leaves out.
func (b *builder) allow(rules, omitted clusters, f flow, t *tally, kept bool) {
	what := b.text(f)
	if !kept {
		b.warnings.add(WarnAttributionUnknown, what)
		if b.opts.Strict {
			b.denied = append(b.denied, f)
			b.unresolved = append(b.unresolved, Unresolved{Direction: f.dir, What: what, Reason: reasonNoMaker, Action: actionOmitted})
			return
		}
	}
	for _, key := range t.keys {
		if b.who.scriptGone(key) {
			b.warnings.add(WarnScriptUnknown, key)
		}
	}
	if f.dir == Ingress {
		b.allowIngress(rules, omitted, f, t, kept)
		return
	}
	if reason := b.unwanted(f, what); reason != "" {
		b.leaveOut(omitted, f, t, reason)
		return
	}
	key, ends := peerKey{dir: Egress, kind: b.kindOf(f), addr: f.addr, peer: f.peer}, []endpoint{f.end}
	switch {
	case key.kind == PeerClusterDNS:
		b.asksAt(f)
		return
	case isDNS(f) && f.addr.IsValid():
		if key.kind == PeerExternal {
			b.warnings.add(WarnExternalResolver, f.addr.String())
		}
		if key.kind == PeerPrivate { // a link-local one is the node's own resolver, wherever the pod runs
			b.unresolvedAddr(key.kind, f)
		}
		key.kind, key.peer, ends = PeerResolver, "", dnsEnds(dnsPort)
	case key.kind == PeerExternal && b.opts.External == ExternalPorts:
		b.warnings.add(WarnExternalWide, f.end.String())
		key.kind, key.addr, key.peer = PeerInternet, netip.Addr{}, ""
	default:
		b.unresolvedAddr(key.kind, f)
	}
	if v4, ok := b.special.embedded(f.addr); ok {
		t.notes = append(t.notes, fmt.Sprintf("%s is the NAT64 address of %s", f.addr, v4))
	}
	for _, end := range ends {
		b.grants[flow{dir: f.dir, addr: f.addr, peer: f.peer, end: end}] = true
	}
	rules.add(key, ends, t, !kept)
}

// unwanted says why what is needed is left out all the same, or "".
func (b *builder) unwanted(f flow, what string) string {
	kind := b.kindOf(f)
	switch {
	case f.peer != "" && b.ids[f.peer].omit != "":
		return b.ids[f.peer].omit
	case kind == PeerMetadata:
		b.warnings.add(WarnMetadata, what)
		if !b.opts.AllowMetadata {
			b.ignore(Egress, what, "metadata service, not allowed")
			return "metadata service, not allowed"
		}
	case kind == PeerExternal && b.opts.External == ExternalDeny && !isDNS(f):
		return "public addresses are denied"
	case kind == PeerPrivate && b.opts.OmitUnresolved:
		b.warnings.add(WarnAddressUnresolved, what)
		b.unresolved = append(b.unresolved, Unresolved{Direction: f.dir, What: what, Reason: b.unknownWhy(f, kind), Action: actionOmitted})
		return "nothing identifies the address"
	}
	return ""
}

// leaveOut lists a flow that an option denies.
func (b *builder) leaveOut(omitted clusters, f flow, t *tally, reason string) {
	b.denied = append(b.denied, f)
	part := *t
	part.reasons = []string{reason}
	omitted.add(peerKey{dir: f.dir, kind: b.kindOf(f), addr: f.addr, peer: f.peer, makers: reason + "\n" + strings.Join(sorted(t.keys), "\n")}, []endpoint{f.end}, &part, false)
}

// unknownWhy says why nothing is known of the address of f.
func (b *builder) unknownWhy(f flow, kind PeerKind) string {
	switch {
	case b.problems[f] != "":
		return clip(b.problems[f], maxShown)
	case b.opts.Cluster != nil:
		return string(kind) + " address, not in the inventory"
	}
	return string(kind) + " address, no inventory"
}

// unresolvedAddr lists an address of a kind that means something else elsewhere.
func (b *builder) unresolvedAddr(kind PeerKind, f flow) {
	if kind != PeerPrivate && kind != PeerLinkLocal {
		return
	}
	b.warnings.add(WarnAddressUnresolved, f.String())
	b.unresolved = append(b.unresolved, Unresolved{
		Direction: f.dir, What: f.String(), Reason: b.unknownWhy(f, kind), Action: actionAddress,
	})
}

// omit sorts what t says of a flow that nobody who stays needs.
func (b *builder) omit(list clusters, f flow, t *tally) {
	if t == nil {
		return
	}
	b.denied = append(b.denied, f)
	key := peerKey{dir: f.dir, kind: b.kindOf(f), addr: f.addr, peer: f.peer, makers: strings.Join(sorted(t.keys), "\n")}
	if f.dir == Egress {
		t.names = b.namesOf(f.addr, t.names)
	}
	list.add(key, []endpoint{f.end}, t, false)
	if slices.Contains(t.reasons, "executable-removed") {
		return
	}
	b.warnings.add(WarnForeign, fmt.Sprintf("%s: %s %s", some(sorted(t.keys), 1), f.dir, b.text(f)))
}

// text names a flow for people.
func (b *builder) text(f flow) string {
	if f.peer == "" || f.addr.IsValid() {
		return f.String()
	}
	p := b.ids[f.peer].peer
	return clip(strings.Join(p.Via, ", ")+" "+f.end.String(), maxShown)
}

// joined puts clusters of the same kind, names, makers and ports together, in a
// fixed order.
func (cs clusters) joined() []*cluster {
	groups := map[string]*cluster{}
	for _, c := range cs {
		var id strings.Builder
		fmt.Fprintf(&id, "%s\x00%s\x00%s\x00%s\x00%s\x00", c.dir, c.kind, c.peer, c.makers, strings.Join(sorted(c.tally.names), "\n"))
		slices.SortFunc(c.ends, compareEndpoints)
		c.ends = slices.Compact(c.ends)
		if c.kind != PeerAny { // ports of one listener belong together
			for _, e := range c.ends {
				fmt.Fprintf(&id, "%s/%d ", e.proto, e.port)
			}
		}
		g := groups[id.String()]
		if g == nil {
			groups[id.String()] = c
			continue
		}
		g.addrs = append(g.addrs, c.addrs...)
		g.ends = append(g.ends, c.ends...)
		g.unknown = g.unknown || c.unknown
		g.tally.add(&c.tally)
	}
	return slices.Collect(maps.Values(groups))
}

// addRules makes the rules of cs.
func (b *builder) addRules(cs clusters) {
	for _, c := range cs {
		if c.addr.IsValid() {
			c.tally.names = b.namesOf(c.addr, c.tally.names)
		}
	}
	for _, g := range cs.joined() {
		names := sorted(g.tally.names)
		if g.kind == PeerExternal {
			for _, a := range g.addrs {
				b.named[a] = fewNames(names)
			}
		}
		peer := b.peerOf(g)
		b.rules = append(b.rules, Rule{
			Direction: g.dir,
			Peer:      peer,
			Ports:     ports(g.ends, b.portNames(g.peer)),
			Evidence:  g.tally.evidence(b.isKept, g.unknown),
			Notes:     b.notes(g, peer),
		})
		if g.kind == PeerExternal && len(names) > 0 && len(g.addrs) > 1 {
			b.warnings.add(WarnAddressChurn, fmt.Sprintf("%s (%d addresses)", some(names, shownPerWarning), len(g.addrs)))
		}
	}
}

// peerOf is the peer of a cluster.
func (b *builder) peerOf(g *cluster) Peer {
	peer := Peer{Kind: g.kind}
	if id := b.ids[g.peer]; id != nil {
		peer = id.peer
		peer.Kind = g.kind
	}
	if len(g.addrs) > 0 {
		peer.CIDRs = cidrs(g.addrs)
	}
	if g.kind == PeerInternet {
		peer.CIDRs, peer.Except = internet()
	}
	if g.kind == PeerNamespace {
		peer.Namespace = b.namespace
	}
	peer.Names = sorted(g.tally.names)
	return peer
}

func (b *builder) portNames(peer string) map[endpoint]string {
	if id := b.ids[peer]; id != nil {
		return id.names
	}
	return nil
}

// notes of a rule: of its flows, and how much wider than these it is.
func (b *builder) notes(g *cluster, peer Peer) []string {
	notes := sorted(g.tally.notes)
	if g.kind == PeerMapped {
		notes = append(notes, fmt.Sprintf("allows %s, observed %s", addressCount(peer.CIDRs), counted(len(sorted(g.tally.observed)), "destination")))
	}
	return notes
}

func (b *builder) isKept(key string) bool { return b.who.of(key).maker == makerKept }

func cidrs(addrs []netip.Addr) []string {
	var out []string
	for _, p := range blocks(addrs) {
		out = append(out, p.String())
	}
	return out
}

// omissions lists cs for the report.
func (b *builder) omissions(cs clusters) []Omission {
	var out []Omission
	for _, g := range cs.joined() {
		out = append(out, Omission{
			Direction:   g.dir,
			Peer:        b.peerOf(g),
			Ports:       ports(g.ends, nil),
			Executables: list(sorted(g.tally.keys)),
			Reason:      strings.Join(sorted(g.tally.reasons), ", "),
		})
	}
	return out
}
