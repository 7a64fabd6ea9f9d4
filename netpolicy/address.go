package netpolicy

import (
	"net/netip"
	"slices"
)

// metadataAddrs hand out a cloud instance's or task's credentials: the
// documented addresses of AWS, Azure, Google Cloud and others (the first), of
// ECS and EKS (the next two, and the last), of Alibaba Cloud, and of AWS over
// IPv6.
func metadataAddrs() []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{169, 254, 169, 254}),
		netip.AddrFrom4([4]byte{169, 254, 170, 2}),
		netip.AddrFrom4([4]byte{169, 254, 170, 23}),
		netip.AddrFrom4([4]byte{100, 100, 100, 200}),
		netip.MustParseAddr("fd00:ec2::254"),
		netip.MustParseAddr("fd00:ec2::23"),
	}
}

// special are the address ranges that decide how a peer is treated.
type special struct {
	metadata map[netip.Addr]bool
	shared   netip.Prefix // RFC 6598, used for pods by some clouds
	nat64    netip.Prefix // RFC 6052's well-known prefix
	own      map[netip.Addr]bool
}

func newSpecial(own map[netip.Addr]bool) special {
	s := special{
		metadata: map[netip.Addr]bool{},
		shared:   netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10),
		nat64:    netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b}), 96),
		own:      own,
	}
	for _, a := range metadataAddrs() {
		s.metadata[a] = true
	}
	return s
}

// parseAddr reads an address as a recorder writes it. An IPv4 address mapped
// into IPv6, as dual-stack sockets show it, becomes the IPv4 address. A prefix
// of one address is that address.
func parseAddr(s string) (netip.Addr, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if !p.IsSingleIP() {
			return netip.Addr{}, false
		}
		return p.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
}

// embedded is the IPv4 address inside a NAT64 address.
func (s special) embedded(a netip.Addr) (netip.Addr, bool) {
	if !s.nat64.Contains(a) {
		return netip.Addr{}, false
	}
	b := a.As16()
	return netip.AddrFrom4([4]byte(b[12:])), true
}

// noise says why a peer at a is nothing that a policy is about, or "".
func (s special) noise(a netip.Addr) string {
	switch {
	case a.IsLoopback():
		return "loopback"
	case s.own[a]:
		return "the pod's own address"
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0:
		return "unspecified address"
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "multicast or broadcast"
	case a.Is6() && a.IsLinkLocalUnicast():
		return "IPv6 link-local address"
	}
	return ""
}

// kind is how a peer at a, which is no noise, is grouped and rendered.
func (s special) kind(a netip.Addr) PeerKind {
	if v4, ok := s.embedded(a); ok {
		if s.metadata[v4] {
			return PeerMetadata
		}
		if v4.IsPrivate() || s.shared.Contains(v4) {
			return PeerPrivate
		}
		return PeerExternal
	}
	switch {
	case s.metadata[a]:
		return PeerMetadata
	case a.IsLinkLocalUnicast():
		return PeerLinkLocal
	case a.IsPrivate(), s.shared.Contains(a):
		return PeerPrivate
	}
	return PeerExternal
}

// blocks are the fewest prefixes that hold exactly addrs: two halves of a block
// are joined, nothing else is.
func blocks(addrs []netip.Addr) []netip.Prefix {
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	var out []netip.Prefix
	for _, a := range addrs {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
		for n := len(out); n > 1; n = len(out) {
			parent, ok := join(out[n-2], out[n-1])
			if !ok {
				break
			}
			out = append(out[:n-2], parent)
		}
	}
	return out
}

// join is the block that a and b are the halves of. A block of everything is
// not made.
func join(a, b netip.Prefix) (netip.Prefix, bool) {
	if a.Bits() != b.Bits() || a.Bits() <= 1 || a.Addr().BitLen() != b.Addr().BitLen() {
		return netip.Prefix{}, false
	}
	parent := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
	if parent.Addr() != a.Addr() || !parent.Contains(b.Addr()) || a.Addr() == b.Addr() {
		return netip.Prefix{}, false
	}
	return parent, true
}
