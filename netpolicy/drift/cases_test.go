package drift

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/inventory"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/formats"
)

// clusterOf has the Service shop/api, whose only pod has the address.
func clusterOf(t *testing.T, pod, ip string) *inventory.Cluster {
	t.Helper()
	c := inventory.New()
	err := c.Read(strings.NewReader(fmt.Sprintf(`{"kind":"List","items":[
{"kind":"Service","metadata":{"namespace":"shop","name":"api"},"spec":{"clusterIP":"10.96.5.5","selector":{"app":"api"},"ports":[{"port":80,"targetPort":8080}]}},
{"kind":"Pod","metadata":{"namespace":"shop","name":%q,"uid":%q,"labels":{"app":"api"}},"spec":{},"status":{"podIP":%q,"startTime":"2026-11-21T19:00:00Z"}}
]}`, pod, pod, ip)), inventory.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func changes(t *testing.T, before, after *netpolicy.Hint) []string {
	t.Helper()
	var list []string
	for _, c := range mustDiff(t, before, after) {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %v %s", c.Kind, c.Text, c.Executables, c.Reason)))
	}
	return list
}

// TestCase52HardenedAgain: apt goes, and with it its mirror; what it shared with
// others gets smaller; what the profile gained is wider.
func TestCase52HardenedAgain(t *testing.T) {
	t.Parallel()
	const apt = "/usr/bin/apt-get"
	mirror := called("deb.example.org", connect("tcp", "203.0.113.80", 80, apt))
	shared := []profile.Connect{connect("tcp", "10.0.0.5", 3142, apt), connect("tcp", "10.0.0.5", 5432, app)}
	p := complete(profile.Network{Connect: append([]profile.Connect{mirror}, shared...)})
	whole, err := netpolicy.New(p, func(string) netpolicy.Fate { return netpolicy.Kept }, netpolicy.Options{Selector: map[string]string{"app": "web"}})
	if err != nil {
		t.Fatal(err)
	}
	less := hintOf(t, p)
	got := changes(t, whole, less)
	want := []string{
		"removed egress 203.0.113.80/32 (deb.example.org) TCP/80 [/usr/bin/apt-get] dropped: /usr/bin/apt-get",
		"narrowed egress 10.0.0.5/32 TCP/3142 [/app/server /usr/bin/apt-get] dropped: /usr/bin/apt-get",
	}
	if diff := cmp.Diff(sortedCopy(want), sortedCopy(got)); diff != "" {
		t.Errorf("a tool goes (-want +got):\n%s", diff)
	}
	p.Network.Connect = append(p.Network.Connect, connect("tcp", "10.0.0.7", 6379, app), connect("tcp", "10.0.0.5", 5433, app))
	want = []string{"added egress 10.0.0.7/32 TCP/6379 [/app/server]", "widened egress 10.0.0.5/32 TCP/5433 [/app/server]"}
	if diff := cmp.Diff(want, sortedCopy(changes(t, less, hintOf(t, p)))); diff != "" {
		t.Errorf("a peer comes (-want +got):\n%s", diff)
	}
}

// TestCase53Audit: a Service whose pod moved is the same peer, an executable
// that never went there is not, and a reply is no connection.
func TestCase53Audit(t *testing.T) {
	t.Parallel()
	before := complete(profile.Network{Connect: []profile.Connect{connect("tcp", "10.244.0.7", 8080, app)}})
	selector := map[string]string{"app": "web"}
	h, err := netpolicy.New(before, fates, netpolicy.Options{Selector: selector, Namespace: "shop", Cluster: clusterOf(t, "api-1", "10.244.0.7")})
	if err != nil {
		t.Fatal(err)
	}
	judge := NewJudge(h, fates)
	moved := netpolicy.Options{Namespace: "shop", Cluster: clusterOf(t, "api-2", "10.244.3.9")}
	audit := func(p *profile.Profile, opts netpolicy.Options) []string {
		list, err := netpolicy.Observe(p, opts)
		if err != nil {
			t.Fatal(err)
		}
		var classes []string
		for _, f := range mustAudit(t, judge, list) {
			classes = append(classes, string(f.Class)+" "+f.Text)
		}
		return classes
	}
	tests := []struct {
		name string
		c    profile.Connect
		opts netpolicy.Options
		want string
	}{
		{"new pod of the Service", connect("tcp", "10.244.3.9", 8080, app), moved, "expected to pods shop/app=api TCP/8080"},
		{"the Service's address", connect("tcp", "10.96.5.5", 80, app), moved, "expected to pods shop/app=api TCP/8080"},
		{"same address, other executable", connect("tcp", "10.244.3.9", 8080, side), moved, "new-executable to pods shop/app=api TCP/8080"},
		{"nothing tells that it moved", connect("tcp", "10.244.3.9", 8080, app), netpolicy.Options{Namespace: "shop"}, "new-peer to 10.244.3.9 TCP/8080"},
	}
	for _, tt := range tests {
		got := audit(complete(profile.Network{Connect: []profile.Connect{tt.c}}), tt.opts)
		if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	flow := func(port int, reply bool) string {
		return fmt.Sprintf(`{"flow":{"verdict":"FORWARDED","IP":{"source":"10.0.0.2","destination":"10.0.0.44","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":40000,"destination_port":%d}},"source":{"namespace":"shop","pod_name":"web-0","labels":["k8s:app=web"]},"destination":{"labels":["reserved:world"]},"Type":"L3_L4","traffic_direction":"EGRESS","is_reply":%t},"time":"2026-11-21T20:00:00Z"}`+"\n", port, reply)
	}
	in, err := foreign.Open("flows", strings.NewReader(flow(5432, false)+flow(51000, true)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, _, err := formats.Import(t.Context(), "hubble", []*foreign.Input{in}, foreign.Options{Pod: "web-0", Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"new-peer to 10.0.0.44 TCP/5432"}, audit(p, netpolicy.Options{Namespace: "shop"})); diff != "" {
		t.Errorf("a flow and a reply (-want +got):\n%s", diff)
	}
}

func sortedCopy(list []string) []string { return slices.Sorted(slices.Values(list)) }

// TestWhatNamesDoNotReach: a name whose answer is an inner address or a metadata
// service is not the peer of that name.
func TestWhatNamesDoNotReach(t *testing.T) {
	t.Parallel()
	judge := NewJudge(hintOf(t, complete(base())), nil)
	for ip, want := range map[string]Class{"198.51.100.7": Expected, "169.254.169.254": Metadata, "fd00:ec2::254": Metadata, "10.0.0.66": NewPeer, "::ffff:10.0.0.66": NewPeer, "::ffff:169.254.169.254": Metadata} {
		list := observe(t, complete(profile.Network{Connect: []profile.Connect{called("api.example.org", connect("tcp", ip, 443, app))}}))
		if got, _ := judge.Class(&list[0]); got != want {
			t.Errorf("api.example.org at %s: %s, want %s", ip, got, want)
		}
	}
}

// TestListenerOfSomebody: a port that is open to some pods is expected to be
// listened on, and no policy can be asked about whoever.
func TestListenerOfSomebody(t *testing.T) {
	t.Parallel()
	listener := profile.Network{Listen: []profile.Listen{{Proto: "tcp", Addr: "0.0.0.0", Port: 8080, By: []string{app}}}}
	p := complete(listener)
	p.Network.Accept = []profile.Accept{{Proto: "tcp", Port: 8080, Peer: profile.Peer{IP: "10.244.0.7"}, By: []string{app}}}
	h, err := netpolicy.New(p, fates, netpolicy.Options{Selector: map[string]string{"app": "web"}, Namespace: "shop", Cluster: clusterOf(t, "api-1", "10.244.0.7")})
	if err != nil {
		t.Fatal(err)
	}
	e, err := h.Evaluator(netpolicy.Core)
	if err != nil {
		t.Fatal(err)
	}
	listener.Listen = append(listener.Listen, profile.Listen{Proto: "tcp", Addr: "0.0.0.0", Port: 9999, By: []string{app}})
	var got []string
	for _, c := range mustCheck(t, e, NewJudge(h, fates), observe(t, complete(listener))) {
		got = append(got, fmt.Sprintf("%s %s %s", c.Text, c.Class, c.Verdict))
	}
	if diff := cmp.Diff([]string{"listens on TCP/8080 expected unjudged", "listens on TCP/9999 new-port blocked"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
