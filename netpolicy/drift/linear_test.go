package drift

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
)

func mustAudit(t *testing.T, j *Judge, list []netpolicy.Connection) []Finding {
	t.Helper()
	found, err := j.Audit(list)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func mustCheck(t *testing.T, p Policy, j *Judge, list []netpolicy.Connection) []Checked {
	t.Helper()
	checked, err := Check(p, j, list)
	if err != nil {
		t.Fatal(err)
	}
	return checked
}

// manyRules is a hint of n rules for pods that have a label in common, n for
// blocks and n for whoever connects, with as many omissions as rules; and
// connections to all of them.
func manyRules(n int) (*netpolicy.Hint, []netpolicy.Connection) {
	h := &netpolicy.Hint{
		Workload:    netpolicy.Workload{Name: "web", PodSelector: map[string]string{"app": "web"}},
		PolicyTypes: []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress},
	}
	var list []netpolicy.Connection
	add := func(d netpolicy.Direction, p netpolicy.Peer, port int) {
		r := netpolicy.Rule{ID: fmt.Sprint(len(h.Rules)), Direction: d, Peer: p, Ports: []netpolicy.Port{{Protocol: evaluate.TCP, Port: int32(port)}}}
		r.Evidence = netpolicy.Evidence{Attribution: profile.AttributionProcess, Executables: []netpolicy.Executable{{Key: app, Kept: true}}}
		h.Rules = append(h.Rules, r)
		q := p
		q.PodSelector = nil
		if p.PodSelector != nil {
			q.PodSelector = map[string]string{"a": "common", "app": p.PodSelector["app"] + "-left"}
		}
		h.Omitted = append(h.Omitted, netpolicy.Omission{Direction: d, Peer: q, Ports: []netpolicy.Port{{Protocol: evaluate.UDP, Port: int32(port)}}})
	}
	for i := range n {
		add(netpolicy.Egress, netpolicy.Peer{Kind: netpolicy.PeerPods, Namespace: "shop", PodSelector: map[string]string{"a": "common", "app": fmt.Sprint(i)}}, 80)
		add(netpolicy.Egress, netpolicy.Peer{Kind: netpolicy.PeerPrivate, CIDRs: []string{fmt.Sprintf("10.%d.%d.%d/32", i>>16, i>>8&255, i&255)}}, 443)
		add(netpolicy.Ingress, netpolicy.Peer{Kind: netpolicy.PeerAny}, 1+i)
	}
	for _, c := range h.Connections() {
		list = append(list, c)
		c.Port = 7 // for which no rule is
		list = append(list, c)
	}
	return h, list
}

// TestLinear counts the rules that are looked at to judge connections: for twice
// as many rules and connections twice as many.
func TestLinear(t *testing.T) {
	t.Parallel()
	looked := func(n int) int {
		h, list := manyRules(n)
		e, err := h.Evaluator(netpolicy.Core)
		if err != nil {
			t.Fatal(err)
		}
		j, w := NewJudge(h, nil), &work{maxLooked}
		for i := range list {
			for _, part := range j.split(&list[i], w) {
				j.verdict(e, &part.Connection, part.finding.Class, w)
			}
		}
		return maxLooked - w.left + int(e.Looked())
	}
	const n = 500
	for i, was := 2, looked(n); i <= 8; i *= 2 {
		is := looked(i * n)
		if is > 2*was+was/10 {
			t.Errorf("%d rules: %d looked at, %d for half as many", i*n, is, was)
		}
		was = is
	}
}

// TestTooComplex: rules that are all for one block are refused with connections
// to it, instead of looking at all of them again and again.
func TestTooComplex(t *testing.T) {
	t.Parallel()
	const n = 6500
	h := &netpolicy.Hint{
		Workload:    netpolicy.Workload{Name: "web", PodSelector: map[string]string{"app": "web"}},
		PolicyTypes: []netpolicy.Direction{netpolicy.Egress},
	}
	var list []netpolicy.Connection
	for i := range n {
		h.Rules = append(h.Rules, netpolicy.Rule{
			ID: fmt.Sprint(i), Direction: netpolicy.Egress, Peer: netpolicy.Peer{Kind: netpolicy.PeerPrivate, CIDRs: []string{"10.0.0.0/8"}},
			Ports: []netpolicy.Port{{Protocol: evaluate.TCP, Port: int32(1 + i)}},
		})
		c := netpolicy.Connection{Direction: netpolicy.Egress, Peer: netpolicy.Peer{Kind: netpolicy.PeerPrivate}, Protocol: evaluate.TCP, Port: 60_000}
		c.Addr = netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
		c.Packets = []evaluate.Packet{{Direction: c.Direction, Addr: c.Addr, Protocol: c.Protocol, Port: c.Port}}
		list = append(list, c)
	}
	if _, err := NewJudge(h, nil).Audit(list); !errors.Is(err, netpolicy.ErrTooComplex) {
		t.Errorf("audit: %v", err)
	}
	e, err := h.Evaluator(netpolicy.Core)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(e, NewJudge(h, nil), list); !errors.Is(err, netpolicy.ErrTooComplex) {
		t.Errorf("check: %v", err)
	}
}
