package netpolicy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
)

// Connection is something that a profile saw on the network, with what is known
// of the peer. Attempts that failed are connections, too.
type Connection struct {
	Direction   Direction
	Peer        Peer       // as a rule would have it
	Addr        netip.Addr // not set where the peer is not known by address, and for listeners
	Protocol    string     // TCP, UDP or SCTP
	Port        uint16     // of who is connected to
	Names       []string   // of the peer
	Executables []string   // keys of those that made it; none where it is not known
	Foreign     []string   // of these: not of the image, as the profile says itself
	Outcome     []string   // words of profile.Result...
	Count       int64
	First, Last string // RFC 3339, UTC
	// Packets are attempts as policies see them: one, or one for each of the
	// pods that a Service stands for.
	Packets []evaluate.Packet
}

// Observe lists the connections of a profile, noise left out as [New] does, and
// identified by the inventory and the mapping of the options. A listener that
// nobody was seen to connect to is a connection of whoever. The list is sorted.
func Observe(p *profile.Profile, opts Options) ([]Connection, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("reading connections: %w", err)
	}
	c := newCollector(p, nil, opts)
	c.attempts = true
	c.namespace = workload(p, opts, c.warnings).Namespace
	if err := c.collect(p.Network); err != nil {
		return nil, fmt.Errorf("reading connections: %w", err)
	}
	b := newBuilder(c)
	var all []Connection
	for f, e := range c.edges {
		clients := len(c.clients[f]) + len(c.strangers[f])
		if f.dir == Egress || clients == 0 {
			all = append(all, b.connection(f, e))
		}
		for _, sources := range []map[flow]*edge{c.clients[f], c.strangers[f]} {
			for source, made := range sources {
				all = append(all, b.connection(source, made))
			}
		}
	}
	slices.SortFunc(all, compareConnections)
	return all, nil
}

// connection is a flow with all that is known of who made it.
func (b *builder) connection(f flow, e *edge) Connection {
	var t tally
	for _, part := range e {
		if part != nil {
			t.add(part)
		}
	}
	peer := Peer{Kind: b.kindOf(f)}
	if id := b.ids[f.peer]; id != nil {
		peer = id.peer
	}
	if f.addr.IsValid() {
		t.names = b.namesOf(f.addr, t.names)
		b.named[f.addr] = fewNames(sorted(t.names))
		if len(peer.CIDRs) == 0 && peer.Namespace == "" {
			peer.CIDRs = []string{netip.PrefixFrom(f.addr, f.addr.BitLen()).String()}
		}
	}
	out := Connection{
		Direction: f.dir, Peer: peer, Addr: f.addr, Protocol: f.end.proto, Port: f.end.port, Names: sorted(t.names),
		Executables: sorted(t.keys), Outcome: sorted(t.outcome), Count: t.count, First: t.first, Last: t.last, Packets: b.packets(f),
	}
	if e[makerForeign] != nil {
		out.Foreign = sorted(e[makerForeign].keys)
	}
	return out
}

func compareConnections(a, b Connection) int {
	return cmp.Or(-cmp.Compare(a.Direction, b.Direction), comparePeers(a.Peer, b.Peer), a.Addr.Compare(b.Addr),
		cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), slices.Compare(a.Executables, b.Executables))
}

// String names the connection for people.
func (c Connection) String() string {
	end := endpoint{c.Protocol, c.Port}
	if c.Direction == Ingress && c.Peer.Kind == PeerAny && !c.Addr.IsValid() {
		return "listens on " + end.String()
	}
	where := map[Direction]string{Ingress: "from", Egress: "to"}[c.Direction]
	addr := c.Addr
	if len(c.Peer.CIDRs) > 1 || len(c.Peer.CIDRs) == 1 && !strings.HasSuffix(c.Peer.CIDRs[0], fmt.Sprintf("/%d", addr.BitLen())) {
		addr = netip.Addr{} // one of many
	}
	return fmt.Sprintf("%s %s %s", where, c.Peer.text(addr, c.Names), end)
}

// String names the peer for people.
func (p Peer) String() string { return p.text(netip.Addr{}, p.Names) }

func (p Peer) text(addr netip.Addr, names []string) string {
	var what string
	switch {
	case p.Kind == PeerAny && !addr.IsValid():
		return "anyone"
	case p.Namespace != "":
		what = "pods " + p.Namespace + "/" + labelText(p.PodSelector)
		if p.Kind == PeerNamespace {
			what = "every pod of " + p.Namespace
		}
	case addr.IsValid():
		what = addr.String()
	case p.Kind == PeerInternet:
		return "every public address"
	default:
		what = some(p.CIDRs, shownPerWarning)
	}
	if len(names) > 0 && p.Kind != PeerClusterDNS && p.Kind != PeerResolver {
		what = fmt.Sprintf("%s (%s)", what, some(names, shownPerWarning))
	}
	return clip(what, maxShown)
}

// Connections are what the rules of a hint are for, one for each peer and port:
// what a policy that is applied beside it has to let pass. Packets go to both
// ends of every block and to every port of a range; where these are more than
// maxAsked altogether, to one address or pod of a peer and the ends of a range.
func (h *Hint) Connections() []Connection {
	var all []Connection
	left := maxAsked
	for i := range h.Rules {
		r := &h.Rules[i]
		ends, first := endsOf(&r.Peer), h.sample(r.Direction, &r.Peer)
		for _, port := range r.Ports {
			packets := first.attempts(port, ends, &left)
			c := Connection{
				Direction: r.Direction, Peer: r.Peer, Protocol: port.Protocol, Port: uint16(port.Port), Names: r.Peer.Names, //nolint:gosec // a port
				Outcome: r.Evidence.Outcome, Count: r.Evidence.Count, First: r.Evidence.First, Last: r.Evidence.Last, Packets: packets,
			}
			if len(packets) > 0 {
				c.Addr = packets[0].Addr
			}
			for _, x := range r.Evidence.Executables {
				c.Executables = append(c.Executables, x.Key)
			}
			all = append(all, c)
		}
	}
	return all
}

// maxAsked bounds the packets of all connections of a hint, those apart that
// every one of them has.
const maxAsked = 1 << 20

// attempts are packets to all that a rule allows on a port, or a range. ends are
// those of the peer's blocks.
func (s *sample) attempts(port Port, ends []netip.Addr, left *int) []evaluate.Packet {
	if s.none {
		return nil
	}
	list := []evaluate.Packet{s.at(port, port.Port)}
	last := max(port.Port, port.EndPort)
	step := int32(1)
	if *left -= (1 + len(ends)) * int(last-port.Port+1); *left < 0 {
		step, ends = max(1, last-port.Port), nil
	}
	for _, addr := range ends {
		q := list[0]
		if q.Addr = addr; addr != list[0].Addr {
			list = append(list, q)
		}
	}
	first := len(list)
	for n := port.Port + step; n <= last; n += step {
		for _, q := range list[:first] {
			q.Port = uint16(n) //nolint:gosec // a port
			list = append(list, q)
		}
	}
	return list
}

// endsOf are the first and the last address of each block of a peer that are not
// excepted.
func endsOf(peer *Peer) []netip.Addr {
	blocks := blocksOfPeer(peer)
	var list []netip.Addr
	for _, block := range blocks.list {
		raw := block.Addr().AsSlice()
		for bit := block.Bits(); bit < 8*len(raw); bit++ {
			raw[bit/8] |= 0x80 >> (bit % 8)
		}
		last, _ := netip.AddrFromSlice(raw)
		for _, addr := range []netip.Addr{block.Addr(), last} {
			if blocks.hold(addr) {
				list = append(list, addr)
			}
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}
