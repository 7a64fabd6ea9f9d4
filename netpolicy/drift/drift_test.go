package drift

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
)

const (
	app  = "/app/server"
	side = "/app/sidecar"
	curl = "/usr/bin/curl"
	tool = "/tmp/tool"
)

func fates(key string) netpolicy.Fate {
	switch {
	case strings.HasPrefix(key, "/app/"):
		return netpolicy.Kept
	case strings.HasPrefix(key, "/usr/bin/"):
		return netpolicy.Dropped
	}
	return netpolicy.NotInImage
}

func connect(proto, ip string, port int, by ...string) profile.Connect {
	result := profile.ResultEstablished
	if proto == "udp" {
		result = profile.ResultSent
	}
	return profile.Connect{Proto: proto, Port: port, Peer: profile.Peer{IP: ip}, By: by, Results: []string{result}}
}

func called(name string, c profile.Connect) profile.Connect {
	c.Peer.Names = []string{name}
	return c
}

func complete(n profile.Network) *profile.Profile {
	return &profile.Profile{
		Sources: []profile.Source{{
			ID: "s-1", Kind: profile.KindObserved, Complete: true, Lost: profile.Lost{Known: true},
			Observes: []string{profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesListen, profile.ObservesAccept, profile.ObservesIPv6},
		}},
		Network: n,
	}
}

func hintOf(t *testing.T, p *profile.Profile) *netpolicy.Hint {
	t.Helper()
	h, err := netpolicy.New(p, fates, netpolicy.Options{Selector: map[string]string{"app": "web"}})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func observe(t *testing.T, p *profile.Profile) []netpolicy.Connection {
	t.Helper()
	list, err := netpolicy.Observe(p, netpolicy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func base() profile.Network {
	return profile.Network{
		Connect: []profile.Connect{
			connect("tcp", "10.0.0.5", 5432, app), called("api.example.org", connect("tcp", "203.0.113.8", 443, app)), connect("tcp", "10.0.0.9", 80, curl),
		},
		Listen: []profile.Listen{{Proto: "tcp", Addr: "0.0.0.0", Port: 8080, By: []string{app}}},
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	h := hintOf(t, complete(base()))
	failed := connect("tcp", "10.0.0.77", 25, app)
	failed.Results = []string{profile.ResultDenied}
	tests := []struct {
		name string
		c    profile.Connect
		want Class
	}{
		{"same again", connect("tcp", "10.0.0.5", 5432, app), Expected},
		{"nobody named", connect("tcp", "10.0.0.5", 5432), Expected},
		{"same name, other address", called("api.example.org", connect("tcp", "198.51.100.9", 443, app)), Expected},
		{"same name, other port", called("api.example.org", connect("tcp", "198.51.100.9", 8443, app)), NewPort},
		{"same address, other port", connect("tcp", "10.0.0.5", 5433, app), NewPort},
		{"same address, other protocol", connect("udp", "10.0.0.5", 5432, app), NewPort},
		{"other executable", connect("tcp", "10.0.0.5", 5432, side), NewExecutable},
		{"other address", connect("tcp", "10.0.0.6", 5432, app), NewPeer},
		{"denied attempt", failed, NewPeer},
		{"a tool that is back", connect("tcp", "10.0.0.9", 80, curl), RemovedExecutable},
		{"a tool where the application goes", connect("tcp", "10.0.0.5", 5432, curl), RemovedExecutable},
		{"metadata", connect("tcp", "169.254.169.254", 80, app), Metadata},
		{"metadata by a tool", connect("tcp", "169.254.169.254", 80, curl), Metadata},
	}
	judge := NewJudge(h, nil)
	for _, tt := range tests {
		list := observe(t, complete(profile.Network{Connect: []profile.Connect{tt.c}}))
		if len(list) != 1 {
			t.Fatalf("%s: %d connections", tt.name, len(list))
		}
		if got, rule := judge.Class(&list[0]); got != tt.want || (got == Expected) != (rule != "") && got != NewExecutable && got != RemovedExecutable {
			t.Errorf("%s: %s by rule %q, want %s", tt.name, got, rule, tt.want)
		}
	}
	outside := observe(t, complete(profile.Network{Connect: []profile.Connect{connect("tcp", "10.0.0.5", 5432, tool)}}))
	if got, _ := NewJudge(h, fates).Class(&outside[0]); got != Foreign {
		t.Errorf("an executable that the plan does not know: %s", got)
	}
	clients := observe(t, complete(profile.Network{Accept: []profile.Accept{{Proto: "tcp", Port: 8080, Peer: profile.Peer{IP: "10.9.9.9"}, By: []string{app}}, {Proto: "tcp", Port: 22, By: []string{app}}}}))
	var got []Class
	for i := range clients {
		class, _ := judge.Class(&clients[i])
		got = append(got, class)
	}
	if !slices.Contains(got, Expected) || !slices.Contains(got, NewPeer) && !slices.Contains(got, NewPort) {
		t.Errorf("a client of the listener and one of another port: %q", got)
	}
}

// TestOwnEvidenceIsExpected: the profile that a hint was made of holds no drift
// but what the hint itself lists as tightened, foreign or omitted.
func TestOwnEvidenceIsExpected(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		p := complete(randomNetwork(r))
		h := hintOf(t, p)
		e, err := h.Evaluator(netpolicy.Core)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range mustCheck(t, e, NewJudge(h, fates), observe(t, p)) {
			kept := slices.ContainsFunc(c.Executables, func(key string) bool { return fates(key) == netpolicy.Kept })
			switch c.Class {
			case Expected:
				if c.Verdict != Allowed {
					t.Errorf("seed %d: %s is expected and %s", seed, c.Text, c.Verdict)
				}
			case RemovedExecutable, Foreign:
				if !kept && c.Verdict == Blocked {
					t.Errorf("seed %d: %s by %q is not blocked on purpose", seed, c.Text, c.Executables)
				}
			case Metadata:
			case NewPeer, NewPort, NewExecutable:
				t.Errorf("seed %d: %s of the hint's own profile is %s", seed, c.Text, c.Class)
			}
		}
	}
}

func randomNetwork(r *rand.Rand) profile.Network {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var n profile.Network
	for range r.IntN(25) {
		c := connect(pick("tcp", "udp"), pick("10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "203.0.113.8", "2001:db8::1", "169.254.169.254"), []int{80, 81, 82, 443}[r.IntN(4)], pick(app, side, curl, tool))
		n.Connect = append(n.Connect, c)
	}
	for range r.IntN(3) {
		n.Listen = append(n.Listen, profile.Listen{Proto: "tcp", Addr: "0.0.0.0", Port: 8080 + r.IntN(3), By: []string{pick(app, side, curl)}})
	}
	return n
}

func TestCheck(t *testing.T) {
	t.Parallel()
	h := hintOf(t, complete(base()))
	e, err := h.Evaluator(netpolicy.Core)
	if err != nil {
		t.Fatal(err)
	}
	later := base()
	later.Connect = append(later.Connect, connect("tcp", "10.0.0.6", 6379, app), connect("tcp", "10.0.0.5", 5432, side), connect("tcp", "169.254.169.254", 80, app))
	got := map[string]Verdict{}
	for _, c := range mustCheck(t, e, NewJudge(h, nil), observe(t, complete(later))) {
		got[c.Text] = c.Verdict
	}
	want := map[string]Verdict{
		"listens on TCP/8080": Allowed, "to 10.0.0.5 TCP/5432": Allowed, "to 203.0.113.8 (api.example.org) TCP/443": Allowed,
		"to 10.0.0.9 TCP/80": Meant, "to 10.0.0.6 TCP/6379": Blocked, "to 169.254.169.254 TCP/80": Meant,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func mustDiff(t testing.TB, before, after *netpolicy.Hint) []Change {
	t.Helper()
	list, err := Diff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDiff(t *testing.T) {
	t.Parallel()
	net := func(list ...profile.Connect) *profile.Profile { return complete(profile.Network{Connect: list}) }
	db, db2 := connect("tcp", "10.0.0.5", 5432, app), connect("tcp", "10.0.0.5", 5433, app)
	tests := []struct {
		name          string
		before, after *profile.Profile
		want          []string
	}{
		{"nothing", net(db), net(db), nil},
		{"a peer more", net(db), net(db, connect("udp", "10.0.0.6", 53000, side)), []string{"added egress 10.0.0.6/32 UDP/53000 [/app/sidecar] "}},
		{"a port more", net(db), net(db, db2), []string{"widened egress 10.0.0.5/32 TCP/5433 [/app/server] "}},
		{"a port less", net(db, db2), net(db), []string{"narrowed egress 10.0.0.5/32 TCP/5433 [/app/server] not observed"}},
		{"an address more of a block", net(connect("tcp", "10.0.0.4", 80, app)), net(connect("tcp", "10.0.0.4", 80, app), connect("tcp", "10.0.0.5", 80, app)), []string{"widened egress 10.0.0.5/32 TCP/80 [/app/server] "}},
		{
			"a tool less", complete(profile.Network{Connect: []profile.Connect{db, connect("tcp", "10.0.0.9", 80, "/app/curl")}}),
			net(db, connect("tcp", "10.0.0.9", 80, curl)),
			[]string{"removed egress 10.0.0.9/32 TCP/80 [/app/curl] not observed"},
		},
		{"another address of a name", net(called("a.example", connect("tcp", "203.0.113.8", 443, app))), net(called("a.example", connect("tcp", "203.0.113.9", 443, app))), []string{
			"moved egress 203.0.113.9/32 (a.example) TCP/443 [/app/server] another address of a name",
			"moved egress 203.0.113.8/32 (a.example) TCP/443 [/app/server] an address of a name was not seen again",
		}},
		{"a name for a known address", net(connect("tcp", "203.0.113.8", 443, app)), net(called("a.example", connect("tcp", "203.0.113.8", 443, app))), []string{
			"widened egress 203.0.113.8/32 (a.example) TCP/443, by name [/app/server] ",
		}},
		{"other addresses on other ports", net(connect("tcp", "10.0.0.4", 80, app), connect("tcp", "10.0.0.5", 81, app)), net(
			connect("tcp", "10.0.0.4", 80, app), connect("tcp", "10.0.0.5", 81, app), connect("tcp", "10.0.0.4", 81, app), connect("tcp", "10.0.0.5", 80, app),
		), []string{
			"widened egress 10.0.0.5/32 TCP/80 [/app/server] ", "widened egress 10.0.0.4/32 TCP/81 [/app/server] ",
		}},
		{"another name", net(called("a.example", connect("tcp", "203.0.113.8", 443, app))), net(called("b.example", connect("tcp", "203.0.113.9", 443, app))), []string{
			"added egress 203.0.113.9/32 (b.example) TCP/443 [/app/server] ", "removed egress 203.0.113.8/32 (a.example) TCP/443 [/app/server] not observed",
		}},
		{"a listener more", net(db), complete(profile.Network{Connect: []profile.Connect{db}, Listen: []profile.Listen{{Proto: "tcp", Addr: "::", Port: 80, By: []string{app}}}}), []string{"added ingress anyone TCP/80 [/app/server] "}},
		{"a direction no longer seen", net(db), &profile.Profile{}, []string{
			"widened ingress: the direction is no longer restricted [] the direction is no longer restricted",
			"widened egress: the direction is no longer restricted [] the direction is no longer restricted",
		}},
	}
	for _, tt := range tests {
		var got []string
		for _, c := range mustDiff(t, hintOf(t, tt.before), hintOf(t, tt.after)) {
			got = append(got, fmt.Sprintf("%s %s %v %s", c.Kind, c.Text, c.Executables, c.Reason))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestDiffNamesTheDroppedTool(t *testing.T) {
	t.Parallel()
	before := complete(profile.Network{Connect: []profile.Connect{connect("tcp", "10.0.0.9", 80, curl)}})
	all, err := netpolicy.New(before, func(string) netpolicy.Fate { return netpolicy.Kept }, netpolicy.Options{Selector: map[string]string{"app": "web"}})
	if err != nil {
		t.Fatal(err)
	}
	got := mustDiff(t, all, hintOf(t, before))
	if len(got) != 1 || got[0].Kind != Removed || got[0].Reason != "dropped: "+curl {
		t.Errorf("got %+v", got)
	}
}

// TestDiffIsExact compares with every address and port that the two hints
// could be about.
func TestDiffIsExact(t *testing.T) {
	t.Parallel()
	changed := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		before, after := hintOf(t, complete(randomNetwork(r))), hintOf(t, complete(randomNetwork(r)))
		was, errA := before.Evaluator(netpolicy.Core)
		is, errB := after.Evaluator(netpolicy.Core)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		list := mustDiff(t, before, after)
		for _, p := range packets() {
			a, b := was.Allows(p), is.Allows(p)
			more, less := inChange(list, p, true), inChange(list, p, false)
			if (b && !a) != more || (a && !b) != less {
				t.Fatalf("seed %d: %s %s %s/%d was %t and is %t; the difference says more %t, less %t", seed, p.Direction, p.Addr, p.Protocol, p.Port, a, b, more, less)
			}
		}
		changed += len(list)
		slices.Reverse(list)
		for _, c := range mustDiff(t, after, before) {
			if !slices.ContainsFunc(list, func(o Change) bool { return o.Kind.Wider() != c.Kind.Wider() && o.Text == c.Text }) {
				t.Fatalf("seed %d: %s %s only one way", seed, c.Kind, c.Text)
			}
		}
	}
	if changed == 0 {
		t.Error("no two hints differed")
	}
}

func packets() []evaluate.Packet {
	var list []evaluate.Packet
	for _, d := range []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress} {
		for _, addr := range []string{"10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "203.0.113.8", "203.0.113.9", "2001:db8::1", "2001:db8::2", "169.254.169.254"} {
			for _, proto := range []string{"TCP", "UDP"} {
				for _, port := range []uint16{79, 80, 81, 82, 83, 443, 444, 8080, 8081, 8082} {
					list = append(list, evaluate.Packet{Direction: d, Addr: netip.MustParseAddr(addr), Protocol: proto, Port: port})
				}
			}
		}
	}
	return list
}

func inChange(list []Change, p evaluate.Packet, wider bool) bool {
	return slices.ContainsFunc(list, func(c Change) bool {
		cidrs := c.CIDRs
		if cidrs == nil {
			cidrs = c.Peer.CIDRs
		}
		peer := c.Peer.Kind == netpolicy.PeerAny || overlap(spansOf(cidrs, c.Peer.Except), []span{{p.Addr, p.Addr}})
		return (wider && c.Kind.Wider() || !wider && c.Kind.Narrower()) && c.Direction == p.Direction && peer && holds(c.Ports, p.Protocol, p.Port)
	})
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ cidrs, except, want []string }{
		{[]string{"10.0.0.0/24"}, nil, []string{"10.0.0.0/24"}},
		{[]string{"10.0.0.1/32", "10.0.0.0/32"}, nil, []string{"10.0.0.0/31"}},
		{[]string{"0.0.0.0/0", "::/0"}, []string{"0.0.0.0/1", "8000::/1"}, []string{"128.0.0.0/1", "::/1"}},
		{[]string{"10.0.0.0/29"}, []string{"10.0.0.3/32"}, []string{"10.0.0.0/31", "10.0.0.2/32", "10.0.0.4/30"}},
		{[]string{"255.255.255.255/32", "::/128"}, nil, []string{"255.255.255.255/32", "::/128"}},
		{[]string{"10.0.0.0/24"}, []string{"10.0.0.0/8"}, nil},
	} {
		if diff := cmp.Diff(tt.want, blocks(spansOf(tt.cidrs, tt.except))); diff != "" {
			t.Errorf("%v less %v (-want +got):\n%s", tt.cidrs, tt.except, diff)
		}
	}
}
