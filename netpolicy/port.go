package netpolicy

import (
	"cmp"
	"fmt"
	"slices"
)

// Protocols that a NetworkPolicy can name.
const (
	protoTCP  = "TCP"
	protoUDP  = "UDP"
	protoSCTP = "SCTP"
)

const (
	dnsPort          = 53
	openShiftDNSPort = 5353 // its DNS pods listen there, behind a service port of 53

	// The default range of net.ipv4.ip_local_port_range, from which the kernel
	// chooses ports.
	ephemeralFirst = 32768
	ephemeralLast  = 60999

	// minRange ports in a row become a range; fewer are easier to read alone.
	minRange = 3
)

// protocol is the policy's word for a profile's.
func protocol(proto string) (string, bool) {
	switch proto {
	case "tcp":
		return protoTCP, true
	case "udp":
		return protoUDP, true
	case "sctp":
		return protoSCTP, true
	}
	return "", false
}

// endpoint is one port of one protocol.
type endpoint struct {
	proto string
	port  uint16
}

func (e endpoint) String() string { return fmt.Sprintf("%s/%d", e.proto, e.port) }

func compareEndpoints(a, b endpoint) int {
	return cmp.Or(cmp.Compare(a.proto, b.proto), cmp.Compare(a.port, b.port))
}

// ports are the fewest that hold exactly ends, with ranges for minRange ports in
// a row and more. Those with a name are called by it.
func ports(ends []endpoint, names map[endpoint]string) []Port {
	ends = slices.Clone(ends)
	slices.SortFunc(ends, compareEndpoints)
	ends = slices.Compact(ends)
	var out []Port
	for _, e := range ends {
		if name := names[e]; name != "" {
			out = append(out, Port{Protocol: e.proto, Port: int32(e.port), Name: name})
		}
	}
	ends = slices.DeleteFunc(ends, func(e endpoint) bool { return names[e] != "" })
	for i := 0; i < len(ends); {
		j := i + 1
		for j < len(ends) && ends[j].proto == ends[i].proto && int(ends[j].port) == int(ends[j-1].port)+1 {
			j++
		}
		if j-i >= minRange {
			out = append(out, Port{Protocol: ends[i].proto, Port: int32(ends[i].port), EndPort: int32(ends[j-1].port)})
		} else {
			for _, e := range ends[i:j] {
				out = append(out, Port{Protocol: e.proto, Port: int32(e.port)})
			}
		}
		i = j
	}
	slices.SortFunc(out, comparePort)
	return out
}

func comparePort(x, y Port) int {
	return cmp.Or(cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Port, y.Port), cmp.Compare(x.EndPort, y.EndPort), cmp.Compare(x.Name, y.Name))
}

// dnsEnds are both transports of DNS: an answer that does not fit a datagram is
// asked for again over TCP.
func dnsEnds(port uint16) []endpoint {
	return []endpoint{{protoTCP, port}, {protoUDP, port}}
}

// sorted is s in order and without what is there twice; s stays as it is.
func sorted[T cmp.Ordered](s []T) []T {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}
