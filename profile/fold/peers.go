package fold

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
)

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
	var room [64]byte
	text := ip.Unmap().WithZone("").AppendTo(room[:0])
	if string(text) == s {
		return s, true
	}
	return string(text), true
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
