package strace

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// packet is data that a call sent or received.
type packet struct {
	peer    address // not valid where the call names none
	payload string  // as much of it as strace printed
}

// packets reads the data of a call and its peers.
func packets(name string, args []string) []packet {
	switch name {
	case "sendto", "recvfrom":
		if len(args) < 5 {
			return nil
		}
		peer, _ := parseAddress(args[4])
		return []packet{{peer, payload(args[1])}}
	case "send", "recv", "write", "read":
		if len(args) < 2 {
			return nil
		}
		return []packet{{payload: payload(args[1])}}
	case "sendmsg", "recvmsg":
		if len(args) < 2 {
			return nil
		}
		return []packet{message(args[1])}
	case "sendmmsg", "recvmmsg":
		if len(args) < 2 {
			return nil
		}
		var out []packet
		for _, element := range list(args[1]) {
			if header, ok := member(element, "msg_hdr"); ok {
				out = append(out, message(header))
			}
		}
		return out
	default:
		return nil
	}
}

// message reads {msg_name=..., msg_iov=[{iov_base="..."}, ...], ...}.
func message(s string) packet {
	var out packet
	if name, ok := member(s, "msg_name"); ok {
		out.peer, _ = parseAddress(name)
	}
	vector, _ := member(s, "msg_iov")
	for _, element := range list(vector) {
		base, _ := member(element, "iov_base")
		out.payload += payload(base)
		if len(out.payload) > 1<<16 {
			break
		}
	}
	return out
}

func payload(s string) string {
	text, _, _ := parseString(s)
	return text
}

// sent handles calls that send.
func (t *tracer) sent(p *process, s *socket, name string, args []string, res result) {
	if !res.known || s.proto == "unix" {
		return
	}
	result := resultOf(res.errno)
	if res.ok() {
		result = profile.ResultEstablished
		if s.proto != "tcp" && s.proto != "sctp" && s.proto != "" {
			result = profile.ResultSent
		}
	}
	if result == "" {
		return
	}
	t.settle(s, result)
	for _, packet := range packets(name, args) {
		to := s.peer
		if packet.peer.ip.IsValid() && s.proto != "tcp" {
			to = packet.peer
			t.sentTo(p, s, to, result)
		}
		if to.port == 53 && to.ip.IsValid() && res.ok() {
			t.asked(p, s.proto, packet.payload)
		}
	}
}

// sentTo notes data to a peer that the call names.
func (t *tracer) sentTo(p *process, s *socket, to address, result string) {
	if s.hasHeard(to) {
		return // an answer
	}
	key, ok := t.edgeTo(p, s, to)
	if !ok {
		return
	}
	t.attempt(key, result, "")
}

// received handles calls that receive.
func (t *tracer) received(p *process, s *socket, name string, args []string, res result) {
	if res.errno != "" {
		if result := resultOf(res.errno); result != "" {
			t.settle(s, result)
		}
		return
	}
	if !res.known || res.value <= 0 || s.proto == "unix" {
		return
	}
	if s.proto == "udp" {
		t.settle(s, profile.ResultSent)
	} else {
		t.settle(s, profile.ResultEstablished)
	}
	for _, packet := range packets(name, args) {
		from := s.peer
		if packet.peer.ip.IsValid() {
			from = packet.peer
		}
		if s.proto == "udp" && s.bound && !s.peer.ip.IsValid() && packet.peer.ip.IsValid() && !t.isAnswer(p, s, from) {
			t.serves(p)
			s.hear(from)
			t.visited(p, s, from)
		}
		if from.port == 53 && from.ip.IsValid() {
			t.answered(p, s.proto, packet.payload)
		}
	}
}

// isAnswer reports whether p has sent to a peer of a bound UDP socket before it
// received from there.
func (t *tracer) isAnswer(p *process, s *socket, from address) bool {
	key, ok := t.edgeTo(p, s, from)
	if !ok {
		return false
	}
	return t.facts.HasConnect(key.connect())
}

// asked notes the questions of a DNS message.
func (t *tracer) asked(p *process, proto, payload string) {
	if !p.inside {
		return
	}
	m, ok := parseDNS(proto, payload)
	if !ok || m.answer {
		return
	}
	for _, q := range m.questions {
		t.facts.DNS(fold.DNS{Name: q.name, Type: q.kind, By: p.key})
		t.dns = true
	}
}

// answered notes the addresses in a DNS message, as those of the name asked for.
func (t *tracer) answered(p *process, proto, payload string) {
	if !p.inside {
		return
	}
	m, ok := parseDNS(proto, payload)
	if !ok || !m.answer || len(m.questions) != 1 {
		return
	}
	q := m.questions[0]
	answer := fold.DNS{Name: q.name, Type: q.kind, By: p.key}
	for _, ip := range m.addresses {
		answer.Answers = append(answer.Answers, ip.String())
	}
	t.facts.DNS(answer)
	t.dns = true
}

// questionKey is a question of a DNS message.
type questionKey struct{ name, kind string }

// dnsMessage is what matters of a DNS message.
type dnsMessage struct {
	answer    bool
	questions []questionKey
	addresses []netip.Addr
}

// parseDNS reads a DNS message (RFC 1035, section 4), as far as strace printed
// it. It fails where the questions are not complete or hold odd names.
func parseDNS(proto, s string) (dnsMessage, bool) {
	if proto == "tcp" && len(s) > 2 {
		s = s[2:] // the length
	}
	if len(s) < 12 {
		return dnsMessage{}, false
	}
	m := dnsMessage{answer: s[2]&0x80 != 0}
	questions, answers := int(s[4])<<8|int(s[5]), int(s[6])<<8|int(s[7])
	if s[2]&0x78 != 0 || questions < 1 || questions > 8 {
		return dnsMessage{}, false
	}
	at := 12
	for range questions {
		name, next, ok := dnsName(s, at)
		if !ok || next+4 > len(s) || name == "" {
			return dnsMessage{}, false
		}
		kind := int(s[next])<<8 | int(s[next+1])
		m.questions = append(m.questions, questionKey{name, dnsType(kind)})
		at = next + 4
	}
	for range answers {
		next, ok := skipDNSName(s, at)
		if !ok || next+10 > len(s) {
			break
		}
		kind, size := int(s[next])<<8|int(s[next+1]), int(s[next+8])<<8|int(s[next+9])
		at = next + 10 + size
		if at > len(s) {
			break
		}
		if kind == 1 && size == 4 || kind == 28 && size == 16 {
			if ip, ok := netip.AddrFromSlice([]byte(s[next+10 : at])); ok {
				m.addresses = append(m.addresses, ip.Unmap())
			}
		}
	}
	return m, true
}

// dnsName reads a name without compression, as questions have it.
func dnsName(s string, at int) (name string, next int, ok bool) {
	var labels []string
	for at < len(s) {
		size := int(s[at])
		at++
		if size == 0 {
			name = strings.ToLower(strings.Join(labels, "."))
			return name, at, len(name) <= 253
		}
		if size > 63 || at+size > len(s) {
			return "", 0, false
		}
		label := s[at : at+size]
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*") != "" {
			return "", 0, false
		}
		labels = append(labels, label)
		at += size
	}
	return "", 0, false
}

// skipDNSName returns the index behind a name that may be compressed.
func skipDNSName(s string, at int) (next int, ok bool) {
	for at < len(s) {
		size := int(s[at])
		switch {
		case size == 0:
			return at + 1, true
		case size >= 0xc0:
			return at + 2, at+2 <= len(s)
		case size > 63:
			return 0, false
		}
		at += 1 + size
	}
	return 0, false
}

// dnsType is the name of a record type, as in IANA's registry of DNS parameters.
func dnsType(kind int) string {
	switch kind {
	case 1:
		return "A"
	case 2:
		return "NS"
	case 5:
		return "CNAME"
	case 6:
		return "SOA"
	case 12:
		return "PTR"
	case 15:
		return "MX"
	case 16:
		return "TXT"
	case 28:
		return "AAAA"
	case 33:
		return "SRV"
	case 35:
		return "NAPTR"
	case 64:
		return "SVCB"
	case 65:
		return "HTTPS"
	case 255:
		return "ANY"
	default:
		return "TYPE" + strconv.Itoa(kind)
	}
}
