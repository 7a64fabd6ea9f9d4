package record

import (
	"net/netip"
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// nameLinks says in a profile which connections went through links: the peer
// gets the name that the container used, and the address that was really
// reached, unless that is the host's loopback.
func nameLinks(p *profile.Profile, links map[netip.AddrPort]LinkEnd) {
	for i := range p.Network.Connect {
		c := &p.Network.Connect[i]
		addr, err := netip.ParseAddr(c.Peer.IP)
		if err != nil || c.Port < 0 || c.Port > 65535 {
			continue
		}
		end, ok := links[netip.AddrPortFrom(addr, uint16(c.Port))]
		if !ok {
			continue
		}
		if !slices.Contains(c.Peer.Names, end.Name) {
			c.Peer.Names = append(c.Peer.Names, end.Name)
			slices.Sort(c.Peer.Names)
		}
		if !slices.Contains(c.Peer.NameSource, profile.NameUser) {
			c.Peer.NameSource = append(c.Peer.NameSource, profile.NameUser)
			slices.Sort(c.Peer.NameSource)
		}
		if host, err := netip.ParseAddr(end.Host); err == nil && !host.IsLoopback() {
			c.Peer.IP = host.String()
		}
	}
}

// LinkEnd is where a link leads.
type LinkEnd struct {
	Name string // as the container calls it
	Host string // what it is on the host: an address or a name
}
