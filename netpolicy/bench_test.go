package netpolicy

import (
	"errors"
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

// TestHostileSizes: time stays about linear where many things are different.
func TestHostileSizes(t *testing.T) {
	t.Parallel()
	const n = 20_000
	var net profile.Network
	for i := range n {
		by := fmt.Sprintf("/app/%d", i)
		net.Listen = append(net.Listen, listen("::", 1+i, by))
		net.Connect = append(net.Connect, tcp("203.0.113.9", 1+2*i, by), tcp(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), 1+i, by))
		net.DNS = append(net.DNS, profile.DNS{Name: by, Answers: []string{"203.0.113.9"}, By: []string{by}})
	}
	h, err := New(complete(net), fates, Options{Selector: webSelector})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "ingress rules", len(h.Allows(Ingress)), n)
	if _, err := h.YAML(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("YAML: %v", err)
	}
}
