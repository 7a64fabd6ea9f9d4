package netpolicy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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
	grants    map[flow]bool // every flow that some rule is meant to allow
	denied    []flow        // flows that were omitted on purpose
}

func newBuilder(c *collector) *builder {
	return &builder{collector: c, grants: map[flow]bool{}}
}

// peerKey is what flows that are reported together have in common.
type peerKey struct {
	kind   PeerKind
	addr   netip.Addr
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
	allowed, tightened, foreign := clusters{}, clusters{}, clusters{}
	for f, e := range b.edges {
		t, kept := e.allowed()
		if t == nil {
			continue
		}
		b.allow(allowed, f, t, kept)
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
	b.tightened = append(b.tightened, omissions(tightened)...)
	b.foreign = append(b.foreign, omissions(foreign)...)
	return b.finish()
}

// allow sorts a flow that somebody needs among the rules.
func (b *builder) allow(rules clusters, f flow, t *tally, kept bool) {
	what := f.String()
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
		b.grants[f] = true
		rules.add(peerKey{kind: PeerAny, makers: strings.Join(sorted(t.keys), "\n")}, []endpoint{f.end}, t, !kept)
		b.warnings.add(WarnIngressSource, what)
		return
	}
	key := peerKey{kind: b.special.kind(f.addr), addr: f.addr}
	ends := []endpoint{f.end}
	switch {
	case key.kind == PeerMetadata:
		b.warnings.add(WarnMetadata, what)
		if !b.opts.AllowMetadata {
			b.denied = append(b.denied, f)
			b.ignore(Egress, what, "metadata service, not allowed")
			return
		}
	case isDNS(f):
		if key.kind == PeerExternal {
			b.warnings.add(WarnExternalResolver, f.addr.String())
		}
		if key.kind == PeerPrivate { // a link-local one is the node's own resolver, wherever the pod runs
			b.unresolvedAddr(key.kind, f)
		}
		key.kind, ends = PeerResolver, dnsEnds(dnsPort)
	default:
		b.unresolvedAddr(key.kind, f)
	}
	if v4, ok := b.special.embedded(f.addr); ok {
		t.notes = append(t.notes, fmt.Sprintf("%s is the NAT64 address of %s", f.addr, v4))
	}
	for _, end := range ends {
		b.grants[flow{dir: f.dir, addr: f.addr, end: end}] = true
	}
	rules.add(key, ends, t, !kept)
}

// unresolvedAddr lists an address of a kind that means something else elsewhere.
func (b *builder) unresolvedAddr(kind PeerKind, f flow) {
	if kind != PeerPrivate && kind != PeerLinkLocal {
		return
	}
	b.warnings.add(WarnAddressUnresolved, f.String())
	b.unresolved = append(b.unresolved, Unresolved{
		Direction: f.dir, What: f.String(), Reason: string(kind) + " address, no inventory", Action: actionAddress,
	})
}

// omit sorts what t says of a flow that nobody who stays needs.
func (b *builder) omit(list clusters, f flow, t *tally) {
	if t == nil {
		return
	}
	b.denied = append(b.denied, f)
	key := peerKey{kind: PeerAny, makers: strings.Join(sorted(t.keys), "\n")}
	if f.dir == Egress {
		key.kind, key.addr = b.special.kind(f.addr), f.addr
		t.names = b.namesOf(f.addr, t.names)
	}
	list.add(key, []endpoint{f.end}, t, false)
	if slices.Contains(t.reasons, "executable-removed") {
		return
	}
	b.warnings.add(WarnForeign, fmt.Sprintf("%s: %s %s", some(sorted(t.keys), 1), f.dir, f))
}

// joined puts clusters of the same kind, names, makers and ports together, in a
// fixed order.
func (cs clusters) joined() []*cluster {
	groups := map[string]*cluster{}
	for _, c := range cs {
		var id strings.Builder
		fmt.Fprintf(&id, "%s\x00%s\x00%s\x00", c.kind, c.makers, strings.Join(sorted(c.tally.names), "\n"))
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
		b.rules = append(b.rules, Rule{
			Direction: directionOf(g.kind),
			Peer:      Peer{Kind: g.kind, CIDRs: cidrs(g.addrs), Names: names},
			Ports:     ports(g.ends),
			Evidence:  g.tally.evidence(b.isKept, g.unknown),
			Notes:     sorted(g.tally.notes),
		})
		if g.kind == PeerExternal && len(names) > 0 && len(g.addrs) > 1 {
			b.warnings.add(WarnAddressChurn, fmt.Sprintf("%s (%d addresses)", some(names, shownPerWarning), len(g.addrs)))
		}
	}
}

// directionOf is the direction of rules for peers of kind.
func directionOf(kind PeerKind) Direction {
	if kind == PeerAny {
		return Ingress
	}
	return Egress
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
func omissions(cs clusters) []Omission {
	var out []Omission
	for _, g := range cs.joined() {
		out = append(out, Omission{
			Direction:   directionOf(g.kind),
			Peer:        Peer{Kind: g.kind, CIDRs: cidrs(g.addrs), Names: sorted(g.tally.names)},
			Ports:       ports(g.ends),
			Executables: sorted(g.tally.keys),
			Reason:      strings.Join(sorted(g.tally.reasons), ", "),
		})
	}
	return out
}

// finish gives the rules their ids and order.
func (b *builder) finish() error {
	for i := range b.rules {
		id, err := ruleID(b.rules[i])
		if err != nil {
			return err
		}
		b.rules[i].ID = id
	}
	slices.SortFunc(b.rules, func(x, y Rule) int {
		return cmp.Or(-cmp.Compare(x.Direction, y.Direction), comparePeers(x.Peer, y.Peer), comparePorts(x.Ports, y.Ports), cmp.Compare(x.ID, y.ID))
	})
	for _, list := range [][]Omission{b.tightened, b.foreign} {
		slices.SortFunc(list, func(x, y Omission) int {
			return cmp.Or(-cmp.Compare(x.Direction, y.Direction), comparePeers(x.Peer, y.Peer), comparePorts(x.Ports, y.Ports), slices.Compare(x.Executables, y.Executables))
		})
	}
	return nil
}

// ruleID is made of what a rule allows, not of its evidence, so that a rule
// keeps its id from one profile to the next.
func ruleID(r Rule) (string, error) {
	r.Peer.Names = nil
	allows, err := json.Marshal(struct {
		Direction Direction
		Peer      Peer
		Ports     []Port
	}{r.Direction, r.Peer, r.Ports})
	if err != nil {
		return "", fmt.Errorf("encoding rule: %w", err)
	}
	sum := sha256.Sum256(allows)
	return string(r.Direction[:1]) + "-" + hex.EncodeToString(sum[:8]), nil
}

// comparePeers orders peers by kind, first address and names.
func comparePeers(a, b Peer) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), firstAddr(a).Compare(firstAddr(b)), slices.Compare(a.CIDRs, b.CIDRs), slices.Compare(a.Names, b.Names))
}

func firstAddr(p Peer) netip.Addr {
	if len(p.CIDRs) == 0 {
		return netip.Addr{}
	}
	prefix, err := netip.ParsePrefix(p.CIDRs[0])
	if err != nil {
		return netip.Addr{}
	}
	return prefix.Addr()
}

func comparePorts(a, b []Port) int {
	return slices.CompareFunc(a, b, func(x, y Port) int {
		return cmp.Or(cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Port, y.Port), cmp.Compare(x.EndPort, y.EndPort))
	})
}
