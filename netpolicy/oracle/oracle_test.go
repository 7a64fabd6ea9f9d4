// Package oracle compares our evaluator of network policies with that of
// sigs.k8s.io/kube-network-policies, which enforces policies in clusters. It is
// a module of its own, so that what that one needs is no need of lathe.
package oracle

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kube-network-policies/pkg/api"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
)

// world is small enough for random policies and packets to meet.
type world struct{ *rand.Rand }

func (w world) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w world) labels() map[string]string {
	set := map[string]string{}
	for _, k := range []string{"app", "tier"} {
		if w.IntN(2) == 0 {
			set[k] = w.pick("a", "b")
		}
	}
	return set
}

func (w world) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: w.labels()}
	if w.IntN(4) == 0 {
		op := metav1.LabelSelectorOperator(w.pick("In", "NotIn", "Exists", "DoesNotExist"))
		e := metav1.LabelSelectorRequirement{Key: w.pick("app", "tier"), Operator: op}
		if op == "In" || op == "NotIn" {
			e.Values = []string{"a"}
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

func (w world) ports() []networkingv1.NetworkPolicyPort {
	var list []networkingv1.NetworkPolicyPort
	for range w.IntN(3) {
		proto := corev1.Protocol(w.pick("TCP", "UDP", "SCTP"))
		p := networkingv1.NetworkPolicyPort{Protocol: &proto}
		switch w.IntN(4) {
		case 0:
		case 1:
			name := intstr.FromString(w.pick("http", "dns"))
			p.Port = &name
		default:
			n := intstr.FromInt(80 + w.IntN(4))
			p.Port = &n
			if w.IntN(2) == 0 {
				end := n.IntVal + int32(w.IntN(3))
				p.EndPort = &end
			}
		}
		list = append(list, p)
	}
	return list
}

func (w world) peers() []networkingv1.NetworkPolicyPeer {
	var list []networkingv1.NetworkPolicyPeer
	for range w.IntN(3) {
		var p networkingv1.NetworkPolicyPeer
		switch w.IntN(4) {
		case 0:
			p.IPBlock = &networkingv1.IPBlock{CIDR: w.pick("10.0.0.0/30", "10.0.0.1/32", "0.0.0.0/0", "2001:db8::/126", "::/0")}
			if p.IPBlock.CIDR == "10.0.0.0/30" || p.IPBlock.CIDR == "0.0.0.0/0" {
				p.IPBlock.Except = []string{"10.0.0.2/31"}
			}
		case 1:
			p.PodSelector = w.selector()
		case 2:
			p.NamespaceSelector = w.selector()
		default:
			p.PodSelector, p.NamespaceSelector = w.selector(), w.selector()
		}
		list = append(list, p)
	}
	return list
}

func (w world) policy() *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "shop"}}
	np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
	for range w.IntN(4) {
		np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{Ports: w.ports(), To: w.peers()})
	}
	if w.IntN(2) == 0 {
		np.Spec.PolicyTypes = append(np.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
		for range w.IntN(4) {
			np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{Ports: numbered(w.ports()), From: w.peers()})
		}
	}
	return np
}

// numbered leaves out ports by name: what they are on the workload itself our
// evaluator does not know, and hints have none.
func numbered(list []networkingv1.NetworkPolicyPort) []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	for _, p := range list {
		if p.Port == nil || p.Port.Type == intstr.Int {
			out = append(out, p)
		}
	}
	return out
}

// packet is an attempt for both evaluators.
func (w world) packet() evaluate.Packet {
	p := evaluate.Packet{
		Direction: evaluate.Direction(w.pick("ingress", "egress")),
		Addr:      netip.MustParseAddr(w.pick("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.5", "2001:db8::1", "2001:db9::1", "8.8.8.8")),
		Protocol:  w.pick("TCP", "UDP", "SCTP"), Port: uint16(79 + w.IntN(7)),
	}
	if w.IntN(2) == 0 {
		ns := w.pick("shop", "infra")
		p.Pod = &evaluate.Pod{
			Namespace: ns, NamespaceLabels: w.labels(), Labels: labels.Set(w.labels()), Local: ns == "shop",
			Ports: map[string]uint16{"TCP/http": 80, "UDP/dns": 82},
		}
	}
	return p
}

// judge asks the other evaluator.
func judge(t *testing.T, np *networkingv1.NetworkPolicy, p evaluate.Packet) bool {
	t.Helper()
	self := &api.PodInfo{Name: "web", Namespace: &api.Namespace{Name: "shop"}}
	var peer *api.PodInfo
	if p.Pod != nil {
		peer = &api.PodInfo{Name: "peer", Labels: p.Pod.Labels, Namespace: &api.Namespace{Name: p.Pod.Namespace, Labels: p.Pod.NamespaceLabels}}
		for name, n := range p.Pod.Ports {
			proto, name, _ := cut(name)
			peer.ContainerPorts = append(peer.ContainerPorts, &api.ContainerPort{Name: name, Port: int32(n), Protocol: proto})
		}
	}
	direction := networkingv1.PolicyTypeEgress
	port, other := 40000, int(p.Port)
	if p.Direction == evaluate.Ingress {
		direction, port, other = networkingv1.PolicyTypeIngress, int(p.Port), 40000
	}
	return networkpolicy.EvaluatePolicyDirection(t.Context(), []*networkingv1.NetworkPolicy{np}, direction,
		self, port, peer, net.IP(p.Addr.AsSlice()), other, corev1.Protocol(p.Protocol))
}

func cut(s string) (string, string, bool) {
	for i := range s {
		if s[i] == '/' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// TestRandomPolicies: both say the same of random policies and packets.
func TestRandomPolicies(t *testing.T) {
	t.Parallel()
	allowed, denied := 0, 0
	for seed := range uint64(2000) {
		w := world{rand.New(rand.NewPCG(seed, 1))}
		np := w.policy()
		e, err := evaluate.Core(np)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			p := w.packet()
			ours, theirs := e.Allows(p), judge(t, np, p)
			if ours != theirs {
				t.Fatalf("seed %d: ours %t, theirs %t\n%+v\npod %+v\n%+v", seed, ours, theirs, p, p.Pod, np.Spec)
			}
			if ours {
				allowed++
			} else {
				denied++
			}
		}
	}
	if allowed < 10_000 || denied < 10_000 {
		t.Errorf("the test shows little: %d allowed, %d denied", allowed, denied)
	}
}

// TestHints: what a hint became is allowed, and what it left out denied, by the
// other evaluator alone.
func TestHints(t *testing.T) {
	t.Parallel()
	const app, curl = "/app/server", "/usr/bin/curl"
	fate := func(key string) netpolicy.Fate {
		if key == app {
			return netpolicy.Kept
		}
		return netpolicy.Dropped
	}
	for seed := range uint64(200) {
		w := world{rand.New(rand.NewPCG(seed, 2))}
		p := &profile.Profile{Sources: []profile.Source{{ID: "s", Kind: profile.KindObserved, Complete: true, Vouched: true, Observes: []string{profile.ObservesConnectTCP}}}}
		used := map[netip.AddrPort]bool{}
		for range 30 {
			addr := netip.MustParseAddr(w.pick("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "198.51.100.4", "198.51.100.5", "2001:db8::4", "2001:db8::5"))
			to, by := netip.AddrPortFrom(addr, uint16(80+w.IntN(6))), w.pick(app, curl)
			used[to] = used[to] || by == app
			p.Network.Connect = append(p.Network.Connect, profile.Connect{
				Proto: "tcp", Port: int(to.Port()), Peer: profile.Peer{IP: addr.String()}, By: []string{by}, Results: []string{profile.ResultEstablished},
			})
		}
		h, err := netpolicy.New(p, fate, netpolicy.Options{Selector: map[string]string{"app": "web"}, Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		np, ok := h.NetworkPolicy()
		if !ok {
			t.Fatal("no policy")
		}
		for to, allow := range used {
			got := judge(t, np, evaluate.Packet{Direction: evaluate.Egress, Addr: to.Addr(), Protocol: "TCP", Port: to.Port()})
			if got != allow {
				t.Fatalf("seed %d: %s is %t, want %t", seed, to, got, allow)
			}
		}
		if judge(t, np, evaluate.Packet{Direction: evaluate.Egress, Addr: netip.MustParseAddr("169.254.169.254"), Protocol: "TCP", Port: 80}) {
			t.Fatal(fmt.Sprintf("seed %d: the metadata service is allowed", seed))
		}
	}
}
