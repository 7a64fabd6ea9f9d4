package netpolicy

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

func TestObserve(t *testing.T) {
	t.Parallel()
	refused := tcp("10.0.0.6", 6379, app)
	refused.Results = []string{profile.ResultRefused}
	probe := udp("10.0.0.7", 443, app)
	probe.Results = []string{profile.ResultProbeOnly}
	p := complete(profile.Network{
		Connect: []profile.Connect{tcp("10.0.0.5", 5432, app, curl), tcp("127.0.0.1", 80, app), refused, probe, tcp("169.254.169.254", 80, debug)},
		Listen:  []profile.Listen{listen("0.0.0.0", 80, app), listen("0.0.0.0", 81, app), listen("127.0.0.1", 82, app)},
		Accept:  []profile.Accept{{Proto: "tcp", Port: 80, Peer: profile.Peer{IP: "10.0.0.99"}, By: []string{app}}},
	})
	p.Executables = []profile.Executable{{Key: debug, Path: debug, Layer: []string{profile.LayerMemfd}}}
	list, err := Observe(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		line := string(c.Direction) + " " + c.String()
		for _, x := range c.Executables {
			line += " " + x
		}
		if len(c.Foreign) > 0 {
			line += " foreign"
		}
		if len(c.Packets) != 1 {
			t.Errorf("%s: %d packets", line, len(c.Packets))
		}
		got = append(got, line)
	}
	wanted := []string{
		"ingress listens on TCP/81 " + app,
		"ingress from 10.0.0.99 TCP/80 " + app,
		"egress to 169.254.169.254 TCP/80 " + debug + " foreign",
		"egress to 10.0.0.5 TCP/5432 " + app + " " + curl,
		"egress to 10.0.0.6 TCP/6379 " + app,
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestObserveSeesWhatRulesAreMadeOf: whatever the policy allows for evidence, a
// connection is seen for it, in any order of the profile.
func TestObserveSeesWhatRulesAreMadeOf(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 4))
		p := randomProfile(r)
		h := hint(t, p, Options{})
		list, err := Observe(p, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range h.Rules {
			if rule.Peer.Kind == PeerClusterDNS {
				continue // made of questions
			}
			if !slices.ContainsFunc(list, func(c Connection) bool {
				return c.Direction == rule.Direction && holds(rule.Ports, endpoint{c.Protocol, c.Port}) && (rule.Peer.Kind == PeerAny || inBlocks(rule.Peer, c.Addr))
			}) {
				t.Fatalf("seed %d: no connection is seen for %s %s %v", seed, rule.Direction, rule.Peer, rule.Ports)
			}
		}
		again, err := Observe(shuffled(t, r, p), Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, errA := json.Marshal(list)
		b, errB := json.Marshal(again)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Fatalf("seed %d: the order of the profile matters (%v, %v)\n%s", seed, errA, errB, cmp.Diff(string(a), string(b)))
		}
	}
}

// TestConnectionsAskEverything: of a rule with several blocks and a range of
// ports each end of each block and each port is asked about.
func TestConnectionsAskEverything(t *testing.T) {
	t.Parallel()
	h := &Hint{Rules: []Rule{{
		Direction: Egress, Peer: Peer{Kind: PeerMapped, CIDRs: []string{"10.0.0.0/30", "10.0.9.9/32"}, Except: []string{"10.0.0.3/32"}},
		Ports: []Port{{Protocol: protoTCP, Port: 80, EndPort: 82}},
	}}}
	var got []string
	for _, p := range h.Connections()[0].Packets {
		got = append(got, packetText(p))
	}
	want(t, "packets", sorted(got), []string{
		"10.0.0.0 TCP/80", "10.0.0.0 TCP/81", "10.0.0.0 TCP/82", "10.0.9.9 TCP/80", "10.0.9.9 TCP/81", "10.0.9.9 TCP/82",
	})
	wide := Rule{Direction: Egress, Peer: h.Rules[0].Peer, Ports: []Port{{Protocol: protoTCP, Port: 1, EndPort: 65535}}}
	h.Rules = nil
	for range 200 {
		h.Rules = append(h.Rules, wide)
	}
	total := 0
	for _, c := range h.Connections() {
		total += len(c.Packets)
	}
	if total < maxAsked/2 || total > maxAsked+4*len(h.Rules) {
		t.Errorf("%d packets, want about %d", total, maxAsked)
	}
}

// TestCase55AlreadyOpen: a connection from before the recording is a rule like
// any other, and marked.
func TestCase55AlreadyOpen(t *testing.T) {
	t.Parallel()
	old := tcp("10.0.0.5", 5432, app)
	old.Results = append(old.Results, profile.ResultAlreadyOpen)
	h := hint(t, connects(old, tcp("10.0.0.6", 5432, app)), Options{})
	want(t, "allowed", policyOf(t, h).egress("10.0.0.5", protoTCP, 5432), true)
	for _, r := range h.Rules {
		marked := slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "socket table") })
		want(t, r.Peer.String()+" is marked", marked, slices.Contains(r.Peer.CIDRs, "10.0.0.5/32"))
	}
	want(t, "warned", slices.ContainsFunc(h.Warnings, func(w Warning) bool {
		return w.Code == WarnAlreadyOpen && strings.Contains(w.Detail, "10.0.0.5") && !strings.Contains(w.Detail, "10.0.0.6")
	}), true)
	byTool := tcp("10.0.0.9", 80, curl)
	byTool.Results = append(byTool.Results, profile.ResultAlreadyOpen)
	want(t, "a dropped tool's", len(hint(t, connects(byTool), Options{}).Rules), 0)
}
