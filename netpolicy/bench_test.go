package netpolicy

import (
	"fmt"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// BenchmarkNew makes a hint of 100,000 connections: 20,000 addresses with five
// ports each, a tenth of them of dropped executables, a tenth with names.
func BenchmarkNew(b *testing.B) {
	p := complete(profile.Network{Listen: []profile.Listen{listen("::", 80, app)}})
	for i := range 100_000 {
		addr, port := i/5, 1000+i%5
		by := app
		if addr%10 == 0 {
			by = curl
		}
		c := tcp(fmt.Sprintf("203.%d.%d.%d", addr/40_000, addr/200%200, addr%200), port, by)
		if addr%10 == 1 {
			c.Peer.Names = []string{fmt.Sprintf("host-%d.example.org", addr)}
		}
		c.Seen = profile.Seen{"s-000000000001": {N: 3}}
		p.Network.Connect = append(p.Network.Connect, c)
	}
	b.ReportAllocs()
	for b.Loop() {
		h, err := New(p, fates, Options{Selector: webSelector})
		if err != nil {
			b.Fatal(err)
		}
		if len(h.Tightened) == 0 || len(h.Rules) == 0 {
			b.Fatal("nothing came out")
		}
	}
}

// BenchmarkYAML renders the hint of BenchmarkNew's size.
func BenchmarkYAML(b *testing.B) {
	var list []profile.Connect
	for i := range 20_000 {
		list = append(list, tcp(fmt.Sprintf("203.%d.%d.%d", i/40_000, i/200%200, 2*(i%100)), 1000+i%7, app))
	}
	h, err := New(connects(list...), fates, Options{Selector: webSelector})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.YAML(); err != nil {
			b.Fatal(err)
		}
	}
}
