package strace

import (
	"net/netip"
	"strconv"
	"strings"
)

// address is a socket address: of IP, or of a unix socket.
type address struct {
	ip   netip.Addr // not valid for unix sockets; IPv4 in IPv6 is unmapped
	port int
	path string // of a unix socket; @ in front of an abstract name
	unix bool
}

// parseAddress reads {sa_family=AF_INET, ...}. It fails for families that are
// neither IP nor unix, and for addresses that were not printed.
func parseAddress(s string) (address, bool) {
	family, ok := member(s, "sa_family")
	if !ok {
		return address{}, false
	}
	switch family {
	case "AF_UNIX", "AF_LOCAL":
		return parseUnix(s)
	case "AF_INET":
		text, _ := member(s, "sin_addr")
		return parseInet(text, s, "sin_port")
	case "AF_INET6":
		rest, ok := strings.CutPrefix(s, "{")
		if !ok {
			return address{}, false
		}
		parts, _, _ := split(rest, '}')
		for _, part := range parts {
			if strings.Contains(part, "inet_pton(") {
				return parseInet(part, s, "sin6_port")
			}
		}
	}
	return address{}, false
}

func parseUnix(s string) (address, bool) {
	text, ok := member(s, "sun_path")
	if !ok {
		return address{unix: true}, true // unnamed
	}
	rest, abstract := strings.CutPrefix(text, "@")
	path, _, ok := parseString(rest)
	if !ok {
		return address{}, false
	}
	if abstract {
		path = "@" + path
	}
	return address{path: path, unix: true}, true
}

// parseInet reads the address in the first string of text, and the port from a
// member of s, htons(80).
func parseInet(text, s, port string) (address, bool) {
	i := strings.IndexByte(text, '"')
	if i < 0 {
		return address{}, false
	}
	literal, whole, ok := parseString(text[i:])
	ip, err := netip.ParseAddr(literal)
	if !ok || !whole || err != nil {
		return address{}, false
	}
	number, _ := member(s, port)
	number = strings.TrimSuffix(strings.TrimPrefix(number, "htons("), ")")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return address{}, false
	}
	return address{ip: ip.Unmap(), port: int(n)}, true
}

// socketInfo is what -yy tells of a socket, "TCP:[127.0.0.1:80->127.0.0.1:999]".
type socketInfo struct {
	proto         string // tcp, udp, sctp, icmp, icmpv6, raw or unix; "" if not known
	local, remote netip.AddrPort
}

func parseSocketInfo(refers string) socketInfo {
	kind, rest, ok := strings.Cut(refers, ":[")
	if !ok {
		return socketInfo{}
	}
	info := socketInfo{proto: protoOfKind(kind)}
	ends := strings.TrimSuffix(rest, "]")
	local, remote, _ := strings.Cut(ends, "->")
	info.local, info.remote = parseEnd(local), parseEnd(remote)
	return info
}

func protoOfKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "UNIX"):
		return "unix"
	case kind == "TCP", kind == "TCPv6":
		return "tcp"
	case kind == "UDP", kind == "UDPv6":
		return "udp"
	case kind == "SCTP", kind == "SCTPv6":
		return "sctp"
	case kind == "PING":
		return "icmp"
	case kind == "PINGv6":
		return "icmpv6"
	case kind == "RAW", kind == "RAWv6":
		return "raw"
	default:
		return ""
	}
}

// parseEnd reads one end of a connection; an inode's number is none.
func parseEnd(s string) netip.AddrPort {
	end, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
}

// protoOf is the protocol of socket(domain, type, protocol).
func protoOf(domain, kind, protocol string) string {
	if domain == "AF_UNIX" || domain == "AF_LOCAL" {
		return "unix"
	}
	if domain != "AF_INET" && domain != "AF_INET6" {
		return ""
	}
	switch protocol {
	case "IPPROTO_SCTP":
		return "sctp"
	case "IPPROTO_ICMP":
		return "icmp"
	case "IPPROTO_ICMPV6":
		return "icmpv6"
	}
	switch {
	case hasFlag(kind, "SOCK_STREAM"):
		return "tcp"
	case hasFlag(kind, "SOCK_DGRAM"):
		return "udp"
	case hasFlag(kind, "SOCK_SEQPACKET"):
		return "sctp"
	case hasFlag(kind, "SOCK_RAW"):
		return "raw"
	default:
		return ""
	}
}
