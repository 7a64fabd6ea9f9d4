package netpolicy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/netpolicy/inventory"
	"github.com/lathe-build/lathe/profile"
)

// identity is what an address was found to be.
type identity struct {
	peer  Peer                // without addresses, unless they do not come from flows
	names map[endpoint]string // ports that have a name
	pods  []*inventory.Pod    // that the labels select now
	omit  string              // why there is to be no rule
}

// key names an identity: two of the same key are the same peer of a rule.
func (id identity) key() string {
	p := id.peer
	return strings.Join([]string{string(p.Kind), p.Namespace, labelText(p.PodSelector), strings.Join(p.CIDRs, " "), strings.Join(p.Via, " "), id.omit}, "\x00")
}

// labelText writes labels as kubectl takes them, sorted.
func labelText(set map[string]string) string {
	parts := make([]string, 0, len(set))
	for _, k := range slices.Sorted(maps.Keys(set)) {
		parts = append(parts, k+"="+set[k])
	}
	return strings.Join(parts, ",")
}

// remember keeps an identity and gives its key. What led to pods is no part of
// it: pods behind two Services, or found by address, are the same pods.
func (c *collector) remember(id identity) string {
	via := id.peer.Via
	if !id.peer.Kind.byBlocks() {
		id.peer.Via = nil
	}
	key := id.key()
	old := c.ids[key]
	if old == nil {
		id.peer.Via = sorted(via)
		c.ids[key] = &id
		return key
	}
	old.peer.Via = sorted(append(old.peer.Via, via...))
	for end, name := range id.names {
		if old.names == nil {
			old.names = map[endpoint]string{}
		}
		old.names[end] = name
	}
	return key
}

// kindOf is what the peer of f is.
func (c *collector) kindOf(f flow) PeerKind {
	switch {
	case f.peer != "":
		return c.ids[f.peer].peer.Kind
	case f.dir == Ingress:
		return PeerAny
	}
	return c.special.kind(f.addr)
}

// identify turns an observed destination into what a policy sees of it: a
// mapping goes before the inventory, that before what the profile says. A
// metadata service is never anything else.
func (c *collector) identify(f flow, e profile.Connect, t *tally) []flow {
	if f.addr.IsValid() && c.special.kind(f.addr) == PeerMetadata {
		return []flow{f}
	}
	var names []string
	if c.opts.Cluster != nil || c.opts.Mapping != nil {
		names = append(slices.Clone(t.names), c.namesOf(f.addr, nil)...)
		names = sorted(names[:min(len(names), maxLookedUp)])
	}
	var found inventory.Found
	if c.opts.Cluster != nil {
		found = c.opts.Cluster.Find(inventory.Query{
			Addr: f.addr, Protocol: f.end.proto, Port: f.end.port, Names: names, Service: e.Via.Service, First: t.first, Last: t.last,
		})
		t.names = append(t.names, found.Aliases...)
	}
	if entry, ok := c.opts.Mapping.Find(f.addr, names); ok {
		if len(found.Targets) > 0 {
			c.warnings.add(WarnPeersConflict, fmt.Sprintf("%s is %s in the inventory and %s by hand", f, found.Targets[0].Via, clip(entry.Name, maxShown)))
		}
		return c.mapped(f, entry, t)
	}
	if flows := c.targets(f, found.Targets, t); len(flows) > 0 {
		return flows
	}
	if found.Problem != "" {
		c.problems[f] = found.Problem
		if strings.HasPrefix(found.Problem, "ambiguous") {
			c.warnings.add(WarnAmbiguous, f.String()+": "+found.Problem)
		}
	}
	if labels := stableLabels(e.Peer.K8s.Labels); len(labels) > 0 && e.Peer.K8s.Namespace != "" && e.Peer.K8s.Kind != "Service" && checkLabels(labels) == nil {
		id := identity{peer: Peer{Kind: PeerPods, Namespace: e.Peer.K8s.Namespace, PodSelector: labels, Via: []string{"labels in the profile"}}}
		if isDNS(f) {
			id.peer.Kind = PeerClusterDNS
		}
		return []flow{{dir: f.dir, peer: c.remember(id), end: f.end}}
	}
	return []flow{f}
}

// maxLookedUp bounds the names of one address that are looked up.
const maxLookedUp = 64

// maxLed bounds the addresses and ports that the inventory leads to in all, but
// for one of each connection: a policy has room for far less.
const maxLed = 300_000

// maxLedTo bounds the ports that a note names.
const maxLedTo = 8

// targets are the flows to what the inventory found: none where it found nothing,
// or where there is no room left.
func (c *collector) targets(f flow, list []inventory.Target, t *tally) []flow {
	for _, target := range list {
		c.led += max(1, len(target.Ports)*len(target.Addrs)) - 1
	}
	if c.led > maxLed {
		c.problems[f] = fmt.Sprintf("the inventory leads to more than %d addresses and ports in all", maxLed)
		return nil
	}
	var flows []flow
	for _, target := range list {
		id := identity{peer: Peer{Kind: PeerKind(target.Kind), Via: []string{target.Via}}}
		if target.Kind == inventory.Pods {
			if isDNS(f) {
				id.peer.Kind = PeerClusterDNS
			}
			id.peer.Namespace, id.peer.PodSelector, id.pods = target.Namespace, target.Labels, target.Pods
		}
		if target.Kind == inventory.Nodes {
			c.warnings.add(WarnHostNetwork, f.String()+": "+target.Via)
			id.peer.Via = nil // the addresses of all nodes are one peer
		}
		ends := c.translated(f, target, &id, t)
		key := c.remember(id)
		for _, end := range ends {
			if target.Kind == inventory.Pods {
				flows = append(flows, flow{dir: f.dir, peer: key, end: end})
				continue
			}
			for _, addr := range target.Addrs {
				flows = append(flows, flow{dir: f.dir, addr: addr, peer: key, end: end})
			}
		}
	}
	return flows
}

// translated are the ports that a target listens on for the port of f.
func (c *collector) translated(f flow, target inventory.Target, id *identity, t *tally) []endpoint {
	ends := []endpoint{}
	var moved []string
	for _, p := range target.Ports {
		end := endpoint{f.end.proto, p.Number}
		ends = append(ends, end)
		if p.Name != "" {
			id.names = map[endpoint]string{end: p.Name}
		}
		if end != f.end {
			moved = append(moved, strconv.Itoa(int(p.Number)))
		}
	}
	if n := len(moved); n > 0 {
		moved = moved[:min(n, maxLedTo)]
		note := fmt.Sprintf("%s: port %d leads to port %s", target.Via, f.end.port, strings.Join(moved, ", "))
		if n > len(moved) {
			note += fmt.Sprintf(" and %d more", n-len(moved))
		}
		t.notes = append(t.notes, note)
	}
	if len(moved) > 0 && c.opts.PreDNAT && !slices.Contains(ends, f.end) {
		ends = append(ends, f.end)
	}
	return ends
}

// mapped is the flow to what a mapping by hand says.
func (c *collector) mapped(f flow, entry inventory.Entry, t *tally) []flow {
	via := "mapping"
	if entry.Name != "" {
		via += " " + strings.ToValidUTF8(clip(entry.Name, maxShown), "?")
	}
	id := identity{peer: Peer{Via: []string{via}}}
	g := flow{dir: f.dir, end: f.end}
	switch entry.Action {
	case inventory.ActionPods:
		id.peer.Kind, id.peer.Namespace, id.peer.PodSelector = PeerPods, entry.Namespace, entry.PodSelector
		if isDNS(f) {
			id.peer.Kind = PeerClusterDNS
		}
		if to := entry.TargetPorts[strconv.Itoa(int(f.end.port))]; to != 0 {
			g.end.port = uint16(to) //nolint:gosec // a port
			t.notes = append(t.notes, fmt.Sprintf("%s: port %d leads to port %d", via, f.end.port, to))
		}
	case inventory.ActionAddresses:
		id.peer.Kind, id.peer.CIDRs = PeerMapped, c.withoutMetadata(entry.CIDRs)
		id.peer.Except = c.exceptions(id.peer.CIDRs)
		if len(id.peer.CIDRs) == 0 {
			id.peer.Kind, id.omit, g.addr = PeerMetadata, "metadata service, not allowed", f.addr
		}
	case inventory.ActionOmit:
		id.peer.Kind, id.omit = c.kindWithout(f), "omitted by hand"
		g.addr = f.addr
	default:
		if !f.addr.IsValid() {
			return []flow{f}
		}
		id.peer.Kind, g.addr = PeerKind(entry.Action), f.addr
	}
	g.peer = c.remember(id)
	return []flow{g}
}

// kindWithout is the kind of a peer that nothing identifies.
func (c *collector) kindWithout(f flow) PeerKind {
	if !f.addr.IsValid() {
		return PeerNames
	}
	return c.special.kind(f.addr)
}

// withoutMetadata are blocks that are more than a metadata service.
func (c *collector) withoutMetadata(cidrs []string) []string {
	return slices.DeleteFunc(sorted(cidrs), func(text string) bool {
		block, err := netip.ParsePrefix(text)
		return err == nil && block.IsSingleIP() && c.special.metadata[block.Addr()] && !c.opts.AllowMetadata
	})
}

// exceptions are the metadata services inside blocks that were named by hand.
func (c *collector) exceptions(cidrs []string) []string {
	var out []string
	if c.opts.AllowMetadata {
		return nil
	}
	for _, text := range cidrs {
		block, err := netip.ParsePrefix(text)
		if err != nil {
			continue // the mapping checked them
		}
		for _, a := range metadataAddrs() {
			if p := netip.PrefixFrom(a, a.BitLen()); block.Contains(a) {
				out = append(out, p.String())
			}
		}
	}
	return sorted(out)
}

// source identifies who connected to us.
func (c *collector) source(end endpoint, peer profile.Peer, t *tally) (flow, bool) {
	addr, ok := parseAddr(peer.IP)
	if !ok {
		addr = netip.Addr{}
	}
	f := flow{dir: Ingress, addr: addr, end: end}
	if entry, ok := c.opts.Mapping.Find(addr, peer.Names); ok {
		g := c.mapped(f, entry, t)[0]
		g.end = end
		return g, g.peer != "" && c.ids[g.peer].omit == ""
	}
	if c.opts.Cluster != nil && addr.IsValid() {
		found := c.opts.Cluster.Find(inventory.Query{Addr: addr, Protocol: end.proto, Port: end.port, First: t.first, Last: t.last, Source: true})
		if flows := c.targets(f, found.Targets, t); len(flows) > 0 {
			return flows[0], true
		}
		if found.Problem != "" {
			c.problems[f] = found.Problem
		}
	}
	if labels := stableLabels(peer.K8s.Labels); len(labels) > 0 && peer.K8s.Namespace != "" && peer.K8s.Kind != "Service" && checkLabels(labels) == nil {
		id := identity{peer: Peer{Kind: PeerPods, Namespace: peer.K8s.Namespace, PodSelector: labels, Via: []string{"labels in the profile"}}}
		return flow{dir: Ingress, peer: c.remember(id), end: end}, true
	}
	return f, false
}
