package evaluate

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/lathe-build/lathe/netpolicy/cilium"
)

// portSet holds sorted ranges of each protocol, and names.
type portSet struct {
	all    map[string]bool // protocols all of whose ports match
	ranges map[string][][2]uint16
	names  map[string]bool // protocol/name
}

func newPortSet() portSet {
	return portSet{all: map[string]bool{}, ranges: map[string][][2]uint16{}, names: map[string]bool{}}
}

// addCore reads the ports of a core rule; none means all.
func (s portSet) addCore(ports []networkingv1.NetworkPolicyPort) {
	for _, p := range ports {
		proto := TCP
		if p.Protocol != nil {
			proto = string(*p.Protocol)
		}
		switch {
		case p.Port == nil:
			s.all[proto] = true
		case p.Port.Type == intstr.String:
			s.names[proto+"/"+p.Port.StrVal] = true
		default:
			first := uint16(p.Port.IntVal) //nolint:gosec // a port
			last := first
			if p.EndPort != nil {
				last = uint16(*p.EndPort) //nolint:gosec // a port
			}
			s.ranges[proto] = append(s.ranges[proto], [2]uint16{first, last})
		}
	}
	if len(ports) == 0 {
		s.all[TCP], s.all[UDP], s.all[SCTP] = true, true, true
	}
}

// addCilium reads the ports of one of Cilium's rules; none means all.
func (s portSet) addCilium(rules []cilium.PortRule) {
	for _, r := range rules {
		for _, p := range r.Ports {
			first, err := strconv.ParseUint(p.Port, 10, 16)
			if err != nil {
				s.names[p.Protocol+"/"+p.Port] = true
				continue
			}
			last := max(uint16(first), uint16(p.EndPort)) //nolint:gosec // ports
			s.ranges[p.Protocol] = append(s.ranges[p.Protocol], [2]uint16{uint16(first), last})
		}
	}
	if len(rules) == 0 {
		s.all[TCP], s.all[UDP], s.all[SCTP] = true, true, true
	}
}

// normalize makes the ranges fit for [portSet.has].
func (s portSet) normalize() {
	for proto := range s.ranges {
		slices.SortFunc(s.ranges[proto], func(a, b [2]uint16) int { return cmp.Compare(a[0], b[0]) })
		s.ranges[proto] = mergeRanges(s.ranges[proto])
	}
}

// mergeRanges joins ranges that overlap; they come sorted.
func mergeRanges(in [][2]uint16) [][2]uint16 {
	out := in[:0]
	for _, r := range in {
		if n := len(out); n > 0 && r[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s portSet) has(p Packet) bool {
	if s.all[p.Protocol] {
		return true
	}
	list := s.ranges[p.Protocol]
	i, found := slices.BinarySearchFunc(list, p.Port, func(r [2]uint16, port uint16) int { return cmp.Compare(r[0], port) })
	if found || i > 0 && p.Port <= list[i-1][1] {
		return true
	}
	return s.hasName(p)
}

// hasName looks names up among the container ports of the peer. Those of the
// workload itself are not known, so that in ingress they match nothing.
func (s portSet) hasName(p Packet) bool {
	if p.Direction != Egress || p.Pod == nil || len(s.names) == 0 {
		return false
	}
	for name, port := range p.Pod.Ports {
		if port == p.Port && s.names[name] && strings.HasPrefix(name, p.Protocol+"/") {
			return true
		}
	}
	return false
}
