package netpolicy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// flow is one thing that a policy allows or denies. An ingress flow without
// address and peer is of whoever connects.
type flow struct {
	dir  Direction
	addr netip.Addr // not set where the peer is no address
	peer string     // key of an identity, "" where only the address is known
	end  endpoint
}

func (f flow) String() string {
	if !f.addr.IsValid() {
		return fmt.Sprintf("%s/%d", f.end.proto, f.end.port)
	}
	return fmt.Sprintf("%s %s/%d", f.addr, f.end.proto, f.end.port)
}

// edge is the evidence of one flow, apart by who made it.
type edge [makerUnknown + 1]*tally

// record adds t to what the executables in by made.
func (e *edge) record(a *attributor, by, attribution []string, t tally) {
	var keys [len(e)][]string
	var reasons [len(e)][]string
	if !named(by, attribution) {
		e.add(makerNone, &t)
		return
	}
	for _, key := range a.actors(by) {
		v := a.of(key)
		keys[v.maker] = append(keys[v.maker], strings.ToValidUTF8(key, "?"))
		if v.reason != "" {
			reasons[v.maker] = append(reasons[v.maker], v.reason)
		}
	}
	for m := range keys {
		if len(keys[m]) > 0 {
			part := t
			part.keys, part.reasons = keys[m], reasons[m]
			e.add(maker(m), &part)
		}
	}
}

func (e *edge) add(m maker, t *tally) {
	if e[m] == nil {
		e[m] = &tally{}
	}
	e[m].add(t)
}

// allowed is the evidence that makes the flow a rule, and whether all of it is
// of kept executables; nil when nothing does. What no executable is named for
// counts only where no other source names one for the same flow.
func (e *edge) allowed() (t *tally, kept bool) {
	switch {
	case e[makerKept] != nil:
		return e[makerKept], true
	case e[makerUnknown] != nil:
		return e[makerUnknown], false
	case e[makerDropped] != nil, e[makerForeign] != nil:
		return nil, false
	}
	return e[makerNone], false
}

// collector reads the network section of a profile.
type collector struct {
	opts      Options
	namespace string // of the workload
	attempts  bool   // what failed counts as well
	sources   sources
	special   special
	who       *attributor
	warnings  warnings

	edges      map[flow]*edge
	loopDNS    map[flow]*edge // questions to a resolver on loopback
	asked      edge           // names asked for
	answers    map[string]bool
	byAddr     map[netip.Addr][]string // names whose answer an address was
	answered   map[netip.Addr][]string // byAddr, sorted
	ids        map[string]*identity
	problems   map[flow]string         // why an address could not be identified
	led        int                     // addresses and ports that the inventory led to
	clients    map[flow]map[flow]*edge // identified sources, by what they connected to
	strangers  map[flow]map[flow]*edge // the others
	declared   []flow                  // listeners that only a declaration names
	failed     []flow                  // attempts that never succeeded
	ignored    []Ignored
	unresolved []Unresolved
}

func newCollector(p *profile.Profile, fate func(string) Fate, opts Options) *collector {
	w := warnings{}
	who := newAttributor(p, fate)
	who.byHand = opts.KeepAttached
	return &collector{
		opts:     opts,
		sources:  newSources(p),
		special:  newSpecial(ownAddrs(p)),
		who:      who,
		warnings: w,
		edges:    map[flow]*edge{},
		loopDNS:  map[flow]*edge{},
		answers:  map[string]bool{},
		byAddr:   map[netip.Addr][]string{},
		answered: map[netip.Addr][]string{},
		ids:      map[string]*identity{},
		problems: map[flow]string{},
		clients:  map[flow]map[flow]*edge{}, strangers: map[flow]map[flow]*edge{},
	}
}

// collect reads everything.
func (c *collector) collect(n profile.Network) error {
	c.questions(n.DNS)
	if err := c.ingress(n); err != nil {
		return err
	}
	replies := repliesOf(n.Accept)
	ownResolver := slices.ContainsFunc(n.Listen, func(l profile.Listen) bool { return l.Port == dnsPort })
	for i, e := range n.Connect {
		if err := c.connect(e, replies, ownResolver); err != nil {
			return fmt.Errorf("network.connect[%d]: %w", i, err)
		}
	}
	return nil
}

func edgeOf(edges map[flow]*edge, f flow) *edge {
	e := edges[f]
	if e == nil {
		e = &edge{}
		edges[f] = e
	}
	return e
}

func (c *collector) ignore(d Direction, what, reason string) {
	c.ignored = append(c.ignored, Ignored{Direction: d, What: what, Reason: reason})
}

// connect reads one connection.
func (c *collector) connect(e profile.Connect, replies map[reply]bool, ownResolver bool) error {
	proto, ok := protocol(e.Proto)
	if !ok {
		return c.inexpressible(e)
	}
	addr, port, notes, reason, err := destination(e)
	if err != nil {
		return err
	}
	if reason != "" {
		addr, port = netip.Addr{}, e.Port
	}
	f := flow{dir: Egress, addr: addr, end: endpoint{proto, uint16(port)}} //nolint:gosec // a port
	seen := tally{outcome: e.Results, notes: notes}
	if addr.IsValid() {
		seen.observed = []string{netip.AddrPortFrom(addr, f.end.port).String()}
	}
	for _, name := range e.Peer.Names {
		if name = dnsName(name); name != "" {
			seen.names = append(seen.names, strings.ToValidUTF8(name, "?"))
		}
	}
	seen.sawn(e.Seen, c.sources.runs)
	if reason != "" {
		c.unaddressed(e, f, seen, reason)
		return nil
	}
	c.connected(e, f, seen, replies, ownResolver)
	return nil
}

// connected sorts a connection among noise, failures, replies and edges.
func (c *collector) connected(e profile.Connect, f flow, seen tally, replies map[reply]bool, ownResolver bool) {
	what := f.String()
	if bad, known := outcome(e.Results); bad != "" && (!c.attempts || !attempted(e.Results)) {
		c.failed = append(c.failed, f)
		c.ignore(Egress, what, bad)
		return
	} else if !known && c.special.noise(f.addr) == "" {
		c.warnings.add(WarnOutcomeUnknown, what)
	}
	if reason := c.special.noise(f.addr); reason != "" {
		if f.end.port == dnsPort && f.addr.IsLoopback() && !ownResolver {
			edgeOf(c.loopDNS, f).record(c.who, e.By, e.Attribution, seen)
		}
		c.ignore(Egress, what, reason)
		return
	}
	if f.end.proto == protoUDP && f.end.port >= ephemeralFirst && isReply(replies, f.addr, e.By) {
		c.ignore(Egress, what, "reply to a client")
		return
	}
	if slices.Contains(e.Results, profile.ResultAlreadyOpen) {
		seen.notes = append(seen.notes, "open before the recording began: from the socket table")
		c.warnings.add(WarnAlreadyOpen, what)
	}
	for _, g := range c.identify(f, e, &seen) {
		edgeOf(c.edges, g).record(c.who, e.By, e.Attribution, seen)
	}
	if len(seen.names) > 0 && (slices.Contains(e.Peer.NameSource, profile.NameDNSOfProcess) || slices.Contains(e.Peer.NameSource, profile.NameDNSOfPod)) {
		c.asked.record(c.who, e.By, e.Attribution, tally{names: seen.names, runs: seen.runs})
	}
}

// destination is where a connection really went: an address that only stands
// for another (a sidecar's port on loopback) is replaced by the one that was
// asked for. reason says why there is none; notes explain translations.
func destination(e profile.Connect) (addr netip.Addr, port int, notes []string, reason string, err error) {
	if e.Port < 1 || e.Port > 65535 {
		return addr, 0, nil, "", fmt.Errorf("port %d of protocol %s is not in 1-65535", e.Port, e.Proto)
	}
	addr, port = netip.Addr{}, e.Port
	via, hasVia := parseAddr(e.Via.IP)
	hasVia = hasVia && e.Via.Port >= 1 && e.Via.Port <= 65535
	if e.Peer.IP != "" {
		var ok bool
		if addr, ok = parseAddr(e.Peer.IP); !ok {
			if _, err := netip.ParsePrefix(e.Peer.IP); err == nil || e.Peer.IP == "*" {
				return addr, 0, nil, "a range of addresses is no observation", nil
			}
			return addr, 0, nil, "", fmt.Errorf("%q is not an address", clip(e.Peer.IP, maxShown))
		}
	}
	switch {
	case hasVia && (!addr.IsValid() || addr.IsLoopback() && !via.IsLoopback()):
		if addr.IsValid() {
			notes = append(notes, fmt.Sprintf("redirected to %s", netip.AddrPortFrom(addr, uint16(port))))
		}
		addr, port = via, e.Via.Port
	case hasVia && (via != addr || e.Via.Port != port):
		notes = append(notes, fmt.Sprintf("asked for %s, which was translated", netip.AddrPortFrom(via, uint16(e.Via.Port))))
	}
	if !addr.IsValid() {
		return addr, 0, nil, "no address is known", nil
	}
	return addr, port, notes, "", nil
}

// unaddressed handles a peer of which no address is known: names and labels may
// identify it all the same.
func (c *collector) unaddressed(e profile.Connect, f flow, seen tally, reason string) {
	bad, _ := outcome(e.Results)
	if flows := c.identify(f, e, &seen); bad == "" && (len(flows) != 1 || flows[0] != f) {
		seen.observed = []string{clip(cmp.Or(strings.Join(e.Peer.Names, ","), describe(e.Peer.K8s)), maxShown)}
		for _, g := range flows {
			edgeOf(c.edges, g).record(c.who, e.By, e.Attribution, seen)
		}
		return
	}
	c.withoutAddress(e, f.end.proto, reason)
}

// withoutAddress lists a peer that no block can be made for.
func (c *collector) withoutAddress(e profile.Connect, proto, reason string) {
	what := cmp.Or(e.Peer.IP, describe(e.Peer.K8s), strings.Join(e.Peer.Names, ","), "a peer")
	what = clip(fmt.Sprintf("%s %s/%d", what, proto, e.Port), maxShown)
	c.unresolved = append(c.unresolved, Unresolved{Direction: Egress, What: what, Reason: reason, Action: actionOmitted})
	c.warnings.add(WarnPeerRange, what)
	if bad, _ := outcome(e.Results); bad == "" && e.Port == dnsPort && proto != protoSCTP {
		c.asked.record(c.who, e.By, e.Attribution, tally{observed: []string{what}})
	}
}

// What becomes of something unresolved.
const (
	actionOmitted = "omitted"
	actionAddress = "address"
)

// describe names a Kubernetes object.
func describe(k profile.K8s) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(k.Labels)) {
		parts = append(parts, key+"="+k.Labels[key])
	}
	name := strings.Trim(k.Namespace+"/"+k.Name, "/")
	return strings.TrimSpace(strings.Join([]string{k.Kind, name, strings.Join(parts, ",")}, " "))
}

// inexpressible handles what has no ports.
func (c *collector) inexpressible(e profile.Connect) error {
	switch e.Proto {
	case "unix":
		c.ignore(Egress, clip(cmp.Or(string(e.Peer.Path), "unix"), maxShown), "unix socket")
	case "icmp", "icmpv6", "raw":
		addr, ok := parseAddr(e.Peer.IP)
		if !ok {
			return fmt.Errorf("%q is not an address", clip(e.Peer.IP, maxShown))
		}
		what := fmt.Sprintf("%s %s", addr, e.Proto)
		c.ignore(Egress, what, "no policy can express the protocol")
		if c.special.noise(addr) == "" {
			c.warnings.add(WarnProtocol, what)
		}
	default:
		return fmt.Errorf("unknown protocol %q", clip(e.Proto, maxShown))
	}
	return nil
}

// outcome says why a connection with these results is none, or "", and whether
// it is known how it ended.
func outcome(results []string) (bad string, known bool) {
	has := func(word string) bool { return slices.Contains(results, word) }
	switch {
	case has(profile.ResultEstablished), has(profile.ResultSent):
		return "", true
	case len(results) == 0, has(profile.ResultInProgress), has(profile.ResultAlreadyOpen):
		return "", false
	case has(profile.ResultProbeOnly):
		return "UDP connect without a packet", true
	}
	return clip("failed: "+strings.Join(sorted(results), ", "), maxShown), true
}

// attempted reports whether a packet was sent, whatever became of it.
func attempted(results []string) bool {
	return slices.ContainsFunc(results, func(r string) bool { return r != profile.ResultProbeOnly })
}

// reply is a client of one of our UDP servers.
type reply struct {
	addr netip.Addr
	by   string
}

// repliesOf are the clients to which our UDP servers answer.
func repliesOf(accepts []profile.Accept) map[reply]bool {
	set := map[reply]bool{}
	for _, a := range accepts {
		addr, ok := parseAddr(a.Peer.IP)
		if a.Proto != "udp" || !ok {
			continue
		}
		set[reply{addr, ""}] = true
		for _, key := range a.By {
			set[reply{addr, key}] = true
		}
	}
	return set
}

// isReply reports whether a datagram that by sent to a port for clients of addr
// answers one.
func isReply(replies map[reply]bool, addr netip.Addr, by []string) bool {
	if len(by) == 0 {
		return replies[reply{addr, ""}]
	}
	return slices.ContainsFunc(by, func(key string) bool { return replies[reply{addr, key}] })
}
