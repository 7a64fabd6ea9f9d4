package netpolicy_test

import (
	"fmt"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
)

func ExampleNew() {
	p := &profile.Profile{Network: profile.Network{
		Listen: []profile.Listen{{Proto: "tcp", Addr: "0.0.0.0", Port: 80, By: []string{"/usr/sbin/nginx"}}},
		Connect: []profile.Connect{
			{Proto: "tcp", Port: 5432, Peer: profile.Peer{IP: "10.0.0.5"}, By: []string{"/usr/sbin/nginx"}, Results: []string{"established"}},
			{Proto: "tcp", Port: 443, Peer: profile.Peer{IP: "203.0.113.9"}, By: []string{"/usr/bin/curl"}, Results: []string{"established"}},
		},
	}}
	fate := func(key string) netpolicy.Fate {
		if key == "/usr/bin/curl" {
			return netpolicy.Dropped
		}
		return netpolicy.Kept
	}
	hint, err := netpolicy.New(p, fate, netpolicy.Options{Name: "web", Selector: map[string]string{"app": "web"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range hint.Rules {
		fmt.Println("allowed:", r.Direction, r.Peer.CIDRs, r.Ports[0])
	}
	for _, o := range hint.Tightened {
		fmt.Println("denied:", o.Direction, o.Peer.CIDRs, o.Ports[0], o.Executables)
	}
	// Output:
	// allowed: ingress [] TCP/80
	// allowed: egress [10.0.0.5/32] TCP/5432
	// denied: egress [203.0.113.9/32] TCP/443 [/usr/bin/curl]
}
