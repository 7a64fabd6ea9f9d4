package profile

import "strings"

func (v *validator) listen(l Listen) {
	v.proto(l.Proto, "tcp", "udp", "sctp")
	v.ip("addr", l.Addr, false)
	if l.Port != 0 || !l.Ephemeral {
		v.port("port", l.Port)
	}
	v.keys("by", l.By)
	v.phases(l.Phase)
	v.seen(l.Seen)
}

func (v *validator) accept(a Accept) {
	v.proto(a.Proto, "tcp", "udp", "sctp")
	v.port("port", a.Port)
	v.peer(a.Peer)
	v.keys("by", a.By)
	v.phases(a.Phase)
	v.seen(a.Seen)
}

func (v *validator) connect(c Connect) {
	v.proto(c.Proto, "tcp", "udp", "sctp", "icmp", "icmpv6", "raw", "unix")
	if oneOf(c.Proto, "tcp", "udp", "sctp") {
		v.port("port", c.Port)
	} else if c.Port != 0 {
		v.problem("port", "%s has no ports", c.Proto)
	}
	if (c.Proto == "unix") != (c.Peer.Path != "") {
		v.problem("peer.path", "unix sockets have a path and other peers have none")
	}
	if c.Proto != "unix" && peerKey(c.Peer) == peerKey(Peer{}) {
		v.problem("peer", "it has no address, name or object")
	}
	v.peer(c.Peer)
	if c.Via.IP != "" {
		v.ip("via.ip", c.Via.IP, false)
	}
	if c.Via.Port != 0 {
		v.port("via.port", c.Via.Port)
	}
	v.words("results", c.Results, []string{
		ResultEstablished, ResultRefused, ResultTimeout, ResultUnreachable,
		ResultInProgress, ResultSent, ResultProbeOnly, ResultDenied, ResultAlreadyOpen,
	})
	v.words("attribution", c.Attribution, []string{AttributionProcess, AttributionContainer, AttributionPod, AttributionNone})
	v.keys("by", c.By)
	v.phases(c.Phase)
	v.seen(c.Seen)
}

func (v *validator) peer(p Peer) {
	if p.IP != "" {
		v.ip("peer.ip", p.IP, true)
	}
	if strings.Contains(string(p.Path), "\x00") {
		v.problem("peer.path", "%q holds a NUL", shorten(string(p.Path)))
	}
	for _, name := range p.Names {
		v.name("peer.names", name)
	}
	v.words("peer.nameSource", p.NameSource, []string{NameDNSOfProcess, NameDNSOfPod, NameNodeCache, NameSNI, NameHubble, NameUser})
}

func (v *validator) dns(d DNS) {
	v.name("name", d.Name)
	if !isWord(d.Type, upper, digit) {
		v.problem("type", "%q is not a record type", shorten(d.Type))
	}
	for _, answer := range d.Answers {
		v.name("answers", answer)
	}
	v.keys("by", d.By)
	v.ids(d.Seen)
}

func (v *validator) proto(proto string, known ...string) {
	if !oneOf(proto, known...) {
		v.problem("proto", "%q is not one of %s", shorten(proto), strings.Join(known, ", "))
	}
}

func (v *validator) port(field string, port int) {
	if port < 1 || port > 65535 {
		v.problem(field, "%d is not a port", port)
	}
}
