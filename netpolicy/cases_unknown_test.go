package netpolicy

import (
	"testing"

	"github.com/lathe-build/lathe/profile"
)

func TestUnattributed(t *testing.T) {
	t.Parallel()
	container := tcp("203.0.113.4", 443, curl)
	container.Attribution = []string{profile.AttributionContainer}
	p := connects(
		tcp("203.0.113.2", 443),
		tcp("203.0.113.6", 443), tcp("203.0.113.6", 443, curl), // an attributed source covers the same
		container, tcp("203.0.113.8", 443, guess),
	)
	h := hint(t, p, Options{})
	want(t, "rules", allowedCIDRs(h), []string{"203.0.113.2/32 TCP/443", "203.0.113.4/32 TCP/443", "203.0.113.8/32 TCP/443"})
	want(t, "tightened", tightened(h.Tightened), []string{"egress 203.0.113.6/32 TCP/443 /usr/bin/curl executable-removed"})
	want(t, "attribution", h.Rules[0].Evidence.Attribution, "unknown")
	want(t, "warned", hasCode(h, WarnAttributionUnknown), true)

	strict := hint(t, p, Options{Strict: true})
	want(t, "strict rules", allowedCIDRs(strict), nil)
	want(t, "strict omissions", len(strict.Unresolved), 3)
	want(t, "denied", policyOf(t, strict).egress("203.0.113.2", protoTCP, 443), false)

	asks := complete(profile.Network{DNS: []profile.DNS{{Name: "a.example", Type: "A"}}})
	want(t, "unknown questions", len(hint(t, asks, Options{}).Rules), 1)
	want(t, "unknown questions, strict", len(hint(t, asks, Options{Strict: true}).Rules), 0)

	nobody, err := New(p, nil, Options{Selector: webSelector})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "without fates", len(allowedCIDRs(nobody)), 4)
}

func TestPeersWithoutAddress(t *testing.T) {
	t.Parallel()
	pod := profile.Connect{Proto: "tcp", Port: 5432, By: []string{app}, Peer: profile.Peer{K8s: profile.K8s{Namespace: "shop", Kind: "Pod", Name: "db-0", Labels: map[string]string{"app": "db"}}}}
	h := hint(t, connects(tcp("10.0.0.0/8", 443, app), tcp("0.0.0.0/0", 443, app), tcp("*", 443, app), pod, tcp("10.9.9.9/32", 1, app)), Options{})
	want(t, "rules", allowedCIDRs(h), []string{"10.9.9.9/32 TCP/1"})
	var what []string
	for _, u := range h.Unresolved {
		what = append(what, u.What+" "+u.Action)
	}
	want(t, "unresolved", what, []string{
		"* TCP/443 omitted", "0.0.0.0/0 TCP/443 omitted", "10.0.0.0/8 TCP/443 omitted", "10.9.9.9 TCP/1 address",
	})
	want(t, "warned", hasCode(h, WarnPeerRange), true)
	v := policyOf(t, h)
	want(t, "labels of the profile", v.pod("shop", map[string]string{"app": "db"}, protoTCP, 5432), true)
	want(t, "another namespace", v.pod("default", map[string]string{"app": "db"}, protoTCP, 5432), false)
}

func TestExternalResolver(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(udp("8.8.8.8", 53, app)), Options{})
	want(t, "rules", allowedCIDRs(h), []string{"8.8.8.8/32 TCP/53", "8.8.8.8/32 UDP/53"})
	want(t, "warned", hasCode(h, WarnExternalResolver), true)
}

// Somebody asked for the names of a peer that a recorder of questions knows by
// name, and of a resolver that is known by its labels alone.
func TestQuestionsBehindNames(t *testing.T) {
	t.Parallel()
	named := func(source string, by string) profile.Connect {
		c := tcp("203.0.113.9", 443, by)
		c.Peer.Names, c.Peer.NameSource = []string{"api.example.org"}, []string{source}
		return c
	}
	pod := udp("", 53)
	pod.Peer.K8s = profile.K8s{Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}}
	refused := pod
	refused.Results = []string{profile.ResultRefused}
	tests := map[string]struct {
		connect profile.Connect
		want    bool
	}{
		"own question":     {named(profile.NameDNSOfProcess, app), true},
		"question of pod":  {named(profile.NameDNSOfPod, app), true},
		"of dropped":       {named(profile.NameDNSOfProcess, curl), false},
		"somebody's cache": {named(profile.NameNodeCache, app), false},
		"TLS":              {named(profile.NameSNI, app), false},
		"labels":           {pod, true},
		"labels, refused":  {refused, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := hint(t, connects(tt.connect), Options{})
			got := policyOf(t, h).pod("kube-system", map[string]string{"k8s-app": "kube-dns"}, protoUDP, 53)
			want(t, "DNS", got, tt.want)
		})
	}
}
