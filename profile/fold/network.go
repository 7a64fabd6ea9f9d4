package fold

import (
	"net/netip"
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

// DNS is a question that was asked, or its answer.
type DNS struct {
	Name    string // any case, with or without a dot at the end
	Type    string // A, AAAA, ...
	Answers []string
	By      string // key of an executable; "" where only the pod is known
	At      time.Time
}

type questionKey struct{ name, kind string }

type question struct{ answers, by set[string] }

// addressKey is an address that an executable looked up.
type addressKey struct{ by, ip string }

// DNS notes a question and its answers. Those that are addresses are names of
// the peers of connections, see [Collector.Connect] and [Collector.NameLate].
func (c *Collector) DNS(x DNS) {
	name := hostName(x.Name)
	if !c.name(name) || !c.word(x.Type, upper+digit) {
		return
	}
	q := entryOf(c, c.questions, questionKey{name, x.Type}, len(name))
	if q == nil {
		return
	}
	c.See(when(x.At))
	by := c.key(x.By)
	put(c, &q.by, by)
	for _, answer := range x.Answers {
		ip, isIP := parseIP(answer)
		if !isIP {
			if answer = hostName(answer); c.name(answer) {
				put(c, &q.answers, answer)
			}
			continue
		}
		put(c, &q.answers, ip)
		if names := entryOf(c, c.addresses, addressKey{by, ip}, len(by)+len(ip)); names != nil {
			put(c, names, name)
		}
	}
}

// nameOf gives a connection the names by which its executable looked up the
// address, or else those that somebody in the pod did.
func (c *Collector) nameOf(e *Edge) {
	for _, by := range []string{e.edgeKey.by, ""} {
		names := c.addresses[addressKey{by, e.peer.IP}]
		if names == nil || e.peer.IP == "" {
			continue
		}
		source := profile.NameDNSOfProcess
		if by == "" {
			source = profile.NameDNSOfPod
		}
		for _, name := range names.list {
			put(c, &e.peer.names, name)
		}
		c.mark(&e.peer.nameSource, c.vocab.nameSource, source)
		return
	}
}

// NameLate gives names to connections that have none, from answers that were
// noted after the connection. It is for inputs that are not in order of time.
func (c *Collector) NameLate() {
	for _, e := range c.edges {
		if len(e.peer.names.list) == 0 {
			c.nameOf(e)
		}
	}
}

// peer is what is known of the other end.
type peer struct {
	profile.Peer // without names
	names        set[string]
	nameSource   mask
}

// identity is what a peer is known by.
type identity struct{ key, ip string }

// identify finds what a peer is known by: its address, path, or object, or if
// it has none its names. An empty key is of a peer of which nothing is known.
func identify(p profile.Peer) (identity, bool) {
	switch {
	case p.IP != "":
		ip, ok := parseIP(p.IP)
		if !ok {
			if prefix, err := netip.ParsePrefix(p.IP); err == nil {
				ip, ok = prefix.Masked().String(), true
			}
		}
		return identity{ip, ip}, ok
	case p.Path != "":
		return identity{key: string(p.Path)}, len(p.Path) <= maxPath && !strings.Contains(string(p.Path), "\x00")
	}
	k := p.K8s
	if k.Namespace+k.Kind+k.Name == "" && len(k.Labels) == 0 {
		var names []string
		for _, name := range p.Names {
			if name = hostName(name); isName(name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return identity{key: strings.Join(slices.Compact(names), "\x01")}, true
	}
	parts := []string{k.Namespace, k.Kind, k.Name}
	for label, value := range k.Labels {
		parts = append(parts, label+"="+value)
	}
	slices.Sort(parts[3:])
	key := strings.Join(parts, "\x01")
	return identity{key: key}, len(key) <= maxPath
}

// join adds what an observation knows of a peer.
func (c *Collector) join(dst *peer, id identity, src profile.Peer) {
	dst.IP, dst.Path = id.ip, src.Path
	c.putNames(dst, src.Names, src.NameSource)
	k, old := src.K8s, &dst.K8s
	old.Namespace = least(old.Namespace, text(k.Namespace))
	old.Kind = least(old.Kind, text(k.Kind))
	old.Name = least(old.Name, text(k.Name))
	for label, value := range k.Labels {
		label, value = text(label), text(value)
		before, ok := old.Labels[label]
		if ok && before <= value || !ok && !c.room(len(label)+len(value)) {
			continue
		}
		if old.Labels == nil {
			old.Labels = map[string]string{}
		}
		old.Labels[label] = value
	}
}

func (c *Collector) putNames(dst *peer, names, sources []string) {
	for _, name := range names {
		if name = hostName(name); c.name(name) {
			put(c, &dst.names, name)
		}
	}
	for _, source := range sources {
		c.mark(&dst.nameSource, c.vocab.nameSource, source)
	}
}

// hostName is a name as a profile has it: lower case, no dot at the end.
func hostName(s string) string { return strings.ToLower(strings.TrimSuffix(s, ".")) }

// text is s as a profile can hold it, cut at the limit of names.
func text(s string) string {
	if len(s) > maxName {
		s = s[:maxName]
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

// least is the smaller of two strings, where "" is no string.
func least(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// parseIP is an address without zone, as IPv4 where it is one in IPv6.
func parseIP(s string) (string, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return "", false
	}
	return ip.Unmap().WithZone("").String(), true
}

func hasPorts(proto string) bool { return proto == "tcp" || proto == "udp" || proto == "sctp" }

func isPort(port int) bool { return port > 0 && port < 1<<16 }

// Proto is the name of an IP protocol number (IANA's registry), or "" for those
// that a profile does not know.
func Proto(number int) string {
	switch number {
	case 1:
		return "icmp"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 58:
		return "icmpv6"
	case 132:
		return "sctp"
	case 255:
		return "raw"
	default:
		return ""
	}
}
