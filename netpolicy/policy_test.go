package netpolicy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// What a real API server refused, and what it took although nobody means it.
func TestValidateRefuses(t *testing.T) {
	t.Parallel()
	egress := func(to, ports string) string {
		return policyHead + "  egress: [{to: [" + to + "], ports: [" + ports + "]}]\n"
	}
	block, port := "{ipBlock: {cidr: 10.0.0.5/32}}", "{protocol: TCP, port: 80}"
	if err := validate(parsePolicy(t, egress(block, port))); err != nil {
		t.Fatalf("the base of the table is refused: %v", err)
	}
	tests := map[string]string{
		"IPv6 with /32":       egress(`{ipBlock: {cidr: "2001:db8:1::1/32"}}`, port),
		"bits beyond":         egress(`{ipBlock: {cidr: 10.0.0.5/24}}`, port),
		"mapped":              egress(`{ipBlock: {cidr: "::ffff:10.0.0.5/128"}}`, port),
		"zone":                egress(`{ipBlock: {cidr: "fe80::1%eth0/128"}}`, port),
		"leading zeros":       egress(`{ipBlock: {cidr: 010.0.0.5/32}}`, port),
		"not canonical":       egress(`{ipBlock: {cidr: "2001:0db8::1/128"}}`, port),
		"upper case hex":      egress(`{ipBlock: {cidr: "2001:DB8::1/128"}}`, port),
		"port 0":              egress(block, "{protocol: TCP, port: 0}"),
		"port 65536":          egress(block, "{protocol: TCP, port: 65536}"),
		"lower case":          egress(block, "{protocol: tcp, port: 80}"),
		"ICMP":                egress(block, "{protocol: ICMP, port: 80}"),
		"endPort before":      egress(block, "{protocol: TCP, port: 80, endPort: 79}"),
		"endPort too large":   egress(block, "{protocol: TCP, port: 80, endPort: 65536}"),
		"endPort and name":    egress(block, "{protocol: TCP, port: http, endPort: 90}"),
		"long port name":      egress(block, "{protocol: TCP, port: abcdefghijklmnop}"),
		"empty peer":          egress("{}", port),
		"block and selector":  egress("{ipBlock: {cidr: 10.0.0.5/32}, podSelector: {matchLabels: {a: b}}}", port),
		"except outside":      egress("{ipBlock: {cidr: 10.0.0.0/24, except: [10.0.1.0/25]}}", port),
		"except is all":       egress("{ipBlock: {cidr: 10.0.0.0/24, except: [10.0.0.0/24]}}", port),
		"except of no prefix": egress("{ipBlock: {cidr: 10.0.0.0/24, except: [x]}}", port),
		"long label":          egress("{podSelector: {matchLabels: {a: "+strings.Repeat("x", 64)+"}}}", port),
		"bad operator":        egress("{podSelector: {matchExpressions: [{key: a, operator: Like}]}}", port),
		"every pod":           egress("{podSelector: {}}", port),
		"every namespace":     egress("{namespaceSelector: {}}", port),
		"no peers":            policyHead + "  egress: [{ports: [{port: 80}]}]\n",
		"no ports":            policyHead + "  egress: [{to: [{ipBlock: {cidr: 10.0.0.5/32}}]}]\n",
		"all ports":           egress(block, "{protocol: TCP}"),
		"no types":            strings.Replace(policyHead, "[Ingress, Egress]", "[]", 1),
		"unknown type":        strings.Replace(policyHead, "[Ingress, Egress]", "[Both]", 1),
		"type twice":          strings.Replace(policyHead, "[Ingress, Egress]", "[Egress, Egress]", 1),
		"rules of no type":    strings.Replace(egress(block, port), "[Ingress, Egress]", "[Ingress]", 1),
		"empty selector":      strings.Replace(policyHead, "{matchLabels: {app: web}}", "{}", 1),
		"name":                strings.Replace(policyHead, "name: web", "name: Web", 1),
		"namespace":           strings.Replace(policyHead, "name: web", "name: web, namespace: a.b", 1),
		"annotations":         strings.Replace(policyHead, "name: web", "name: web, annotations: {a: "+strings.Repeat("x", 262_144)+"}", 1),
		"annotation key":      strings.Replace(policyHead, "name: web", "name: web, annotations: {a b: c}", 1),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := validate(parsePolicy(t, text)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestValidateAccepts(t *testing.T) {
	t.Parallel()
	for _, rest := range []string{
		"", "  egress: []\n", "  ingress: [{ports: [{port: 80}]}]\n", "  egress: [{to: [{podSelector: {matchExpressions: [{key: a, operator: Exists}]}}], ports: [{port: http}]}]\n",
		"  egress: [{to: [{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}], ports: [{protocol: SCTP, port: 1, endPort: 65535}]}]\n",
		"  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}, {ipBlock: {cidr: \"::/0\"}}], ports: [{port: 443}]}]\n",
	} {
		if err := validate(parsePolicy(t, policyHead+rest)); err != nil {
			t.Errorf("%s: %v", rest, err)
		}
	}
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
	e, err := newEvaluator(np)
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr
	pod := func(d Direction, ns, app string, local bool, proto string, port uint16) packet {
		return packet{dir: d, namespace: labels.Set{"team": ns}, pod: labels.Set{"app": app}, local: local, end: endpoint{proto, port}}
	}
	tests := []struct {
		name string
		p    packet
		want bool
	}{
		{"pod of the namespace", pod(Ingress, "x", "lb", true, protoTCP, 8080), true},
		{"pod of another", pod(Ingress, "x", "lb", false, protoTCP, 8080), false},
		{"whole namespace", pod(Ingress, "ops", "any", false, protoTCP, 8080), true},
		{"other port", pod(Ingress, "ops", "any", false, protoTCP, 8081), false},
		{"address that is no pod", packet{dir: Ingress, addr: addr("198.51.100.1"), end: endpoint{protoTCP, 8080}}, false},
		{"anyone", packet{dir: Ingress, addr: addr("198.51.100.1"), end: endpoint{protoUDP, 5020}}, true},
		{"in the first range", packet{dir: Ingress, end: endpoint{protoUDP, 5004}}, true},
		{"before the range", packet{dir: Ingress, end: endpoint{protoUDP, 4999}}, false},
		{"behind the range", packet{dir: Ingress, end: endpoint{protoUDP, 5021}}, false},
		{"other protocol", packet{dir: Ingress, end: endpoint{protoTCP, 5004}}, false},
		{"world", packet{dir: Egress, addr: addr("8.8.8.8"), end: endpoint{protoTCP, 443}}, true},
		{"excepted", packet{dir: Egress, addr: addr("10.2.0.1"), end: endpoint{protoTCP, 443}}, false},
		{"metadata", packet{dir: Egress, addr: addr("169.254.169.254"), end: endpoint{protoTCP, 443}}, false},
		{"named port", packet{dir: Egress, addr: addr("8.8.8.8"), end: endpoint{protoTCP, 80}}, false},
		{"excepted there, allowed here", packet{dir: Egress, addr: addr("10.1.9.9"), end: endpoint{protoSCTP, 7}}, true},
		{"IPv6", packet{dir: Egress, addr: addr("2001:db8:ff::1"), end: endpoint{protoUDP, 1}}, true},
		{"other IPv6", packet{dir: Egress, addr: addr("2001:db9::1"), end: endpoint{protoUDP, 1}}, false},
		{"both selectors", pod(Egress, "db", "pg", false, protoTCP, 1), true},
		{"one selector", pod(Egress, "db", "x", true, protoTCP, 1), false},
		{"other selector", pod(Egress, "x", "pg", true, protoTCP, 1), false},
		{"protocol of all ports", pod(Egress, "db", "pg", false, protoUDP, 1), false},
	}
	for _, tt := range tests {
		want(t, tt.name, e.allows(tt.p), tt.want)
	}
	np.Spec.PolicyTypes, np.Spec.Egress = np.Spec.PolicyTypes[:1], nil
	if e, err = newEvaluator(np); err != nil {
		t.Fatal(err)
	}
	want(t, "unrestricted direction", e.allows(packet{dir: Egress, addr: addr("10.2.0.1"), end: endpoint{protoTCP, 1}}), true)
}

// The self-check finds a policy that is wider or narrower than its evidence,
// whatever made it so.
func TestSelfCheckFinds(t *testing.T) {
	t.Parallel()
	c := newCollector(richProfile(), fates, Options{Selector: webSelector})
	if err := c.collect(richProfile().Network); err != nil {
		t.Fatal(err)
	}
	b := newBuilder(c)
	if err := b.build(); err != nil {
		t.Fatal(err)
	}
	h := richHint(t)
	peer := func(cidr string) networkingv1.NetworkPolicyPeer {
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}
	}
	proto := corev1.ProtocolTCP
	tests := map[string]func(*networkingv1.NetworkPolicySpec){
		"a rule is lost":  func(s *networkingv1.NetworkPolicySpec) { s.Egress = s.Egress[1:] },
		"ingress is lost": func(s *networkingv1.NetworkPolicySpec) { s.Ingress = nil },
		"a wider block":   func(s *networkingv1.NetworkPolicySpec) { s.Egress[1].To[0].IPBlock.CIDR = "140.82.112.2/31" },
		"another destination": func(s *networkingv1.NetworkPolicySpec) {
			s.Egress[1].To = append(s.Egress[1].To, peer("203.0.113.80/32"))
			s.Egress[1].Ports[0].Port.IntVal = 80
		},
		"the whole world":   func(s *networkingv1.NetworkPolicySpec) { s.Egress[1].To = append(s.Egress[1].To, peer("0.0.0.0/0")) },
		"IPv6 as /32":       func(s *networkingv1.NetworkPolicySpec) { s.Egress[2].To[0].IPBlock.CIDR = "2001:db8::/32" },
		"a range of ports":  func(s *networkingv1.NetworkPolicySpec) { end := int32(9000); s.Ingress[0].Ports[0].EndPort = &end },
		"a closed listener": func(s *networkingv1.NetworkPolicySpec) { s.Ingress[0].Ports[0].Port.IntVal = 22 },
		"every pod for DNS": func(s *networkingv1.NetworkPolicySpec) { s.Egress[0].To[0].PodSelector = &metav1.LabelSelector{} },
		"every name space":  func(s *networkingv1.NetworkPolicySpec) { s.Egress[0].To[0].NamespaceSelector = &metav1.LabelSelector{} },
		"namespace is lost": func(s *networkingv1.NetworkPolicySpec) { s.Egress[0].To[0].NamespaceSelector = nil },
		"all ports":         func(s *networkingv1.NetworkPolicySpec) { s.Egress[1].Ports = nil },
		"all ports of TCP": func(s *networkingv1.NetworkPolicySpec) {
			s.Egress[1].Ports = []networkingv1.NetworkPolicyPort{{Protocol: &proto}}
		},
		"any destination":      func(s *networkingv1.NetworkPolicySpec) { s.Egress[1].To = nil },
		"egress is not denied": func(s *networkingv1.NetworkPolicySpec) { s.PolicyTypes, s.Egress = s.PolicyTypes[:1], nil },
	}
	if err := b.judge(h, h.render("")); err != nil {
		t.Fatalf("the policy itself: %v", err)
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			np := h.render("")
			spoil(&np.Spec)
			if err := b.judge(h, np); !errors.Is(err, ErrSelfCheck) {
				t.Errorf("not found: %v", err)
			}
		})
	}
}
