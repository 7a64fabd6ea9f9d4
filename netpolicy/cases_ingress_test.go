package netpolicy

import (
	"errors"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

func ingressPorts(h *Hint) []string {
	var list []string
	for _, r := range h.Allows(Ingress) {
		list = append(list, portList(r.Ports, 99))
	}
	return sorted(list)
}

func TestCase29And30Replies(t *testing.T) {
	t.Parallel()
	p := complete(profile.Network{
		Listen: []profile.Listen{{Proto: "udp", Addr: "0.0.0.0", Port: 5000, By: []string{app}}, listen("0.0.0.0", 8080, app)},
		Accept: []profile.Accept{
			{Proto: "udp", Port: 5000, Peer: profile.Peer{IP: "10.1.1.1"}, By: []string{app}},
			{Proto: "udp", Port: 5000, Peer: profile.Peer{IP: "10.1.1.2"}},
			{Proto: "tcp", Port: 8080, Peer: profile.Peer{IP: "10.1.1.3"}, By: []string{app}},
		},
		Connect: []profile.Connect{
			udp("10.1.1.1", 51234, app), udp("10.1.1.2", 51234),
			udp("10.1.1.1", 7946, app),           // gossip among servers
			udp("10.1.1.9", 51234, app),          // no client
			udp("10.1.1.1", 51235, "/app/other"), // no server of its own
		},
	})
	h := hint(t, p, Options{})
	want(t, "ingress", ingressPorts(h), []string{"TCP/8080,UDP/5000"})
	want(t, "egress", allowedCIDRs(h), []string{"10.1.1.1/32 UDP/51235", "10.1.1.1/32 UDP/7946", "10.1.1.9/32 UDP/51234"})
	want(t, "ignored", reasons(h), []string{"10.1.1.1 UDP/51234: reply to a client", "10.1.1.2 UDP/51234: reply to a client"})
	want(t, "sources", h.Allows(Ingress)[0].Evidence.Sources, []string{"10.1.1.1", "10.1.1.3"})
	v := policyOf(t, h)
	want(t, "listening port", v.ingress(protoTCP, 8080), true)
	want(t, "client's port", v.ingress(protoTCP, 51234), false)
}

func TestCase31Listeners(t *testing.T) {
	t.Parallel()
	seen := profile.Seen{"s-000000000001": {N: 1}}
	blind := profile.Source{ID: "s-blind", Kind: profile.KindObserved}
	chosen := listen("0.0.0.0", 45000, app)
	chosen.Ephemeral = true
	grpc := listen("0.0.0.0", 50051, app)
	grpc.Seen = seen
	guessed := listen("0.0.0.0", 40001, app)
	guessed.Seen = profile.Seen{"s-blind": {N: 1}}
	p := complete(profile.Network{
		Listen: []profile.Listen{
			listen("127.0.0.1", 9000, app), listen("::1", 9000, app),
			listen("0.0.0.0", 80, app), listen("::", 80, app), listen("", 80, app),
			listen("0.0.0.0", 0, app), chosen, grpc, guessed,
		},
		Accept: []profile.Accept{
			{Proto: "tcp", Port: 45000, Peer: profile.Peer{IP: "10.1.1.1"}, By: []string{app}},
			{Proto: "tcp", Port: 40002, Peer: profile.Peer{IP: "10.1.1.1"}, By: []string{app}},
			{Proto: "tcp", Port: 9000, Peer: profile.Peer{IP: "127.0.0.1"}, By: []string{app}},
		},
	})
	p.Sources = append(p.Sources, blind)
	h := hint(t, p, Options{})
	want(t, "ports", ingressPorts(h), []string{"TCP/80,TCP/50051"})
	want(t, "ignored", reasons(h), []string{
		"0.0.0.0:0 TCP: the kernel chose the port", "127.0.0.1 to TCP/9000: loopback", "127.0.0.1:9000 TCP: loopback",
		"TCP/40001: the kernel chose the port", "TCP/40002: the kernel chose the port", "TCP/45000: the kernel chose the port", "[::1]:9000 TCP: loopback",
	})
	want(t, "warned", hasCode(h, WarnEphemeralListener), true)
	want(t, "source", hasCode(h, WarnIngressSource), true)
}

func TestCase32ListenerOfDropped(t *testing.T) {
	t.Parallel()
	h := hint(t, complete(profile.Network{Listen: []profile.Listen{listen("0.0.0.0", 22, curl), listen("0.0.0.0", 80, app), listen("::", 80, curl)}}), Options{})
	want(t, "ports", ingressPorts(h), []string{"TCP/80"})
	want(t, "tightened", tightened(h.Tightened), []string{"ingress any TCP/22 /usr/bin/curl executable-removed"})
	want(t, "denied", policyOf(t, h).ingress(protoTCP, 22), false)
}

func TestDeclaredPorts(t *testing.T) {
	t.Parallel()
	declared := func(port int) profile.Listen {
		l := listen("", port)
		l.Seen = profile.Seen{"s-config": {N: 1}}
		return l
	}
	p := complete(profile.Network{Listen: []profile.Listen{declared(80), declared(443), listen("0.0.0.0", 80, app)}})
	p.Sources = append(p.Sources, profile.Source{ID: "s-config", Kind: profile.KindDeclared})
	h := hint(t, p, Options{})
	want(t, "ports", ingressPorts(h), []string{"TCP/80"})
	want(t, "ignored", reasons(h), []string{"TCP/443: declared, not seen listening"})
	want(t, "warned", hasCode(h, WarnDeclaredOnly), true)
}

func TestCase34And35Directions(t *testing.T) {
	t.Parallel()
	source := func(complete bool, observes ...string) []profile.Source {
		s := everything()
		s.Complete, s.Observes = complete, observes
		return []profile.Source{s}
	}
	conn := []profile.Connect{tcp("203.0.113.9", 443, app)}
	gone := []profile.Connect{tcp("203.0.113.9", 443, curl)}
	ports := []profile.Listen{listen("0.0.0.0", 80, app)}
	all := everything().Observes
	tests := []struct {
		name    string
		profile profile.Profile
		types   []Direction
		codes   []string
	}{
		{"nothing at all", profile.Profile{Sources: source(true, all...)}, []Direction{Ingress, Egress}, []string{WarnNothingObserved}},
		{"egress only", profile.Profile{Sources: source(true, all...), Network: profile.Network{Connect: conn}}, []Direction{Ingress, Egress}, []string{WarnNothingObserved}},
		{"ingress only", profile.Profile{Sources: source(true, all...), Network: profile.Network{Listen: ports}}, []Direction{Ingress, Egress}, []string{WarnIngressSource, WarnNothingObserved}},
		{"blind to ingress", profile.Profile{Sources: source(true, profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesIPv6)}, []Direction{Egress}, []string{WarnDirectionUnseen, WarnNothingObserved}},
		{"only TCP", profile.Profile{Sources: source(true, profile.ObservesConnectTCP, profile.ObservesAccept)}, []Direction{Ingress, Egress}, []string{WarnNothingObserved, WarnPartlyUnseen}},
		{"incomplete", profile.Profile{Sources: source(false, all...), Network: profile.Network{Connect: conn}}, []Direction{Egress}, []string{WarnDirectionUnseen, WarnIncomplete}},
		{"incomplete, dropped only", profile.Profile{Sources: source(false, all...), Network: profile.Network{Connect: gone}}, []Direction{}, []string{WarnDirectionUnseen}},
		{"complete, dropped only", profile.Profile{Sources: source(true, all...), Network: profile.Network{Connect: gone}}, []Direction{Ingress, Egress}, []string{WarnNothingObserved}},
		{"no source", profile.Profile{}, []Direction{}, []string{WarnDirectionUnseen}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := hint(t, &tt.profile, Options{})
			want(t, "types", h.PolicyTypes, tt.types)
			want(t, "codes", codes(h), tt.codes)
			np, ok := h.NetworkPolicy()
			want(t, "policy", ok, len(tt.types) > 0)
			if !ok {
				if _, err := h.YAML(); !errors.Is(err, ErrNoDirection) {
					t.Errorf("YAML: %v", err)
				}
				return
			}
			want(t, "types of the policy", len(np.Spec.PolicyTypes), len(tt.types))
			v := policyOf(t, h)
			want(t, "canary in", v.ingress(protoTCP, 4444), !h.Restricts(Ingress))
			want(t, "canary out", v.egress("198.51.100.1", protoTCP, 4444), !h.Restricts(Egress))
		})
	}
}

func TestCase45BadEntries(t *testing.T) {
	t.Parallel()
	proto := func(p string) profile.Connect {
		c := tcp("10.0.0.1", 80, app)
		c.Proto = p
		return c
	}
	tests := map[string]struct {
		net  profile.Network
		want string
	}{
		"port 0":        {profile.Network{Connect: []profile.Connect{tcp("10.0.0.1", 1, app), tcp("10.0.0.1", 0, app)}}, "making hint: network.connect[1]: port 0 of protocol tcp is not in 1-65535"},
		"port 65536":    {profile.Network{Connect: []profile.Connect{tcp("10.0.0.1", 65536, app)}}, "making hint: network.connect[0]: port 65536 of protocol tcp is not in 1-65535"},
		"negative":      {profile.Network{Listen: []profile.Listen{listen("::", -1, app)}}, "making hint: network.listen[0]: port -1 is not in 0-65535"},
		"protocol":      {profile.Network{Connect: []profile.Connect{proto("TCP\n")}}, `making hint: network.connect[0]: unknown protocol "TCP\n"`},
		"address":       {profile.Network{Connect: []profile.Connect{tcp("10.0.0.01", 80, app)}}, `making hint: network.connect[0]: "10.0.0.01" is not an address`},
		"listener":      {profile.Network{Listen: []profile.Listen{listen("web", 80, app)}}, `making hint: network.listen[0]: "web" is not an address`},
		"accepted port": {profile.Network{Accept: []profile.Accept{{Proto: "tcp", Port: 70000}}}, "making hint: network.accept[0]: port 70000 is not in 1-65535"},
		"accepted":      {profile.Network{Accept: []profile.Accept{{Proto: "icmp", Port: 7}}}, `making hint: network.accept[0]: unknown protocol "icmp"`},
		"icmp":          {profile.Network{Connect: []profile.Connect{{Proto: "icmp", Peer: profile.Peer{IP: "x"}}}}, `making hint: network.connect[0]: "x" is not an address`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := New(complete(tt.net), fates, Options{Selector: webSelector})
			if h != nil || err == nil || err.Error() != tt.want {
				t.Errorf("got %v, %v\nwant %s", h, err, tt.want)
			}
		})
	}
}
