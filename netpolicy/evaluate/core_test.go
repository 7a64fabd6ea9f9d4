package evaluate

import (
	"net/netip"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

const policyHead = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
`

func parsePolicy(t *testing.T, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	np := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict([]byte(text), np); err != nil {
		t.Fatal(err)
	}
	return np
}

func TestEvaluator(t *testing.T) {
	t.Parallel()
	np := parsePolicy(t, policyHead+`
  ingress:
    - from:
        - podSelector: {matchLabels: {app: lb}}
        - namespaceSelector: {matchLabels: {team: ops}}
      ports: [{port: 8080}]
    - ports: [{protocol: UDP, port: 5000, endPort: 5010}, {protocol: UDP, port: 5005, endPort: 5020}, {protocol: UDP, port: 5001}]
  egress:
    - to:
        - ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.169.254/32]}
      ports: [{port: 443}, {port: http}]
    - to:
        - ipBlock: {cidr: 10.1.0.0/16}
        - ipBlock: {cidr: "2001:db8::/32"}
    - to:
        - namespaceSelector: {matchLabels: {team: db}}
          podSelector: {matchExpressions: [{key: app, operator: In, values: [pg, my]}]}
      ports: [{protocol: TCP}]
`)
	e, err := Core(np)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	pod := func(d Direction, ns, app string, local bool, proto string, port uint16) Packet {
		return Packet{Direction: d, Pod: &Pod{Namespace: ns, NamespaceLabels: labels.Set{"team": ns}, Labels: labels.Set{"app": app}, Local: local}, Protocol: proto, Port: port}
	}
	tests := []struct {
		name string
		p    Packet
		want bool
	}{
		{"pod of the namespace", pod(Ingress, "x", "lb", true, TCP, 8080), true},
		{"pod of another", pod(Ingress, "x", "lb", false, TCP, 8080), false},
		{"whole namespace", pod(Ingress, "ops", "any", false, TCP, 8080), true},
		{"other port", pod(Ingress, "ops", "any", false, TCP, 8081), false},
		{"address that is no pod", Packet{Direction: Ingress, Addr: addr("198.51.100.1"), Protocol: TCP, Port: 8080}, false},
		{"anyone", Packet{Direction: Ingress, Addr: addr("198.51.100.1"), Protocol: UDP, Port: 5020}, true},
		{"in the first range", Packet{Direction: Ingress, Protocol: UDP, Port: 5004}, true},
		{"before the range", Packet{Direction: Ingress, Protocol: UDP, Port: 4999}, false},
		{"behind the range", Packet{Direction: Ingress, Protocol: UDP, Port: 5021}, false},
		{"other protocol", Packet{Direction: Ingress, Protocol: TCP, Port: 5004}, false},
		{"world", Packet{Direction: Egress, Addr: addr("8.8.8.8"), Protocol: TCP, Port: 443}, true},
		{"excepted", Packet{Direction: Egress, Addr: addr("10.2.0.1"), Protocol: TCP, Port: 443}, false},
		{"metadata", Packet{Direction: Egress, Addr: addr("169.254.169.254"), Protocol: TCP, Port: 443}, false},
		{"named port", Packet{Direction: Egress, Addr: addr("8.8.8.8"), Protocol: TCP, Port: 80}, false},
		{"excepted there, allowed here", Packet{Direction: Egress, Addr: addr("10.1.9.9"), Protocol: SCTP, Port: 7}, true},
		{"IPv6", Packet{Direction: Egress, Addr: addr("2001:db8:ff::1"), Protocol: UDP, Port: 1}, true},
		{"other IPv6", Packet{Direction: Egress, Addr: addr("2001:db9::1"), Protocol: UDP, Port: 1}, false},
		{"both selectors", pod(Egress, "db", "pg", false, TCP, 1), true},
		{"one selector", pod(Egress, "db", "x", true, TCP, 1), false},
		{"other selector", pod(Egress, "x", "pg", true, TCP, 1), false},
		{"protocol of all ports", pod(Egress, "db", "pg", false, UDP, 1), false},
	}
	for _, tt := range tests {
		if got := e.Allows(tt.p); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
	np.Spec.PolicyTypes, np.Spec.Egress = np.Spec.PolicyTypes[:1], nil
	if e, err = Core(np); err != nil {
		t.Fatal(err)
	}
	if !e.Allows(Packet{Direction: Egress, Addr: addr("10.2.0.1"), Protocol: TCP, Port: 1}) {
		t.Error("a direction that is not restricted denies")
	}
}
