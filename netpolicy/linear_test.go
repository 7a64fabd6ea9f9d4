package netpolicy

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// manyRules is a hint of n rules; each peer is listed as left out twice: on the
// port of the rule and on another.
func manyRules(n int, rule func(i int) Rule) *Hint {
	h := &Hint{Schema: Schema, Workload: Workload{Name: "web", PodSelector: map[string]string{"app": "web"}}, PolicyTypes: []Direction{Ingress, Egress}}
	for i := range n {
		r := rule(i)
		r.ID = fmt.Sprintf("e-%d", i)
		h.Rules = append(h.Rules, r)
		h.Tightened = append(h.Tightened, Omission{Direction: r.Direction, Peer: r.Peer, Ports: r.Ports})
		h.Omitted = append(h.Omitted, Omission{Direction: r.Direction, Peer: r.Peer, Ports: []Port{{Protocol: protoUDP, Port: 7}}})
	}
	return h
}

func address(i int) string { return fmt.Sprintf("10.%d.%d.%d/32", i>>16, i>>8&255, i&255) }

// TestLinear counts the rules that are looked at to hold a policy against its
// hint: for twice as many rules and omissions twice as many.
func TestLinear(t *testing.T) {
	t.Parallel()
	port := func(n int) []Port { return []Port{{Protocol: protoTCP, Port: int32(n)}} }
	for name, rule := range map[string]func(i int) Rule{
		"pods with a label in common": func(i int) Rule {
			return Rule{Direction: Egress, Peer: Peer{Kind: PeerPods, Namespace: "shop", PodSelector: map[string]string{"a": "common", "app": fmt.Sprint(i)}}, Ports: port(80)}
		},
		"addresses": func(i int) Rule {
			return Rule{Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{address(i)}}, Ports: port(443)}
		},
		"blocks with exceptions": func(i int) Rule {
			block := fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255)
			return Rule{Direction: Ingress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{block}, Except: []string{address(i << 8)}}, Ports: port(443)}
		},
	} {
		for _, form := range Forms() {
			looked := func(n int) int64 {
				count, err := manyRules(n, rule).compare(form)
				if err != nil {
					t.Fatalf("%s: %s: %v", name, form, err)
				}
				return count
			}
			const n = 500
			for i, was := 2, looked(n); i <= 8; i *= 2 {
				is := looked(i * n)
				if is < int64(i*n) || is > 2*was+was/10 {
					t.Errorf("%s: %s: of %d rules %d were looked at, of half as many %d", name, form, i*n, is, was)
				}
				was = is
			}
		}
	}
}

// TestTooComplex: rules that are all for one block are refused, instead of being
// looked at for everything that was left out.
func TestTooComplex(t *testing.T) {
	t.Parallel()
	h := manyRules(6500, func(i int) Rule {
		return Rule{Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"10.0.0.0/8"}}, Ports: []Port{{Protocol: protoTCP, Port: int32(1 + i)}}}
	})
	for _, form := range Forms() {
		if _, err := Render(h, form); !errors.Is(err, ErrTooComplex) {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// TestBlocksTimesPorts: a rule of many blocks, exceptions and ports is read,
// rendered and asked about without looking at each with each.
func TestBlocksTimesPorts(t *testing.T) {
	t.Parallel()
	r := Rule{Direction: Egress, Peer: Peer{Kind: PeerPrivate}}
	for i := range 19_000 {
		r.Peer.CIDRs = append(r.Peer.CIDRs, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))
		r.Peer.Except = append(r.Peer.Except, fmt.Sprintf("10.%d.%d.0/32", i>>8, i&255))
		r.Ports = append(r.Ports, Port{Protocol: protoTCP, Port: int32(1 + 2*i)})
	}
	h := manyRules(1, func(int) Rule { return r })
	id, err := ruleID(r)
	if err != nil {
		t.Fatal(err)
	}
	h.Rules[0].ID = id
	start := time.Now()
	data := jsonOf(t, h)
	if _, err := ParseHint(data); err != nil {
		t.Fatal(err)
	}
	if _, err := Render(h, Core); err != nil {
		t.Error(err)
	}
	if _, err := Render(h, Cilium); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Cilium's form repeats the blocks for each 40 ports: %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("reading and rendering took %v", took)
	}
	packets := 0
	for _, c := range h.Connections() {
		packets += len(c.Packets)
	}
	if packets < len(r.Ports) || packets > maxAsked+2*len(r.Ports) {
		t.Errorf("%d packets are asked about", packets)
	}
}

// TestRepeatedBlock refuses a hint that lists a block twice.
func TestRepeatedBlock(t *testing.T) {
	t.Parallel()
	h := manyRules(1, func(int) Rule {
		return Rule{Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"10.0.0.0/8", "10.0.0.0/8"}}, Ports: []Port{{Protocol: protoTCP, Port: 1}}}
	})
	var err error
	if h.Rules[0].ID, err = ruleID(h.Rules[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseHint(jsonOf(t, h)); err == nil {
		t.Error("it is accepted")
	}
}

// TestExceptsOf puts each exception with the blocks that it is in.
func TestExceptsOf(t *testing.T) {
	t.Parallel()
	p := Peer{
		CIDRs:  []string{"10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "192.0.2.0/24"},
		Except: []string{"10.1.2.0/24", "10.2.0.0/16", "2001:db8:1::/48", "203.0.113.0/24"},
	}
	want(t, "exceptions", exceptsOf(&p), [][]string{{"10.1.2.0/24", "10.2.0.0/16"}, {"10.1.2.0/24"}, {"2001:db8:1::/48"}, nil})
	blocks := blocksOfPeer(&p)
	for text, in := range map[string]bool{"10.1.2.3": false, "10.1.3.3": true, "10.3.0.1": true, "2001:db8:1::1": false, "2001:db8:2::1": true, "203.0.113.1": false, "11.0.0.1": false} {
		want(t, text, blocks.hold(netip.MustParseAddr(text)), in)
	}
}

// TestCovers: a rule covers what it is for, and nothing beside it.
func TestCovers(t *testing.T) {
	t.Parallel()
	c := newCoverage([]Rule{
		{Direction: Egress, Peer: Peer{Kind: PeerPrivate, CIDRs: []string{"10.0.0.0/8"}, Except: []string{"10.1.0.0/16"}}, Ports: []Port{{Protocol: protoTCP, Port: 443}, {Protocol: protoTCP, Port: 8000, EndPort: 8010}, {Protocol: protoTCP, Port: 8005, EndPort: 8020}}},
		{Direction: Egress, Peer: Peer{Kind: PeerPods, Namespace: "shop", PodSelector: map[string]string{"app": "api", "v": "1"}}, Ports: []Port{{Protocol: protoTCP, Port: 80}}},
		{Direction: Ingress, Peer: Peer{Kind: PeerAny}, Ports: []Port{{Protocol: protoUDP, Port: 53}}},
	})
	pod := func(ns string, labels map[string]string) *evaluate.Pod {
		return &evaluate.Pod{Namespace: ns, Labels: labels}
	}
	both := map[string]string{"app": "api", "v": "1", "more": "x"}
	for name, tt := range map[string]struct {
		p    evaluate.Packet
		want bool
	}{
		"in the block":       {evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr("10.2.0.1"), Protocol: protoTCP, Port: 443}, true},
		"in a range":         {evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr("10.2.0.1"), Protocol: protoTCP, Port: 8020}, true},
		"behind the range":   {evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr("10.2.0.1"), Protocol: protoTCP, Port: 8021}, false},
		"other protocol":     {evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr("10.2.0.1"), Protocol: protoUDP, Port: 443}, false},
		"excepted":           {evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr("10.1.0.1"), Protocol: protoTCP, Port: 443}, false},
		"outside":            {evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr("11.0.0.1"), Protocol: protoTCP, Port: 443}, false},
		"other direction":    {evaluate.Packet{Direction: Ingress, Addr: netip.MustParseAddr("10.2.0.1"), Protocol: protoTCP, Port: 443}, false},
		"selected":           {evaluate.Packet{Direction: Egress, Pod: pod("shop", both), Protocol: protoTCP, Port: 80}, true},
		"other namespace":    {evaluate.Packet{Direction: Egress, Pod: pod("bank", both), Protocol: protoTCP, Port: 80}, false},
		"one label":          {evaluate.Packet{Direction: Egress, Pod: pod("shop", map[string]string{"app": "api"}), Protocol: protoTCP, Port: 80}, false},
		"the other label":    {evaluate.Packet{Direction: Egress, Pod: pod("shop", map[string]string{"v": "1"}), Protocol: protoTCP, Port: 80}, false},
		"anyone":             {evaluate.Packet{Direction: Ingress, Protocol: protoUDP, Port: 53}, true},
		"anyone, other port": {evaluate.Packet{Direction: Ingress, Protocol: protoUDP, Port: 54}, false},
		"anyone, not egress": {evaluate.Packet{Direction: Egress, Protocol: protoUDP, Port: 53}, false},
	} {
		if got := c.covers(tt.p); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
