package drift

import (
	"net/netip"
	"testing"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// TestPlaces finds the rules and omissions of a connection wherever they are
// kept: by block less exceptions, by labels, by port, and name servers.
func TestPlaces(t *testing.T) {
	t.Parallel()
	ports := func(port, end int32) []netpolicy.Port {
		return []netpolicy.Port{{Protocol: evaluate.TCP, Port: port, EndPort: end}}
	}
	blocks := netpolicy.Peer{Kind: netpolicy.PeerPrivate, CIDRs: []string{"10.0.0.0/8"}, Except: []string{"10.1.0.0/16"}}
	pods := func(app string) netpolicy.Peer {
		return netpolicy.Peer{Kind: netpolicy.PeerPods, Namespace: "shop", PodSelector: map[string]string{"app": app, "a": "common"}}
	}
	h := &netpolicy.Hint{
		Workload:    netpolicy.Workload{Name: "web", Namespace: "shop", PodSelector: map[string]string{"app": "web"}},
		PolicyTypes: []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress},
		Rules: []netpolicy.Rule{
			{ID: "block", Direction: netpolicy.Egress, Peer: blocks, Ports: ports(443, 0)},
			{ID: "pods", Direction: netpolicy.Egress, Peer: pods("api"), Ports: ports(80, 0)},
			{ID: "dns", Direction: netpolicy.Egress, Peer: netpolicy.Peer{Kind: netpolicy.PeerClusterDNS, Namespace: "kube-system", PodSelector: map[string]string{"k8s-app": "kube-dns"}}, Ports: ports(5353, 0)},
			{ID: "pods in", Direction: netpolicy.Ingress, Peer: pods("lb"), Ports: ports(8080, 8090)},
			{ID: "any", Direction: netpolicy.Ingress, Peer: netpolicy.Peer{Kind: netpolicy.PeerAny}, Ports: ports(9000, 0)},
		},
		Omitted: []netpolicy.Omission{
			{Direction: netpolicy.Egress, Peer: pods("db"), Ports: ports(5432, 0)},
			{Direction: netpolicy.Egress, Peer: netpolicy.Peer{Kind: netpolicy.PeerPrivate, CIDRs: []string{"192.168.0.0/16"}, Except: []string{"192.168.7.0/24"}}, Ports: ports(22, 0)},
		},
	}
	e, err := h.Evaluator(netpolicy.Core)
	if err != nil {
		t.Fatal(err)
	}
	addr := func(text string, port uint16) netpolicy.Connection {
		return netpolicy.Connection{Direction: netpolicy.Egress, Peer: netpolicy.Peer{Kind: netpolicy.PeerPrivate}, Addr: netip.MustParseAddr(text), Port: port}
	}
	pod := func(d netpolicy.Direction, app string, port uint16) netpolicy.Connection {
		p := pods(app)
		p.PodSelector["extra"] = "label"
		return netpolicy.Connection{Direction: d, Peer: p, Port: port}
	}
	listens := func(port uint16) netpolicy.Connection {
		return netpolicy.Connection{Direction: netpolicy.Ingress, Peer: netpolicy.Peer{Kind: netpolicy.PeerAny}, Port: port}
	}
	for name, tt := range map[string]struct {
		c       netpolicy.Connection
		class   Class
		rule    string
		verdict Verdict
	}{
		"in a block":               {addr("10.2.0.1", 443), Expected, "block", Allowed},
		"in a block, other port":   {addr("10.2.0.1", 80), NewPort, "", Blocked},
		"excepted":                 {addr("10.1.0.1", 443), NewPeer, "", Blocked},
		"selected":                 {pod(netpolicy.Egress, "api", 80), Expected, "pods", Allowed},
		"a label in common":        {pod(netpolicy.Egress, "other", 80), NewPeer, "", Blocked},
		"name server by address":   {addr("172.16.0.10", 53), Expected, "dns", Blocked},
		"address, no name server":  {addr("172.16.0.10", 54), NewPeer, "", Blocked},
		"left out":                 {pod(netpolicy.Egress, "db", 5432), NewPeer, "", LeftOut},
		"left out, other port":     {pod(netpolicy.Egress, "db", 80), NewPeer, "", Blocked},
		"block left out":           {addr("192.168.1.1", 22), NewPeer, "", LeftOut},
		"block left out, excepted": {addr("192.168.7.1", 22), NewPeer, "", Blocked},
		"listener in a range":      {listens(8085), Expected, "pods in", Unjudged},
		"listener for anyone":      {listens(9000), Expected, "any", Allowed},
		"listener without a rule":  {listens(7), NewPort, "", Blocked},
	} {
		c := tt.c
		c.Protocol = evaluate.TCP
		q := evaluate.Packet{Direction: c.Direction, Addr: c.Addr, Protocol: c.Protocol, Port: c.Port}
		if c.Peer.Namespace != "" {
			q.Pod = &evaluate.Pod{Namespace: c.Peer.Namespace, Labels: c.Peer.PodSelector, Local: true}
		}
		c.Packets = []evaluate.Packet{q}
		got := mustCheck(t, e, NewJudge(h, nil), []netpolicy.Connection{c})
		if len(got) != 1 || got[0].Class != tt.class || got[0].Rule != tt.rule || got[0].Verdict != tt.verdict {
			t.Errorf("%s: %+v, want %s %q %s", name, got, tt.class, tt.rule, tt.verdict)
		}
	}
}
