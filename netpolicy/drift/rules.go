package drift

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
)

// rules are those of one direction, by what they may be found by.
type rules struct {
	list    []netpolicy.Rule
	byName  map[string][]int
	byBlock evaluate.Blocks[int]
	except  map[int]*evaluate.Blocks[struct{}]
	pods    evaluate.Selectors[int] // by namespace and labels
	dns     []int                   // for the cluster's name servers
	anyone  []int
	byPort  map[portOf][]int  // for everyone and every peer, by port
	ranges  []int             // likewise, where a range of ports is among theirs
	makers  []map[string]bool // executables that each was made of; nil where not all are known
}

// portOf is a port of a protocol.
type portOf struct {
	protocol string
	port     int32
}

func index(list []netpolicy.Rule) *rules {
	r := &rules{list: list, byName: map[string][]int{}, except: map[int]*evaluate.Blocks[struct{}]{}, byPort: map[portOf][]int{}}
	for i := range list {
		p := &list[i].Peer
		for _, name := range namesOf(p) { // of other peers a name is no address
			r.byName[name] = append(r.byName[name], i)
		}
		for _, text := range p.CIDRs {
			if block, err := netip.ParsePrefix(text); err == nil {
				r.byBlock.Add(block, i)
			}
		}
		for _, text := range p.Except {
			if block, err := netip.ParsePrefix(text); err == nil {
				if r.except[i] == nil {
					r.except[i] = &evaluate.Blocks[struct{}]{}
				}
				r.except[i].Add(block, struct{}{})
			}
		}
		switch {
		case len(p.CIDRs) > 0:
		case p.Kind == netpolicy.PeerAny:
			r.anyone = append(r.anyone, i)
		default:
			r.pods.Add(p.Namespace, p.PodSelector, i)
		}
		if p.Kind == netpolicy.PeerClusterDNS && len(p.CIDRs) == 0 {
			r.dns = append(r.dns, i)
		}
		r.addPorts(i)
		r.makers = append(r.makers, makersOf(&list[i].Evidence))
	}
	r.pods.Index()
	return r
}

func (r *rules) addPorts(i int) {
	ranged := false
	for _, p := range r.list[i].Ports {
		if ranged = ranged || p.EndPort > p.Port; p.EndPort <= p.Port {
			at := portOf{p.Protocol, p.Port}
			r.byPort[at] = append(r.byPort[at], i)
		}
	}
	if ranged {
		r.ranges = append(r.ranges, i)
	}
}

func makersOf(ev *netpolicy.Evidence) map[string]bool {
	if ev.Attribution != profile.AttributionProcess || len(ev.Executables) == 0 {
		return nil
	}
	keys := make(map[string]bool, len(ev.Executables))
	for _, x := range ev.Executables {
		keys[x.Key] = true
	}
	return keys
}

// of are the rules for the peer of a connection, whatever their ports, in no
// order and some of them more than once. For a listener they are those for its
// port: whoever the rules are for connects to it.
func (r *rules) of(c *netpolicy.Connection) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, places := range r.places(c) {
			for i := range places {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// places are where rules for a connection may be found.
func (r *rules) places(c *netpolicy.Connection) []iter.Seq[int] {
	if isListener(c) {
		list := []iter.Seq[int]{slices.Values(r.byPort[portOf{c.Protocol, int32(c.Port)}]), slices.Values(r.ranges)}
		if c.Port == 53 {
			list = append(list, slices.Values(r.dns))
		}
		return list
	}
	var list []iter.Seq[int]
	if c.Peer.Kind == netpolicy.PeerExternal || !c.Addr.IsValid() {
		for _, name := range c.Names { // a name that leads to an inner address is not that peer
			list = append(list, slices.Values(r.byName[name]))
		}
	}
	list = append(list,
		those(r.byBlock.Holding(c.Addr), func(i int) bool { return r.except[i] == nil || !r.except[i].Hold(c.Addr) }),
		those(r.pods.Of(c.Peer.Namespace, c.Peer.PodSelector), func(i int) bool { return selects(&r.list[i].Peer, c) }),
		slices.Values(r.anyone))
	// Without an inventory the name servers are an address, of their Service.
	if c.Port == 53 && (c.Peer.Kind == netpolicy.PeerPrivate || c.Peer.Kind == netpolicy.PeerLinkLocal) {
		list = append(list, slices.Values(r.dns))
	}
	return list
}

// those are the rules of a sequence that fit.
func those(all iter.Seq[int], fit func(int) bool) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range all {
			if fit(i) && !yield(i) {
				return
			}
		}
	}
}

// isListener reports whether a connection is a port on which somebody listened,
// and to which nobody was seen to connect.
func isListener(c *netpolicy.Connection) bool {
	return c.Direction == netpolicy.Ingress && c.Peer.Kind == netpolicy.PeerAny && !c.Addr.IsValid()
}

// selects reports whether a peer without addresses is that of a connection.
func selects(p *netpolicy.Peer, c *netpolicy.Connection) bool {
	return p.Kind == netpolicy.PeerNamespace && p.Namespace == c.Peer.Namespace || within(&c.Peer, p)
}

// match is what the rules say of a connection, whoever made it.
type match struct {
	peer   bool  // a rule is for the peer
	rules  []int // those of them that are for the port, in their order
	anyone bool  // of one of these it is not known who made it
}

// match finds the rules for a connection and counts what it looks at.
func (r *rules) match(c *netpolicy.Connection, w *work) match {
	var m match
	for i := range r.of(c) {
		m.peer = true
		w.left -= 1 + len(r.list[i].Ports)
		if holds(r.list[i].Ports, c.Protocol, c.Port) || isDNS(r.list[i].Peer.Kind, c) {
			m.rules = append(m.rules, i)
			m.anyone = m.anyone || r.makers[i] == nil
		}
	}
	m.peer = m.peer || isListener(c)
	slices.Sort(m.rules)
	m.rules = slices.Compact(m.rules)
	return m
}

// made reports whether an executable made what one of the rules was made of.
func (r *rules) made(m *match, key string, w *work) bool {
	for _, i := range m.rules {
		w.left--
		if r.makers[i][key] {
			return true
		}
	}
	return false
}

// rule is the id of the first rule, or "".
func (r *rules) rule(m *match) string {
	if len(m.rules) == 0 {
		return ""
	}
	return r.list[m.rules[0]].ID
}
