package netpolicy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// ownAddrs are the single addresses that listeners are bound to: the pod's own.
func ownAddrs(p *profile.Profile) map[netip.Addr]bool {
	own := map[netip.Addr]bool{}
	for _, l := range p.Network.Listen {
		if a, ok := parseAddr(l.Addr); ok && !a.IsUnspecified() && !a.IsMulticast() {
			own[a] = true
		}
	}
	return own
}

// ingress reads the listeners, and the accepted connections as evidence of
// listeners that nobody saw.
func (c *collector) ingress(n profile.Network) error {
	trusted := map[endpoint]bool{}
	chosen := map[endpoint]bool{}
	for i, l := range n.Listen {
		if err := c.listen(l, trusted, chosen); err != nil {
			return fmt.Errorf("network.listen[%d]: %w", i, err)
		}
	}
	for i, a := range n.Accept {
		if err := c.accept(a); err != nil {
			return fmt.Errorf("network.accept[%d]: %w", i, err)
		}
	}
	c.dropEphemeral(trusted, chosen)
	for _, f := range c.declared {
		if c.edges[f] == nil {
			c.ignore(Ingress, f.String(), "declared, not seen listening")
			c.warnings.add(WarnDeclaredOnly, f.String())
		}
	}
	return nil
}

// listen reads one listener. Ports that the kernel chose are added to chosen,
// ports of the ephemeral range that the program is known to have chosen itself
// to trusted.
func (c *collector) listen(l profile.Listen, trusted, chosen map[endpoint]bool) error {
	proto, ok := protocol(l.Proto)
	if !ok {
		return fmt.Errorf("unknown protocol %q", clip(l.Proto, maxShown))
	}
	if l.Port < 0 || l.Port > 65535 {
		return fmt.Errorf("port %d is not in 0-65535", l.Port)
	}
	addr, ok := parseAddr(l.Addr)
	if !ok && l.Addr != "" && l.Addr != "*" {
		return fmt.Errorf("%q is not an address", clip(l.Addr, maxShown))
	}
	if !addr.IsValid() {
		addr = netip.IPv6Unspecified()
	}
	end := endpoint{proto, uint16(l.Port)}
	bound := fmt.Sprintf("%s %s", netip.AddrPortFrom(addr, end.port), proto)
	switch {
	case addr.IsLoopback():
		c.ignore(Ingress, bound, "loopback")
		return nil
	case addr.IsMulticast():
		c.ignore(Ingress, bound, "multicast or broadcast")
		return nil
	case l.Port == 0:
		c.ignore(Ingress, bound, reasonEphemeral)
		c.warnings.add(WarnEphemeralListener, bound)
		return nil
	case c.sources.declaredOnly(slices.Collect(maps.Keys(l.Seen))):
		c.declared = append(c.declared, flow{dir: Ingress, end: end})
		return nil
	case l.Ephemeral:
		chosen[end] = true
	case len(l.Seen) == 0, slices.ContainsFunc(slices.Collect(maps.Keys(l.Seen)), func(id string) bool { return c.sources.listens[id] }):
		trusted[end] = true
	}
	t := tally{observed: []string{netip.AddrPortFrom(addr, end.port).String()}}
	t.sawn(l.Seen, c.sources.runs)
	edgeOf(c.edges, flow{dir: Ingress, end: end}).record(c.who, l.By, nil, t)
	return nil
}

// accept reads one accepted connection.
func (c *collector) accept(a profile.Accept) error {
	proto, ok := protocol(a.Proto)
	if a.Proto == "unix" {
		return nil
	}
	if !ok {
		return fmt.Errorf("unknown protocol %q", clip(a.Proto, maxShown))
	}
	if a.Port < 1 || a.Port > 65535 {
		return fmt.Errorf("port %d is not in 1-65535", a.Port)
	}
	end := endpoint{proto, uint16(a.Port)}
	t := tally{}
	if peer, ok := parseAddr(a.Peer.IP); ok {
		if reason := c.special.noise(peer); reason != "" {
			c.ignore(Ingress, fmt.Sprintf("%s to %s/%d", peer, proto, a.Port), reason)
			return nil
		}
		t.sources = []string{peer.String()}
	}
	t.sawn(a.Seen, c.sources.runs)
	t.outcome = []string{profile.ResultEstablished}
	base := flow{dir: Ingress, end: end}
	edgeOf(c.edges, base).record(c.who, a.By, nil, t)
	if f, known := c.source(end, a.Peer, &t); known {
		edgeOf(edgesOf(c.clients, base), f).record(c.who, a.By, nil, t)
	} else {
		edgeOf(edgesOf(c.strangers, base), f).record(c.who, a.By, nil, t)
	}
	return nil
}

func edgesOf(table map[flow]map[flow]*edge, f flow) map[flow]*edge {
	if table[f] == nil {
		table[f] = map[flow]*edge{}
	}
	return table[f]
}

const reasonEphemeral = "the kernel chose the port"

// dropEphemeral removes the listeners whose port is another one in the next run.
// A port of the range from which the kernel chooses stays only where a source
// that watches listeners says that the program asked for it.
func (c *collector) dropEphemeral(trusted, chosen map[endpoint]bool) {
	for f := range c.edges {
		inRange := f.end.port >= ephemeralFirst && f.end.port <= ephemeralLast
		if f.dir != Ingress || trusted[f.end] || !chosen[f.end] && !inRange {
			continue
		}
		delete(c.edges, f)
		c.failed = append(c.failed, f)
		c.ignore(Ingress, f.String(), reasonEphemeral)
		c.warnings.add(WarnEphemeralListener, f.String())
	}
}
