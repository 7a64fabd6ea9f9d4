package netpolicy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/netpolicy/cilium"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
)

// ciliumOf renders Cilium's form and reads it back strictly.
func ciliumOf(t testing.TB, h *Hint) *cilium.Policy {
	t.Helper()
	text, err := Render(h, Cilium)
	if err != nil {
		t.Fatal(err)
	}
	checkOneDocument(t, text)
	p := &cilium.Policy{}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		t.Fatalf("strict decoding: %v\n%.3000s", err, text)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if _, err := evaluate.Cilium(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// named is an established connection to an address that was asked for by name.
func namedPeer(ip string, port int, names ...string) profile.Connect {
	c := tcp(ip, port, app)
	c.Peer.Names, c.Peer.NameSource = names, []string{profile.NameDNSOfProcess}
	return c
}

// Cases 34 and 35: what denies is a rule that selects nothing, and a direction
// that nobody could see stays open.
func TestCase34And35CiliumDirections(t *testing.T) {
	t.Parallel()
	p := ciliumOf(t, hint(t, complete(profile.Network{}), Options{}))
	want(t, "ingress", p.Spec.Ingress, []cilium.IngressRule{{}})
	want(t, "egress", p.Spec.Egress, []cilium.EgressRule{{}})
	want(t, "deny", p.Spec.EnableDefaultDeny, cilium.DefaultDeny{Ingress: true, Egress: true})

	p = ciliumOf(t, hint(t, complete(profile.Network{Listen: []profile.Listen{listen("::", 80, app)}}), Options{}))
	want(t, "egress beside ingress", p.Spec.Egress, []cilium.EgressRule{{}})

	blind := connects(tcp("203.0.113.9", 443, app))
	blind.Sources[0].Observes = []string{profile.ObservesConnectTCP}
	p = ciliumOf(t, hint(t, blind, Options{}))
	want(t, "unseen", p.Spec.EnableDefaultDeny, cilium.DefaultDeny{Egress: true})
	want(t, "unseen", len(p.Spec.Ingress), 0)
}

// Case 36: many addresses of one name are one name, and a readable list.
func TestCase36ManyAddresses(t *testing.T) {
	t.Parallel()
	var list []profile.Connect
	for i := range 5000 {
		list = append(list, namedPeer(fmt.Sprintf("203.%d.%d.%d", i/40000, i/200%200, 2*(i%200)%256), 443, "cdn.example"))
	}
	h := hint(t, connects(list...), Options{})
	want(t, "churn", hasCode(h, WarnAddressChurn), true)
	p := ciliumOf(t, h)
	want(t, "names", p.Spec.Egress[1].ToFQDNs, []cilium.Name{{MatchName: "cdn.example"}})
	text, err := h.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if lines, blocks := strings.Count(string(text), "\n"), strings.Count(string(text), "cidr:"); blocks < 3000 || lines > blocks+100 {
		t.Errorf("%d blocks in %d lines", blocks, lines)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if len(line) > 260 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

// Case 38: forty ports are what one rule of Cilium takes.
func TestCase38CiliumPorts(t *testing.T) {
	t.Parallel()
	var list []profile.Connect
	for i := range 41 {
		list = append(list, tcp("203.0.113.9", 1000+2*i, app))
	}
	p := ciliumOf(t, hint(t, connects(list...), Options{}))
	want(t, "rules", len(p.Spec.Egress), 2)
	want(t, "ports", len(p.Spec.Egress[0].ToPorts[0].Ports), 40)
	p = ciliumOf(t, hint(t, connects(tcp("203.0.113.9", 80, app), tcp("203.0.113.9", 81, app), tcp("203.0.113.9", 82, app)), Options{}))
	want(t, "range", p.Spec.Egress[0].ToPorts[0].Ports, []cilium.Port{{Port: "80", EndPort: 82, Protocol: "TCP"}})
}

// Cases 39 and 40: names go by themselves, with a rule by which they are learnt,
// and what is no name is an address.
func TestCase39And40CiliumNames(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(
		namedPeer("203.0.113.1", 443, "API.Example."), namedPeer("203.0.113.2", 443, "*.wild.example"), namedPeer("203.0.113.3", 443, "under_score.example"),
		namedPeer("203.0.113.4", 443, "no name.example"), tcp("203.0.113.5", 443, app),
	), Options{})
	p := ciliumOf(t, h)
	var names, cidrs []string
	for _, r := range p.Spec.Egress {
		if len(r.ToFQDNs) > 0 && len(r.ToCIDR) > 0 {
			t.Error("names and addresses in one rule")
		}
		for _, n := range r.ToFQDNs {
			names = append(names, n.MatchName+n.MatchPattern)
		}
		cidrs = append(cidrs, r.ToCIDR...)
	}
	want(t, "names", sorted(names), []string{"*.wild.example", "api.example", "under_score.example"})
	want(t, "addresses", sorted(cidrs), []string{"203.0.113.4/32", "203.0.113.5/32"})
	dns := p.Spec.Egress[0].ToPorts[0].Rules.DNS
	for name, allowed := range map[string]bool{
		"api.example": true, "x.wild.example": true, "wild.example": false, "evil.example": false, "db.shop.svc.cluster.local": true,
		"api.example.shop.svc.cluster.local": true, "data.evil.example": false,
	} {
		got := false
		for _, n := range dns {
			got = got || n.Matches(name)
		}
		want(t, "question "+name, got, allowed)
	}
	// Without questions nothing would be learnt: addresses.
	sni := namedPeer("203.0.113.1", 443, "api.example")
	sni.Peer.NameSource = []string{profile.NameSNI}
	p = ciliumOf(t, hint(t, connects(sni), Options{}))
	want(t, "name that nobody asked for", p.Spec.Egress[0].ToCIDR, []string{"203.0.113.1/32"})
}

// TestValidateCilium repeats what the agent and the server were seen to refuse.
func TestValidateCilium(t *testing.T) {
	t.Parallel()
	ports := []cilium.PortRule{{Ports: []cilium.Port{{Port: "443", Protocol: "TCP"}}}}
	good := func() *cilium.Policy {
		return ciliumOf(t, hint(t, connects(namedPeer("203.0.113.1", 443, "api.example")), Options{}))
	}
	tests := map[string]func(p *cilium.Policy){
		"empty direction":        func(p *cilium.Policy) { p.Spec.Egress = nil },
		"open although denied":   func(p *cilium.Policy) { p.Spec.EnableDefaultDeny.Egress = false },
		"ports of everyone":      func(p *cilium.Policy) { p.Spec.Egress[1].ToFQDNs = nil },
		"every port":             func(p *cilium.Policy) { p.Spec.Egress[1].ToPorts = nil },
		"names with addresses":   func(p *cilium.Policy) { p.Spec.Egress[1].ToCIDR = []string{"203.0.113.1/32"} },
		"names without DNS rule": func(p *cilium.Policy) { p.Spec.Egress = p.Spec.Egress[1:] },
		"star in a name":         func(p *cilium.Policy) { p.Spec.Egress[1].ToFQDNs[0].MatchName = "*.example" },
		"everybody's names":      func(p *cilium.Policy) { p.Spec.Egress[1].ToFQDNs[0] = cilium.Name{MatchPattern: "*"} },
		"41 ports":               func(p *cilium.Policy) { p.Spec.Egress[1].ToPorts[0].Ports = make([]cilium.Port, 41) },
		"every destination": func(p *cilium.Policy) {
			p.Spec.Egress = append(p.Spec.Egress, cilium.EgressRule{ToEntities: []string{"all"}, ToPorts: ports})
		},
		"the world": func(p *cilium.Policy) {
			p.Spec.Egress = append(p.Spec.Egress, cilium.EgressRule{ToEntities: []string{"world"}, ToPorts: ports})
		},
		"every pod": func(p *cilium.Policy) {
			p.Spec.Egress = append(p.Spec.Egress, cilium.EgressRule{ToEndpoints: []cilium.Selector{{}}, ToPorts: ports})
		},
		"port 0":   func(p *cilium.Policy) { p.Spec.Egress[1].ToPorts[0].Ports[0].Port = "0" },
		"protocol": func(p *cilium.Policy) { p.Spec.Egress[1].ToPorts[0].Ports[0].Protocol = "ICMP" },
		"bits": func(p *cilium.Policy) {
			p.Spec.Egress[1].ToFQDNs, p.Spec.Egress[1].ToCIDR = nil, []string{"10.0.0.5/8"}
		},
		"selector": func(p *cilium.Policy) { p.Spec.EndpointSelector.MatchLabels = nil },
		"name":     func(p *cilium.Policy) { p.Metadata.Name = "Web" },
		"kind":     func(p *cilium.Policy) { p.Kind = "NetworkPolicy" },
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := good()
			spoil(p)
			if err := p.Validate(); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// TestCasesAreNamed lists the edge cases of the design that have tests: by the
// numbers in the names of tests and of their parts.
func TestCasesAreNamed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	later, laterErr := filepath.Glob("drift/*_test.go")
	if files = append(files, later...); err != nil || laterErr != nil || len(later) == 0 {
		t.Fatal(files, err, laterErr)
	}
	have := map[int]bool{}
	add := func(numbers []string) {
		for _, text := range numbers {
			n, err := strconv.Atoi(text)
			if err != nil {
				t.Fatal(err)
			}
			have[n] = true
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?m)^func TestCase(\w+)`).FindAllStringSubmatch(string(text), -1) {
			add(regexp.MustCompile(`\d{2}`).FindAllString(name[1], -1))
		}
		for _, name := range regexp.MustCompile(`name: "(\d{2}) `).FindAllStringSubmatch(string(text), -1) {
			add(name[1:])
		}
	}
	elsewhere := map[int]string{
		41: "the cluster-wide form, which is not there",
	}
	for n := 1; n <= 55; n++ {
		if !have[n] && elsewhere[n] == "" {
			t.Errorf("no test is named after case %d", n)
		}
	}
}
