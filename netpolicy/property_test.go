package netpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// randomProfile is small enough for its entries to meet: few addresses, ports
// and executables, with duplicates and contradictions.
func randomProfile(r *rand.Rand) *profile.Profile {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	some := func(n int, list ...string) []string {
		var out []string
		for range r.IntN(n + 1) {
			out = append(out, pick(list...))
		}
		return out
	}
	execs := []string{app, "/app/two", curl, "/usr/bin/apt", debug, guess}
	ips := []string{
		"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "203.0.113.8", "203.0.113.9", "8.8.8.8", "10.96.0.10", "169.254.20.10", "169.254.169.254",
		"::ffff:10.0.0.5", "2001:db8::1", "2001:db8::", "fe80::1%eth0", "127.0.0.1", "64:ff9b::a00:1", "fd00:ec2::254", "255.255.255.255", "10.0.0.0/24", "100.64.3.4",
	}
	port := func() int { return []int{53, 80, 81, 82, 83, 443, 5353, 40000, 51000, 65535, 1}[r.IntN(11)] }
	names := []string{"a.example", "b.example", "a.example.shop.svc.cluster.local", "db.shop.svc.cluster.local", "A.EXAMPLE.", "x\ny"}
	seen := func() profile.Seen {
		s := profile.Seen{}
		for range r.IntN(3) {
			s[pick("s-0", "s-1", "s-2", "s-x")] = profile.Count{N: r.Int64N(100)}
		}
		return s
	}
	p := &profile.Profile{}
	for i := range r.IntN(4) {
		s := profile.Source{ID: fmt.Sprint("s-", i), Kind: pick(profile.KindObserved, profile.KindDeclared), Complete: r.IntN(2) == 0, Lost: profile.Lost{Known: true}, Run: pick("", "a", "b")}
		s.Observes = some(6, profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesListen, profile.ObservesAccept, profile.ObservesDNS, profile.ObservesIPv6)
		if r.IntN(2) == 0 {
			s.Subject.Workload = profile.Workload{Name: pick("web", "Web x"), Namespace: pick("shop", "Shop"), Labels: map[string]string{"app": pick("web", "yes", "bad value")}}
		}
		p.Sources = append(p.Sources, s)
	}
	for _, key := range execs {
		if r.IntN(3) > 0 {
			p.Executables = append(p.Executables, profile.Executable{
				Key: key, Path: profile.Path(key), Origin: some(1, profile.OriginAttach, profile.OriginChild), Layer: some(1, profile.LayerImage, profile.LayerMemfd, profile.LayerVolume),
				Scripts: []profile.Path{profile.Path(pick(execs...))},
			})
		}
	}
	results := []string{profile.ResultEstablished, profile.ResultSent, profile.ResultRefused, profile.ResultProbeOnly, profile.ResultInProgress}
	for range r.IntN(40) {
		c := profile.Connect{Proto: pick("tcp", "tcp", "udp", "sctp"), Port: port(), By: some(2, execs...), Results: some(2, results...), Attribution: some(1, "process", "container"), Seen: seen()}
		c.Peer = profile.Peer{IP: pick(ips...), Names: some(2, names...)}
		if r.IntN(6) == 0 {
			c.Via = profile.Via{IP: pick(ips...), Port: port()}
		}
		p.Network.Connect = append(p.Network.Connect, c)
	}
	for range r.IntN(10) {
		p.Network.Listen = append(p.Network.Listen, profile.Listen{
			Proto: pick("tcp", "udp"), Addr: pick("0.0.0.0", "::", "127.0.0.1", "10.0.0.7", ""), Port: port(), By: some(2, execs...), Ephemeral: r.IntN(5) == 0, Seen: seen(),
		})
		p.Network.Accept = append(p.Network.Accept, profile.Accept{Proto: pick("tcp", "udp"), Port: port(), Peer: profile.Peer{IP: pick(ips...)}, By: some(2, execs...), Seen: seen()})
		p.Network.DNS = append(p.Network.DNS, profile.DNS{Name: pick(names...), Type: "A", Answers: some(2, ips...), By: some(2, execs...), Seen: []string{pick("s-0", "s-1")}})
	}
	return p
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// shuffled is p with every list that has no order in another one.
func shuffled(t *testing.T, r *rand.Rand, p *profile.Profile) *profile.Profile {
	p = clone(t, p)
	shuffle(r, p.Sources)
	shuffle(r, p.Executables)
	shuffle(r, p.Network.Connect)
	shuffle(r, p.Network.Listen)
	shuffle(r, p.Network.Accept)
	shuffle(r, p.Network.DNS)
	for i := range p.Network.Connect {
		c := &p.Network.Connect[i]
		shuffle(r, c.By)
		shuffle(r, c.Results)
		shuffle(r, c.Peer.Names)
	}
	for i := range p.Network.DNS {
		shuffle(r, p.Network.DNS[i].By)
		shuffle(r, p.Network.DNS[i].Answers)
	}
	return p
}

// Case 48: the order of a profile does not matter.
func TestCase48Order(t *testing.T) {
	t.Parallel()
	seeds := uint64(150)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 1))
		p := randomProfile(r)
		first := hint(t, p, Options{AllowMetadata: seed%2 == 0, Strict: seed%3 == 0})
		wantJSON, err := first.JSON()
		if err != nil {
			t.Fatal(err)
		}
		wantYAML, _ := first.YAML()
		for range 3 {
			h := hint(t, shuffled(t, r, p), Options{AllowMetadata: seed%2 == 0, Strict: seed%3 == 0})
			gotJSON, err := h.JSON()
			if err != nil {
				t.Fatal(err)
			}
			gotYAML, _ := h.YAML()
			want(t, fmt.Sprintf("JSON of seed %d", seed), string(gotJSON), string(wantJSON))
			if !bytes.Equal(gotYAML, wantYAML) {
				t.Errorf("seed %d: another YAML", seed)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// A hint is never wider than its evidence, judged by a reading of the profile
// that is independent of the one under test: what is allowed was asked for by
// somebody who is not known to go.
func TestNeverWider(t *testing.T) {
	t.Parallel()
	var allowed, denied int
	for seed := range uint64(200) {
		p := randomProfile(rand.New(rand.NewPCG(seed, 2)))
		h := hint(t, p, Options{})
		if len(h.PolicyTypes) == 0 {
			continue
		}
		v := policyOf(t, h)
		for _, a := range []string{"10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "203.0.113.8", "203.0.113.10", "8.8.8.8", "10.96.0.10", "169.254.169.254", "2001:db8::1", "2001:db8::2", "100.64.3.4"} {
			for _, proto := range []string{protoTCP, protoUDP, protoSCTP} {
				for _, port := range []uint16{1, 53, 80, 81, 82, 83, 84, 443, 51000} {
					if !h.Restricts(Egress) || !v.egress(a, proto, port) {
						denied++
						continue
					}
					allowed++
					if !evident(p, a, proto, int(port)) {
						t.Fatalf("seed %d: %s %s/%d is allowed without evidence", seed, a, proto, port)
					}
				}
			}
		}
		for port := uint16(1); port < 100; port++ {
			if h.Restricts(Ingress) && v.ingress(protoTCP, port) && !listened(p, int(port)) {
				t.Fatalf("seed %d: ingress to %d is allowed without evidence", seed, port)
			}
		}
	}
	if allowed < 100 || denied < 1000 {
		t.Errorf("the test shows nothing: %d allowed, %d denied", allowed, denied)
	}
}

// evident reports whether some entry of p may be why a destination is allowed.
func evident(p *profile.Profile, addr, proto string, port int) bool {
	if addr == "169.254.169.254" {
		return false
	}
	for _, c := range p.Network.Connect {
		ip, _ := netip.ParseAddr(c.Peer.IP)
		same := ip.Unmap().String() == addr && c.Port == port
		if via, err := netip.ParseAddr(c.Via.IP); err == nil && ip.IsLoopback() {
			same = same || via.Unmap().String() == addr && c.Via.Port == port
		}
		if !same || !strings.EqualFold(c.Proto, proto) && port != 53 {
			continue
		}
		stays := len(c.By) == 0 || len(c.Attribution) > 0 && c.Attribution[0] != "process"
		for _, key := range c.By {
			stays = stays || fates(key) == Kept || fates(key) == Unknown
		}
		worked := len(c.Results) == 0
		for _, result := range c.Results {
			worked = worked || result == profile.ResultEstablished || result == profile.ResultSent || result == profile.ResultInProgress
		}
		if stays && worked {
			return true
		}
	}
	return false
}

func listened(p *profile.Profile, port int) bool {
	for _, l := range p.Network.Listen {
		if l.Port == port && l.Addr != "127.0.0.1" {
			return true
		}
	}
	for _, a := range p.Network.Accept {
		if a.Port == port {
			return true
		}
	}
	return false
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		set := map[netip.Addr]bool{}
		var addrs []netip.Addr
		for range r.IntN(80) {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(64))})
			if r.IntN(4) == 0 {
				a = netip.AddrFrom16([16]byte{0x20, 1, 15: byte(r.IntN(16))})
			}
			addrs, set[a] = append(addrs, a), true
		}
		list := blocks(addrs)
		covered := 0
		for i, p := range list {
			if p != p.Masked() {
				t.Fatalf("%s is not canonical", p)
			}
			for a := p.Addr(); a.IsValid() && p.Contains(a); a = a.Next() {
				if !set[a] {
					t.Fatalf("%s is covered and not in the set", a)
				}
				covered++
			}
			for _, q := range list[:i] {
				if _, ok := join(q, p); ok || q.Overlaps(p) {
					t.Fatalf("%s and %s should be one", q, p)
				}
			}
		}
		want(t, "addresses covered", covered, len(set))
	}
	if _, ok := join(netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")); ok {
		t.Error("halves of everything are joined")
	}
}

func FuzzNew(f *testing.F) {
	for _, p := range []*profile.Profile{richProfile(), randomProfile(rand.New(rand.NewPCG(3, 3))), {}} {
		data, err := json.Marshal((*bare)(p))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "web", uint8(0))
	}
	f.Add([]byte(`{"network":{"connect":[{"proto":"udp","port":53,"peer":{"ip":"127.0.0.53"}}],"listen":[{"proto":"tcp","addr":"::","port":1,"seen":{"\n":{"n":9223372036854775807}}}]}}`), "\n---\n", uint8(7))
	f.Fuzz(func(t *testing.T, data []byte, name string, flags uint8) {
		p := &profile.Profile{}
		if json.Unmarshal(data, (*bare)(p)) != nil {
			return
		}
		opts := Options{Name: name, AllowMetadata: flags&1 != 0, Strict: flags&2 != 0}
		if flags&4 != 0 {
			opts.Selector = webSelector
		}
		if flags&8 != 0 {
			opts.ClusterDNS = OpenShiftDNS
		}
		h, err := New(p, fates, opts)
		if errors.Is(err, ErrSelfCheck) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		checkRendered(t, h)
	})
}
