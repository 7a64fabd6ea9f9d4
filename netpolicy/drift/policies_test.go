package drift

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// np is a NetworkPolicy of the namespace shop with a spec.
func np(spec string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: " + spec
}

// TestPoliciesAddUp: policies mean what they mean in a cluster.
func TestPoliciesAddUp(t *testing.T) {
	t.Parallel()
	to := func(d netpolicy.Direction, ns, app string, port uint16) evaluate.Packet {
		return evaluate.Packet{Direction: d, Protocol: "TCP", Port: port, Pod: &evaluate.Pod{
			Namespace: ns, NamespaceLabels: labels.Set{"kubernetes.io/metadata.name": ns}, Labels: labels.Set{"app": app},
			Local: ns == "shop", Ports: map[string]uint16{"TCP/http": 8080},
		}}
	}
	api, db, out := to(netpolicy.Egress, "shop", "api", 8080), to(netpolicy.Egress, "data", "db", 5432), to(netpolicy.Ingress, "shop", "api", 80)
	const toAPI = `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: http}]}]}`
	const toDB = `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}, podSelector: {matchExpressions: [{key: app, operator: In, values: [db]}]}}]}]}`
	tests := []struct {
		name         string
		policies     []string
		about        int
		api, db, out bool
	}{
		{"none", nil, 0, true, true, true},
		{"one", []string{np(toAPI)}, 1, true, false, true},
		{"they add up", []string{np(toAPI), np(toDB)}, 2, true, true, true},
		{"deny all takes nothing away", []string{np(toDB), np(`{podSelector: {}, policyTypes: [Ingress, Egress]}`)}, 2, false, true, false},
		{"ingress is the default", []string{np(`{podSelector: {}}`)}, 1, true, true, false},
		{"a rule of egress adds its type", []string{np(`{podSelector: {}, egress: [{}]}`)}, 1, true, true, false},
		{"of another namespace", []string{strings.Replace(np(`{podSelector: {}}`), "shop", "data", 1)}, 0, true, true, true},
		{"without a namespace", []string{strings.Replace(np(`{podSelector: {}}`), ", namespace: shop", "", 1)}, 1, true, true, false},
		{"other pods", []string{np(`{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}`)}, 0, true, true, true},
		{"an expression that selects", []string{np(`{podSelector: {matchExpressions: [{key: app, operator: Exists}]}}`)}, 1, true, true, false},
		{"every namespace", []string{np(`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`)}, 1, true, true, true},
		{"a rule of a type that is not there", []string{np(`{podSelector: {}, policyTypes: [Egress], ingress: [{}]}`)}, 1, false, false, true},
		{"a port of the workload by name", []string{np(`{podSelector: {}, ingress: [{ports: [{port: http}]}]}`)}, 1, true, true, false},
		{"no protocol is TCP", []string{np(`{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`)}, 1, true, true, true},
	}
	for _, tt := range tests {
		p := &Policies{}
		for _, text := range tt.policies {
			if err := p.Add([]byte(text), netpolicy.Workload{Namespace: "shop", PodSelector: map[string]string{"app": "web"}}); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
		}
		if byName := strings.Contains(tt.name, "by name"); byName != (len(p.ByName()) > 0) {
			t.Errorf("%s: policies that call ports by name: %q", tt.name, p.ByName())
		}
		if len(p.Names()) != tt.about {
			t.Errorf("%s: %d policies are about the workload, want %d", tt.name, len(p.Names()), tt.about)
		}
		for what, ask := range map[string]struct {
			p    evaluate.Packet
			want bool
		}{"api": {api, tt.api}, "db": {db, tt.db}, "in": {out, tt.out}} {
			if got := p.Allows(ask.p); got != ask.want {
				t.Errorf("%s: %s is allowed: %t, want %t", tt.name, what, got, ask.want)
			}
		}
	}
	for name, text := range map[string]string{
		"unknown field": np(`{podSelector: {}, fqdn: x}`),
		"selector":      np(`{podSelector: {matchExpressions: [{key: app, operator: Near}]}}`), "block": np(`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: x}}]}]}`),
	} {
		if err := (&Policies{}).Add([]byte(text), netpolicy.Workload{PodSelector: map[string]string{"app": "web"}}); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}
