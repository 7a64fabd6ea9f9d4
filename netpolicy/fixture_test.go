package netpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"github.com/lathe-build/lathe/profile"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	app   = "/app/server"
	curl  = "/usr/bin/curl"
	debug = "/tmp/debug"
	guess = "/opt/guess"
)

// fates is the plan of most tests.
func fates(key string) Fate {
	switch {
	case strings.HasPrefix(key, "/app/"):
		return Kept
	case strings.HasPrefix(key, "/usr/bin/"):
		return Dropped
	case strings.HasPrefix(key, "/tmp/"):
		return NotInImage
	}
	return Unknown
}

var webSelector = map[string]string{"app": "web"}

// tcp is an established connection.
func tcp(ip string, port int, by ...string) profile.Connect {
	return profile.Connect{Proto: "tcp", Port: port, Peer: profile.Peer{IP: ip}, By: by, Results: []string{profile.ResultEstablished}}
}

// udp is a datagram that was sent.
func udp(ip string, port int, by ...string) profile.Connect {
	return profile.Connect{Proto: "udp", Port: port, Peer: profile.Peer{IP: ip}, By: by, Results: []string{profile.ResultSent}}
}

func listen(addr string, port int, by ...string) profile.Listen {
	return profile.Listen{Proto: "tcp", Addr: addr, Port: port, By: by}
}

// everything is a complete source that sees all of the network.
func everything() profile.Source {
	return profile.Source{
		ID: "s-000000000001", Kind: profile.KindObserved, Complete: true, Lost: profile.Lost{Known: true}, Run: "run-1",
		Observes: []string{
			profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesAccept, profile.ObservesListen,
			profile.ObservesDNS, profile.ObservesIPv6, profile.ObservesAttribution,
		},
	}
}

// complete is a profile of one complete source with net.
func complete(net profile.Network) *profile.Profile {
	return &profile.Profile{Sources: []profile.Source{everything()}, Network: net}
}

func connects(list ...profile.Connect) *profile.Profile {
	return complete(profile.Network{Connect: list})
}

// hint makes the hint of p with the usual fates and a selector, and holds what
// it renders against the strict types of the API.
func hint(t *testing.T, p *profile.Profile, opts Options) *Hint {
	t.Helper()
	if opts.Selector == nil {
		opts.Selector = webSelector
	}
	h, err := New(p, fates, opts)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	checkRendered(t, h)
	return h
}

// checkRendered decodes the YAML as an API server does and compares it with the
// object, and the JSON with itself after parsing.
func checkRendered(t testing.TB, h *Hint) {
	t.Helper()
	data, err := h.JSON()
	if err != nil {
		t.Fatalf("JSON: %v", err)
	}
	parsed, err := ParseHint(data)
	if err != nil {
		t.Fatalf("ParseHint of our own JSON: %v\n%.2000s", err, data)
	}
	again, err := parsed.JSON()
	if err != nil || !bytes.Equal(data, again) {
		t.Fatalf("JSON does not survive parsing (%v):\n%s", err, cmp.Diff(string(data), string(again)))
	}
	text, err := h.YAML()
	want, ok := h.NetworkPolicy()
	if err != nil {
		if ok {
			t.Fatalf("YAML: %v, but there is an object", err)
		}
		if !errors.Is(err, ErrNoSelector) && !errors.Is(err, ErrNoDirection) && !errors.Is(err, ErrTooLarge) && !errors.Is(err, ErrPartial) {
			t.Fatalf("YAML: %v", err)
		}
		return
	}
	if !ok {
		t.Fatal("YAML without an object")
	}
	if err := validate(want); err != nil {
		t.Fatalf("validate: %v", err)
	}
	checkOneDocument(t, text)
	got := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict(text, got); err != nil {
		t.Fatalf("strict decoding: %v\n%.3000s", err, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("YAML is not the object (-object +YAML):\n%s", diff)
	}
	if fromParsed, err := parsed.YAML(); err != nil || !bytes.Equal(fromParsed, text) {
		t.Fatalf("YAML of the parsed hint differs (%v)", err)
	}
}

func checkOneDocument(t testing.TB, text []byte) {
	t.Helper()
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") || strings.HasPrefix(line, "%") {
			t.Fatalf("line %d marks a document: %q", i+1, line)
		}
		for _, r := range line {
			if r < ' ' || r > '~' {
				t.Fatalf("line %d holds %q", i+1, r)
			}
		}
	}
}

// verdicts answers for the policy of h.
type verdicts struct {
	t testing.TB
	e *evaluate.Evaluator
}

func policyOf(t testing.TB, h *Hint) verdicts {
	t.Helper()
	np, ok := h.NetworkPolicy()
	if !ok {
		t.Fatalf("no policy: %v", h.unusable())
	}
	e, err := evaluate.Core(np)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts{t, e}
}

func (v verdicts) egress(addr, proto string, port uint16) bool {
	return v.e.Allows(evaluate.Packet{Direction: Egress, Addr: netip.MustParseAddr(addr), Protocol: proto, Port: port})
}

func (v verdicts) ingress(proto string, port uint16) bool {
	return v.e.Allows(evaluate.Packet{Direction: Ingress, Addr: netip.MustParseAddr("198.51.100.7"), Protocol: proto, Port: port})
}

func (v verdicts) pod(namespace string, pod map[string]string, proto string, port uint16) bool {
	return v.e.Allows(evaluate.Packet{
		Direction: Egress, Protocol: proto, Port: port,
		Pod: &evaluate.Pod{Namespace: namespace, NamespaceLabels: labels.Set{namespaceLabel: namespace}, Labels: pod},
	})
}

// want reports every mismatch of got and want with a name.
func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func codes(h *Hint) []string {
	var list []string
	for _, w := range h.Warnings {
		list = append(list, w.Code)
	}
	return list
}

func hasCode(h *Hint, code string) bool {
	for _, w := range h.Warnings {
		if w.Code == code {
			return true
		}
	}
	return false
}

// allowedCIDRs lists "cidr port" of the egress rules.
func allowedCIDRs(h *Hint) []string {
	var list []string
	for _, r := range h.Allows(Egress) {
		for _, c := range r.Peer.CIDRs {
			for _, p := range r.Ports {
				list = append(list, c+" "+p.String())
			}
		}
	}
	return sorted(list)
}

func tightened(list []Omission) []string {
	var out []string
	for _, o := range list {
		out = append(out, strings.Join([]string{string(o.Direction), o.Peer.short(), portList(o.Ports, 9), strings.Join(o.Executables, "+"), o.Reason}, " "))
	}
	return out
}

func reasons(h *Hint) []string {
	var out []string
	for _, i := range h.Ignored {
		out = append(out, i.What+": "+i.Reason)
	}
	return out
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update)", err)
	}
	want(t, name, string(got), string(data))
}

func at(s string) time.Time {
	when, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return when
}

// bare is a profile as JSON has it, without the checks that a profile makes of
// what it reads: tests want to hand over what no reader lets pass.
type bare profile.Profile

// clone is a deep copy by way of JSON.
func clone(t testing.TB, p *profile.Profile) *profile.Profile {
	t.Helper()
	data, err := json.Marshal((*bare)(p))
	if err != nil {
		t.Fatal(err)
	}
	out := &profile.Profile{}
	if err := json.Unmarshal(data, (*bare)(out)); err != nil {
		t.Fatal(err)
	}
	return out
}
