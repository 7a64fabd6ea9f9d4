package fold

import (
	"slices"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// Listen is a socket that waits for peers.
type Listen struct {
	Proto     string // tcp, udp or sctp
	Addr      string // "" for the family's unspecified address, 0.0.0.0
	Port      int
	Ephemeral bool // the kernel chose the port
	By        string
	Phase     string
	At        time.Time
}

type listenKey struct {
	proto, addr string
	port        int
	by          string
}

type listener struct {
	ephemeral bool
	phases    mask
	count     count
}

// Listen notes a socket that waits for peers.
func (c *Collector) Listen(x Listen) {
	addr := "0.0.0.0"
	if x.Addr != "" {
		ip, ok := parseIP(x.Addr)
		if !ok {
			c.refused++
			return
		}
		addr = ip
	}
	if !hasPorts(x.Proto) || !isPort(x.Port) && (x.Port != 0 || !x.Ephemeral) {
		c.refused++
		return
	}
	key := listenKey{x.Proto, addr, x.Port, c.key(x.By)}
	l := entryOf(c, c.listeners, key, len(addr)+len(key.by))
	if l == nil {
		return
	}
	at := when(x.At)
	c.See(at)
	l.ephemeral = l.ephemeral || x.Ephemeral
	c.mark(&l.phases, c.vocab.phase, x.Phase)
	l.count.add(at)
}

// Accept is a peer that connected to us.
type Accept struct {
	Proto string // tcp, udp or sctp
	Port  int    // ours
	Peer  profile.Peer
	By    string
	Phase string
	At    time.Time
}

type acceptKey struct {
	proto string
	port  int
	peer  string
}

type visitor struct {
	peer   peer
	by     set[string]
	phases mask
	count  count
}

// Accept notes a peer that connected to us. A peer of which nothing is known
// is one as well.
func (c *Collector) Accept(x Accept) {
	id, ok := identify(x.Peer)
	if !ok || !hasPorts(x.Proto) || !isPort(x.Port) || x.Peer.Path != "" {
		c.refused++
		return
	}
	v := entryOf(c, c.visitors, acceptKey{x.Proto, x.Port, id.key}, len(id.key))
	if v == nil {
		return
	}
	at := when(x.At)
	c.See(at)
	c.join(&v.peer, id, x.Peer)
	c.putKey(&v.by, x.By)
	c.mark(&v.phases, c.vocab.phase, x.Phase)
	v.count.add(at)
}

// Connect is an attempt to connect or send to a peer.
type Connect struct {
	Proto       string // tcp, udp, sctp, icmp, icmpv6, raw or unix
	Port        int    // the peer's
	Peer        profile.Peer
	Via         profile.Via // before translation
	By          string
	Attribution string // "" for profile.AttributionProcess, or AttributionContainer without By
	Result      string // "" where it is not known yet, see [Edge.Settle]
	AlreadyOpen bool   // it was open when the recording began: profile.ResultAlreadyOpen beside Result
	Unless      string // what Result is if it is never settled; "" for profile.ResultInProgress
	Phase       string
	At          time.Time
}

type edgeKey struct {
	proto, peer string
	port        int
	by          string
	via         profile.Via
}

// Edge is a connection to a peer. Its methods may be called on nil, which is
// what the limits leave of one, and do nothing then.
type Edge struct {
	collector   *Collector
	edgeKey     edgeKey
	peer        peer
	results     mask
	attribution mask
	unless      mask
	waiting     int64 // attempts whose end was not seen
	phases      mask
	count       count
}

// Connect notes an attempt and returns the entry of its peer, or nil where it
// was refused. Names that the same executable looked up for the address before
// are noted with it.
func (c *Collector) Connect(x Connect) *Edge {
	key, id, ok := c.edgeKey(x)
	if !ok {
		c.refused++
		return nil
	}
	e := entryOf(c, c.edges, key, len(key.peer)+len(key.by))
	if e == nil {
		return nil
	}
	at := when(x.At)
	c.See(at)
	e.collector, e.edgeKey = c, key
	c.join(&e.peer, id, x.Peer)
	c.nameOf(e)
	e.count.add(at)
	c.mark(&e.phases, c.vocab.phase, x.Phase)
	switch {
	case x.Attribution != "":
		c.mark(&e.attribution, c.vocab.attribution, x.Attribution)
	case key.by != "":
		c.mark(&e.attribution, c.vocab.attribution, profile.AttributionProcess)
	default:
		c.mark(&e.attribution, c.vocab.attribution, profile.AttributionContainer)
	}
	if x.AlreadyOpen {
		c.mark(&e.results, c.vocab.result, profile.ResultAlreadyOpen)
	}
	if x.Result != "" {
		c.mark(&e.results, c.vocab.result, x.Result)
		return e
	}
	if x.Unless == "" {
		x.Unless = profile.ResultInProgress
	}
	e.waiting++
	c.mark(&e.unless, c.vocab.result, x.Unless)
	return e
}

// HasConnect reports whether an attempt to the same peer by the same
// executable was noted before.
func (c *Collector) HasConnect(x Connect) bool {
	key, _, ok := c.edgeKey(x)
	if !ok {
		return false
	}
	_, found := c.edges[key]
	return found
}

func (c *Collector) edgeKey(x Connect) (edgeKey, identity, bool) {
	id, ok := identify(x.Peer)
	if !ok {
		return edgeKey{}, id, false
	}
	switch {
	case x.Proto == "unix":
		ok = x.Peer.Path != "" && x.Port == 0
	case hasPorts(x.Proto):
		ok = id.key != "" && x.Peer.Path == "" && isPort(x.Port)
	case slices.Contains([]string{"icmp", "icmpv6", "raw"}, x.Proto):
		ok = id.key != "" && x.Peer.Path == ""
		x.Port = 0
	default:
		ok = false
	}
	if x.Via.IP != "" {
		ip, valid := parseIP(x.Via.IP)
		if ok = ok && valid; valid {
			x.Via.IP = ip
		}
	}
	if x.Via.Port != 0 && !isPort(x.Via.Port) || len(x.Via.Service) > maxName {
		ok = false
	}
	x.Via.Service = strings.ToValidUTF8(x.Via.Service, "\ufffd")
	return edgeKey{x.Proto, id.key, x.Port, c.key(x.By), x.Via}, id, ok
}

// Again notes n more attempts like one that was noted.
func (e *Edge) Again(n int64) {
	if e != nil && n > 0 {
		e.count.n += n
	}
}

// Settle says what became of an attempt that had no result.
func (e *Edge) Settle(result string) {
	if e == nil {
		return
	}
	e.waiting = max(0, e.waiting-1)
	e.collector.mark(&e.results, e.collector.vocab.result, result)
}

// Name notes a name of the peer, and where it comes from: a profile.Name...
// constant.
func (e *Edge) Name(name, source string) {
	if e != nil {
		e.collector.putNames(&e.peer, []string{name}, []string{source})
	}
}

// HasName reports whether the peer has a name.
func (e *Edge) HasName() bool { return e != nil && len(e.peer.names.list) > 0 }
