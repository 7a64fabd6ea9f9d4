package netpolicy

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
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
	e, err := evaluate.Core(h.render(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.judge(h, Core, e); err != nil {
		t.Fatalf("the policy itself: %v", err)
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			np := h.render("")
			spoil(&np.Spec)
			e, err := evaluate.Core(np)
			if err == nil {
				err = b.judge(h, Core, e)
			}
			if err == nil || np.Spec.Egress != nil && !errors.Is(err, ErrSelfCheck) {
				t.Errorf("not found: %v", err)
			}
		})
	}
}
