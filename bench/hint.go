package bench

import (
	"fmt"
	"strings"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
)

// portsOfPeer is how many ports of each peer the connections of [Hint] go to.
const portsOfPeer = 5

// Connections is a complete profile of n connections: five ports of each peer, a
// tenth of the peers reached by a dropped executable only, and a tenth with a
// name.
func Connections(n int) *profile.Profile {
	const source = "s-000000000001"
	p := &profile.Profile{Sources: []profile.Source{{
		ID: source, Kind: profile.KindObserved, Complete: true, Lost: profile.Lost{Known: true},
		Observes: []string{profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesListen, profile.ObservesAccept, profile.ObservesIPv6},
	}}}
	for i := range n {
		peer := i / portsOfPeer
		c := profile.Connect{
			Proto: "tcp", Port: 1000 + i%portsOfPeer, By: []string{"/app/server"}, Results: []string{profile.ResultEstablished},
			Peer: profile.Peer{IP: fmt.Sprintf("203.%d.%d.%d", peer>>16&255, peer>>8&255, peer&255)},
			Seen: profile.Seen{source: {N: 3}},
		}
		switch peer % 10 {
		case 0:
			c.By = []string{"/usr/bin/curl"}
		case 1:
			c.Peer.Names = []string{fmt.Sprintf("host-%d.example.org", peer)}
		}
		p.Network.Connect = append(p.Network.Connect, c)
	}
	return p
}

// Hint makes the hint of that many connections, checks included, and gives the
// number of its rules.
func Hint(n int) (int, error) {
	h, err := netpolicy.New(Connections(n), func(key string) netpolicy.Fate {
		if strings.HasPrefix(key, "/usr/bin/") {
			return netpolicy.Dropped
		}
		return netpolicy.Kept
	}, netpolicy.Options{Selector: map[string]string{"app": "web"}})
	if err != nil {
		return 0, fmt.Errorf("making a hint: %w", err)
	}
	return len(h.Rules), nil
}
