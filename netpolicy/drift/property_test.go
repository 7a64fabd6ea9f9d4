package drift

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// randomHint has rules of every kind of peer that a core policy knows: blocks
// that overlap and have exceptions, pods, whole namespaces, anyone, and ranges
// of ports.
func randomHint(r *rand.Rand) *netpolicy.Hint {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	h := &netpolicy.Hint{
		PolicyTypes: []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress},
		Workload:    netpolicy.Workload{Name: "web", Namespace: "shop", PodSelector: map[string]string{"app": "web"}},
	}
	for range r.IntN(5) {
		rule := netpolicy.Rule{Direction: netpolicy.Direction(pick("ingress", "egress"))}
		switch p := &rule.Peer; r.IntN(6) {
		case 0, 1:
			p.Kind, p.CIDRs = netpolicy.PeerPrivate, []string{pick("10.0.0.4/30", "10.0.0.4/31", "10.0.0.5/32", "10.0.0.6/32", "2001:db8::/126")}
		case 2:
			p.Kind, p.CIDRs, p.Except = netpolicy.PeerMapped, []string{"10.0.0.0/29"}, []string{pick("10.0.0.6/31", "10.0.0.4/32")}
		case 3, 4:
			p.Kind, p.Namespace, p.PodSelector = netpolicy.PeerPods, pick("shop", "db"), map[string]string{"app": pick("a", "b")}
			if r.IntN(2) == 0 {
				p.PodSelector["tier"] = "x"
			}
		default:
			if p.Kind = netpolicy.PeerNamespace; r.IntN(2) == 0 {
				p.Namespace = "shop"
			} else {
				p.Kind = netpolicy.PeerAny
			}
			rule.Direction = netpolicy.Ingress
		}
		for range 1 + r.IntN(2) {
			port := netpolicy.Port{Protocol: pick("TCP", "UDP"), Port: int32(80 + r.IntN(4))}
			if r.IntN(3) == 0 {
				port.EndPort = port.Port + int32(1+r.IntN(3))
			}
			rule.Ports = append(rule.Ports, port)
		}
		h.Rules = append(h.Rules, rule)
	}
	return h
}

// attempts are packets of everybody whom the rules of [randomHint] could tell
// apart.
func attempts() []evaluate.Packet {
	var peers []evaluate.Packet
	for _, addr := range []string{"10.0.0.0", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "2001:db8::1", "2001:db8::4"} {
		peers = append(peers, evaluate.Packet{Addr: netip.MustParseAddr(addr)})
	}
	for _, ns := range []string{"shop", "db", "other"} {
		for _, set := range []labels.Set{{}, {"app": "a"}, {"app": "b"}, {"app": "a", "tier": "x"}, {"app": "b", "tier": "x"}, {"tier": "x"}} {
			peers = append(peers, evaluate.Packet{Pod: &evaluate.Pod{
				Namespace: ns, NamespaceLabels: labels.Set{"kubernetes.io/metadata.name": ns}, Labels: set, Local: ns == "shop",
			}})
		}
	}
	var list []evaluate.Packet
	for _, p := range peers {
		for _, p.Direction = range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
			for _, p.Protocol = range []string{"TCP", "UDP"} {
				for p.Port = uint16(79); p.Port < 88; p.Port++ {
					list = append(list, p)
				}
			}
		}
	}
	return list
}

// isIn reports whether a packet is of what a change is about.
func isIn(c Change, p evaluate.Packet) bool {
	if c.Direction != p.Direction || !holds(c.Ports, p.Protocol, p.Port) {
		return false
	}
	cidrs := c.CIDRs
	if cidrs == nil {
		cidrs = c.Peer.CIDRs
	}
	switch {
	case c.Peer.Kind == netpolicy.PeerAny:
		return true
	case p.Pod != nil:
		return len(cidrs) == 0 && within(&netpolicy.Peer{Namespace: p.Pod.Namespace, PodSelector: p.Pod.Labels}, &c.Peer)
	}
	return overlap(spansOf(cidrs, c.Peer.Except), []span{{p.Addr, p.Addr}})
}

// TestDiffOfAllPeers: two hints have no difference exactly when their policies
// answer alike, and every answer that differs is in a change of its kind.
func TestDiffOfAllPeers(t *testing.T) {
	t.Parallel()
	same, other := 0, 0
	grid := attempts()
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 11))
		before, after := randomHint(r), randomHint(r)
		if seed%4 == 0 { // the same rules, cut and ordered in another way
			after = &netpolicy.Hint{PolicyTypes: before.PolicyTypes, Workload: before.Workload}
			for _, rule := range slices.Backward(before.Rules) {
				for _, port := range rule.Ports {
					cut := rule
					cut.Ports = []netpolicy.Port{port}
					after.Rules = append(after.Rules, cut)
				}
			}
		}
		was, errA := before.Evaluator(netpolicy.Core)
		is, errB := after.Evaluator(netpolicy.Core)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		list := mustDiff(t, before, after)
		agree := true
		for _, p := range grid {
			a, b := was.Allows(p), is.Allows(p)
			agree = agree && a == b
			if a != b && !slices.ContainsFunc(list, func(c Change) bool { return c.Kind.Wider() == b && c.Kind != Moved && isIn(c, p) }) {
				t.Fatalf("seed %d: %s %s %v %s/%d was %t and is %t, which no change says: %+v", seed, p.Direction, p.Addr, p.Pod, p.Protocol, p.Port, a, b, list)
			}
		}
		if agree != (len(list) == 0) {
			t.Fatalf("seed %d: the policies agree: %t, but the changes are %+v", seed, agree, list)
		}
		if agree {
			same++
		} else {
			other++
		}
	}
	if same < 50 || other < 50 {
		t.Errorf("the test shows nothing: %d alike, %d different", same, other)
	}
}

func TestDiffOfWorkloads(t *testing.T) {
	t.Parallel()
	of := func(change func(*netpolicy.Workload)) *netpolicy.Hint {
		h := &netpolicy.Hint{
			PolicyTypes: []netpolicy.Direction{netpolicy.Egress},
			Workload:    netpolicy.Workload{Name: "web", Namespace: "shop", PodSelector: map[string]string{"app": "web"}},
		}
		change(&h.Workload)
		return h
	}
	plain := of(func(*netpolicy.Workload) {})
	for name, tt := range map[string]struct {
		other          *netpolicy.Hint
		forth, andBack []Kind
	}{
		"more labels":       {of(func(w *netpolicy.Workload) { w.PodSelector = map[string]string{"app": "web", "tier": "x"} }), []Kind{Widened}, []Kind{Narrowed}},
		"other labels":      {of(func(w *netpolicy.Workload) { w.PodSelector = map[string]string{"app": "db"} }), []Kind{Widened, Narrowed}, []Kind{Widened, Narrowed}},
		"no labels":         {of(func(w *netpolicy.Workload) { w.PodSelector = nil }), []Kind{Widened}, []Kind{Narrowed}},
		"host network":      {of(func(w *netpolicy.Workload) { w.HostNetwork = true }), []Kind{Widened}, []Kind{Narrowed}},
		"a container more":  {of(func(w *netpolicy.Workload) { w.Containers = []string{"a"} }), []Kind{Widened}, []Kind{Narrowed}},
		"another namespace": {of(func(w *netpolicy.Workload) { w.Namespace = "x" }), []Kind{Widened}, []Kind{Widened}},
		"another name":      {of(func(w *netpolicy.Workload) { w.Name = "x" }), nil, nil},
	} {
		kinds := func(list []Change) (out []Kind) {
			for _, c := range list {
				out = append(out, c.Kind)
			}
			return out
		}
		if got := kinds(mustDiff(t, plain, tt.other)); !slices.Equal(got, tt.forth) {
			t.Errorf("%s: %v, want %v", name, got, tt.forth)
		}
		if got := kinds(mustDiff(t, tt.other, plain)); !slices.Equal(got, tt.andBack) {
			t.Errorf("%s, back: %v, want %v", name, got, tt.andBack)
		}
	}
}

// TestNamedPortsAndNames: what a policy calls by name is not its number, and a
// name does not hide addresses that nobody could have resolved.
func TestNamedPortsAndNames(t *testing.T) {
	t.Parallel()
	one := func(peer netpolicy.Peer, ports ...netpolicy.Port) *netpolicy.Hint {
		return &netpolicy.Hint{PolicyTypes: []netpolicy.Direction{netpolicy.Egress}, Rules: []netpolicy.Rule{{Direction: netpolicy.Egress, Peer: peer, Ports: ports}}}
	}
	api := netpolicy.Peer{Kind: netpolicy.PeerPods, Namespace: "shop", PodSelector: map[string]string{"app": "api"}}
	number, name := netpolicy.Port{Protocol: "TCP", Port: 8080}, netpolicy.Port{Protocol: "TCP", Port: 8080, Name: "http"}
	if got := mustDiff(t, one(api, number), one(api, name)); len(got) != 2 || got[0].Kind != Widened || got[1].Kind != Narrowed {
		t.Errorf("a number became a name: %+v", got)
	}
	if got := mustDiff(t, one(api, name), one(api, name)); len(got) != 0 {
		t.Errorf("the same name: %+v", got)
	}
	external := func(cidr string, names ...string) *netpolicy.Hint {
		return one(netpolicy.Peer{Kind: netpolicy.PeerExternal, CIDRs: []string{cidr}, Names: names}, number)
	}
	for cidr, want := range map[string]Kind{"203.0.113.9/32": Moved, "203.0.113.0/24": Moved, "203.0.112.0/23": Widened, "0.0.0.0/0": Widened, "2001:db8::/120": Moved, "2001:db8::/64": Widened} {
		got := mustDiff(t, external("203.0.113.8/32", "a.example"), external(cidr, "a.example"))
		if len(got) == 0 || got[0].Kind != want {
			t.Errorf("%s of a known name: %+v, want %s", cidr, got, want)
		}
	}
	if got := mustDiff(t, external("203.0.113.8/32", "a.example"), external("203.0.113.8/32", "a.example", "evil.example")); len(got) != 1 || got[0].Kind != Widened || !slices.Equal(got[0].Names, []string{"evil.example"}) {
		t.Errorf("a name more at the same address: %+v", got)
	}
}

// TestDiffOfManyRules: time is about linear in rules, and rules that overlap
// without end are refused.
func TestDiffOfManyRules(t *testing.T) {
	t.Parallel()
	many := func(n int, rule func(i int) netpolicy.Rule) *netpolicy.Hint {
		h := &netpolicy.Hint{PolicyTypes: []netpolicy.Direction{netpolicy.Egress}}
		for i := range n {
			r := rule(i)
			r.Direction = netpolicy.Egress
			h.Rules = append(h.Rules, r)
		}
		return h
	}
	port := []netpolicy.Port{{Protocol: "TCP", Port: 443}}
	pods := func(from int) func(int) netpolicy.Rule {
		return func(i int) netpolicy.Rule {
			return netpolicy.Rule{Ports: port, Peer: netpolicy.Peer{Kind: netpolicy.PeerPods, Namespace: "shop", PodSelector: map[string]string{"a": "same", "b": fmt.Sprint(from + i)}}}
		}
	}
	blocks := func(from int) func(int) netpolicy.Rule {
		return func(i int) netpolicy.Rule {
			i += from
			return netpolicy.Rule{Ports: port, Peer: netpolicy.Peer{Kind: netpolicy.PeerPrivate, CIDRs: []string{fmt.Sprintf("10.%d.%d.0/32", i>>8, i&255)}}}
		}
	}
	begin := time.Now()
	for name, rules := range map[string]func(int) func(int) netpolicy.Rule{"pods": pods, "blocks": blocks} {
		if got := len(mustDiff(t, many(10_000, rules(0)), many(10_000, rules(5000)))); got != 10_000 {
			t.Errorf("%s: %d changes, want 5,000 each way", name, got)
		}
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("comparing 10,000 rules took %s", took)
	}
	wide := many(6000, func(i int) netpolicy.Rule {
		r := blocks(0)(i)
		r.Ports = []netpolicy.Port{{Protocol: "TCP", Port: int32(1 + i), EndPort: int32(30_000 + i)}}
		return r
	})
	if _, err := Diff(wide, wide); !errors.Is(err, ErrTooComplex) {
		t.Errorf("36,000,000 overlaps: %v", err)
	}
}
