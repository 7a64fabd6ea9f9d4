package fold

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

func source() profile.Source {
	return profile.Source{Kind: profile.KindObserved, Recorder: profile.Recorder{Name: "test"}, Observes: []string{profile.ObservesExec}}
}

func built(t *testing.T, c *Collector) *profile.Profile {
	t.Helper()
	p, err := c.Profile("", source())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func at(second int) time.Time { return time.Unix(1_700_000_000+int64(second), 0).UTC() }

func TestFold(t *testing.T) {
	t.Parallel()
	c := New(Limits{})
	sh := c.Exec(Exec{
		Path: "/bin/busybox", As: "sh", Via: "/bin/sh", Script: "/start", Loader: "/lib/ld.so", Origin: profile.OriginEntrypoint,
		Phase: profile.PhaseStartup, Layer: profile.LayerImage, UID: 7, HasUID: true, TTY: true, Command: "sh /start", At: at(5),
	})
	sh.Ran(profile.PhaseServing, at(9))
	sh.Script("/other")
	c.Exec(Exec{Path: "/bin/busybox", As: "sh", Parent: "/init", Origin: profile.OriginChild, At: at(3)})
	c.File(File{Path: "/etc/hosts", Via: "/hosts", Access: []string{profile.AccessRead}, By: sh.Key(), At: at(6)})
	c.File(File{Path: "/etc/hosts", Access: []string{profile.AccessWrite}, Layer: profile.LayerUpper})
	c.File(File{Path: "/proc/1/stat", Access: []string{profile.AccessRead}, At: at(6)})
	c.Missing(Missing{Path: "/etc/nope", Errno: "ENOENT", Op: "openat", By: sh.Key()})
	c.Missing(Missing{Path: "/sys/nope", Errno: "ENOENT"})
	c.Pattern("/var/*", "test:*", profile.AccessOpen)
	c.Syscall("openat", "amd64")
	c.Syscall("openat", "")
	c.Capability(Capability{Name: "CAP_NET_RAW", Result: "denied", Phase: profile.PhaseApp, By: sh.Key()})
	p := built(t, c)

	id := p.Sources[0].ID
	want := profile.Executable{
		Key: "/bin/busybox::sh", Path: "/bin/busybox", As: "sh", Via: []profile.Path{"/bin/sh"},
		Scripts: []profile.Path{"/other", "/start"}, Loader: []profile.Path{"/lib/ld.so"}, Parents: []string{"/init"},
		Origin: []string{profile.OriginChild, profile.OriginEntrypoint}, Phase: []string{profile.PhaseServing, profile.PhaseStartup},
		Layer: []string{profile.LayerImage}, UIDs: []uint32{7}, TTY: true, Argv: []string{"sh /start"},
		Seen: profile.Seen{id: {N: 2, First: at(3), Last: at(9)}},
	}
	if diff := cmp.Diff([]profile.Executable{want}, p.Executables); diff != "" {
		t.Error(diff)
	}
	files := []profile.File{{
		Path: "/etc/hosts", Via: []profile.Path{"/hosts"}, Access: []string{profile.AccessRead, profile.AccessWrite},
		By: []string{"/bin/busybox::sh"}, Layer: []string{profile.LayerUpper}, Seen: []string{id},
	}}
	if diff := cmp.Diff(files, p.Files); diff != "" {
		t.Error(diff)
	}
	if len(p.Missing) != 1 || len(p.Outside) != 2 || len(p.Patterns) != 1 || len(p.Syscalls) != 1 {
		t.Errorf("missing %v, outside %v, patterns %v, syscalls %v", p.Missing, p.Outside, p.Patterns, p.Syscalls)
	}
	if diff := cmp.Diff([]profile.Capability{{
		Name: "NET_RAW", Phase: []string{profile.PhaseApp}, Result: []string{"denied"}, By: []string{"/bin/busybox::sh"}, Seen: []string{id},
	}}, p.Capabilities); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(profile.Window{Start: at(3), End: at(9)}, p.Sources[0].Window); diff != "" {
		t.Error(diff)
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	peer := profile.Peer{IP: "::ffff:192.0.2.1"}
	for name, tc := range map[string]struct {
		do   func(*Collector)
		want []string // proto, peer, names, results, attribution
	}{
		"settled": {func(c *Collector) {
			c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a"}).Settle(profile.ResultRefused)
		}, []string{"tcp 192.0.2.1 80 [] [] [refused] [process]"}},
		"never settled": {func(c *Collector) {
			c.Connect(Connect{Proto: "udp", Port: 80, Peer: peer, Unless: profile.ResultProbeOnly})
		}, []string{"udp 192.0.2.1 80 [] [] [probe-only] [container]"}},
		"settled twice": {func(c *Collector) {
			e := c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a"})
			e.Settle(profile.ResultTimeout)
			e.Settle(profile.ResultTimeout)
			c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a"})
		}, []string{"tcp 192.0.2.1 80 [] [] [in-progress timeout] [process]"}},
		"named by its program": {func(c *Collector) {
			c.DNS(DNS{Name: "API.example.", Type: "A", Answers: []string{"192.0.2.1", "CNAME.example."}, By: "/a"})
			c.DNS(DNS{Name: "other.example", Type: "A", Answers: []string{"192.0.2.1"}, By: "/b"})
			c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a", Result: profile.ResultEstablished})
		}, []string{"tcp 192.0.2.1 80 [api.example] [dns-of-process] [established] [process]"}},
		"named by its pod": {func(c *Collector) {
			c.DNS(DNS{Name: "api.example", Type: "A", Answers: []string{"192.0.2.1"}})
			c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a", Result: profile.ResultEstablished})
		}, []string{"tcp 192.0.2.1 80 [api.example] [dns-of-pod] [established] [process]"}},
		"named late": {func(c *Collector) {
			c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a", Result: profile.ResultEstablished})
			c.DNS(DNS{Name: "api.example", Type: "A", Answers: []string{"192.0.2.1"}, By: "/a"})
			c.NameLate()
		}, []string{"tcp 192.0.2.1 80 [api.example] [dns-of-process] [established] [process]"}},
		"not named late without asking": {func(c *Collector) {
			c.Connect(Connect{Proto: "tcp", Port: 80, Peer: peer, By: "/a", Result: profile.ResultEstablished})
			c.DNS(DNS{Name: "api.example", Type: "A", Answers: []string{"192.0.2.1"}, By: "/a"})
		}, []string{"tcp 192.0.2.1 80 [] [] [established] [process]"}},
		"several peers": {func(c *Collector) {
			c.Connect(Connect{Proto: "unix", Peer: profile.Peer{Path: "@bus"}, Result: profile.ResultEstablished, Attribution: profile.AttributionPod})
			c.Connect(Connect{Proto: "icmp", Port: 9, Peer: peer, Result: profile.ResultSent})
			c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{IP: "192.0.2.9/24"}, Result: profile.ResultSent}).Name("x.example", profile.NameSNI)
		}, []string{
			"icmp 192.0.2.1 0 [] [] [sent] [container]", "tcp 192.0.2.0/24 1 [x.example] [sni] [sent] [container]",
			"unix @bus 0 [] [] [established] [pod]",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New(Limits{})
			tc.do(c)
			var got []string
			for _, x := range built(t, c).Network.Connect {
				got = append(got, fmt.Sprint(x.Proto, " ", x.Peer.IP+string(x.Peer.Path), " ", x.Port, " ", x.Peer.Names, " ", x.Peer.NameSource, " ", x.Results, " ", x.Attribution))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	c := New(Limits{})
	c.Listen(Listen{Proto: "tcp", Port: 80, By: "/a"})
	c.Listen(Listen{Proto: "tcp", Addr: "::", Port: 0, Ephemeral: true})
	c.Accept(Accept{Proto: "tcp", Port: 80, Peer: profile.Peer{K8s: profile.K8s{Namespace: "b", Labels: map[string]string{"x": "2"}}}, By: "/a"})
	c.Accept(Accept{Proto: "tcp", Port: 80})
	p := built(t, c)
	if len(p.Network.Listen) != 2 || p.Network.Listen[0].Addr != "0.0.0.0" || len(p.Network.Accept) != 2 {
		t.Errorf("%+v", p.Network)
	}
	if c.Refused() != 0 {
		t.Errorf("%d refused", c.Refused())
	}
}

// Everything that a profile cannot hold is refused, and the rest is valid.
func TestRefuse(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*Collector){
		"relative exec": func(c *Collector) { c.Exec(Exec{Path: "a"}).Ran("", at(0)) },
		"relative file": func(c *Collector) { c.File(File{Path: "a"}) },
		"NUL":           func(c *Collector) { c.Missing(Missing{Path: "/a\x00"}) },
		"long path":     func(c *Collector) { c.File(File{Path: profile.Path("/" + strings.Repeat("a", maxPath))}) },
		"access":        func(c *Collector) { c.File(File{Path: "/a", Access: []string{"touch"}}) },
		"key":           func(c *Collector) { c.File(File{Path: "/a", By: "::"}) },
		"applet":        func(c *Collector) { c.Exec(Exec{Path: "/a", As: "b/c"}) },
		"via":           func(c *Collector) { c.Exec(Exec{Path: "/a", Via: "b"}) },
		"errno":         func(c *Collector) { c.Missing(Missing{Path: "/a", Errno: "no such"}) },
		"op":            func(c *Collector) { c.Missing(Missing{Path: "/a", Op: "O P"}) },
		"glob":          func(c *Collector) { c.Pattern("a*", "x") },
		"syscall":       func(c *Collector) { c.Syscall("Open", "") },
		"capability":    func(c *Collector) { c.Capability(Capability{Name: "CAP_CAP_X"}) },
		"port":          func(c *Collector) { c.Connect(Connect{Proto: "tcp", Port: 65536, Peer: profile.Peer{IP: "::1"}}) },
		"no peer":       func(c *Collector) { c.Connect(Connect{Proto: "tcp", Port: 1}).Name("x", "") },
		"address":       func(c *Collector) { c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{IP: "1.2.3"}}) },
		"protocol":      func(c *Collector) { c.Connect(Connect{Proto: "xyz", Port: 1, Peer: profile.Peer{IP: "::1"}}) },
		"path and tcp":  func(c *Collector) { c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{Path: "/a"}}) },
		"via address": func(c *Collector) {
			c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{IP: "::1"}, Via: profile.Via{IP: "x"}})
		},
		"result": func(c *Collector) {
			c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{IP: "::1"}, Result: "fine"})
		},
		"listen":         func(c *Collector) { c.Listen(Listen{Proto: "tcp", Port: 0}) },
		"listen address": func(c *Collector) { c.Listen(Listen{Proto: "tcp", Addr: "x", Port: 1}) },
		"accept":         func(c *Collector) { c.Accept(Accept{Proto: "tcp", Port: 0}) },
		"question":       func(c *Collector) { c.DNS(DNS{Name: "a\nb", Type: "A"}) },
		"question type":  func(c *Collector) { c.DNS(DNS{Name: "a", Type: "a"}) },
		"answer":         func(c *Collector) { c.DNS(DNS{Name: "a", Type: "A", Answers: []string{""}}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New(Limits{})
			do(c)
			if c.Refused() != 1 {
				t.Errorf("%d refused", c.Refused())
			}
			built(t, c)
		})
	}
}

// Paths of /proc and /dev do not say which program ran; neither do those that a
// recorder could not write.
func TestNamelessPrograms(t *testing.T) {
	t.Parallel()
	c := New(Limits{})
	for _, p := range []profile.Path{"/proc/self/exe", "/dev/fd/3", "/srv/caf\ufffd/a*b"} {
		if x := c.Exec(Exec{Path: p}); x != nil {
			t.Errorf("%s is the program %q", p, x.Key())
		}
	}
	c.File(File{Path: "/etc/\ufffd\ufffd.conf", Access: []string{profile.AccessRead}})
	c.File(File{Path: profile.Path("/" + strings.Repeat("\ufffdx", 20))})
	c.Missing(Missing{Path: "/etc/\ufffd"})
	p := built(t, c)
	if len(p.Executables)+len(p.Files)+len(p.Missing) > 0 || len(p.Outside) != 2 {
		t.Errorf("%+v", p)
	}
	want := []profile.Pattern{
		{Glob: "/*x*x*x*x*x*x*x*", From: []string{"replaced bytes"}, Seen: []string{p.Sources[0].ID}},
		{Glob: "/etc/*.conf", Access: []string{profile.AccessRead}, From: []string{"replaced bytes"}, Seen: []string{p.Sources[0].ID}},
		{Glob: `/srv/caf*/a\*b`, Access: []string{profile.AccessExec}, From: []string{"replaced bytes"}, Seen: []string{p.Sources[0].ID}},
	}
	if diff := cmp.Diff(want, p.Patterns); diff != "" {
		t.Error(diff)
	}
	if notes := p.Sources[0].Notes; len(notes) != 1 || !strings.HasPrefix(notes[0], "2 uses of programs by paths of /proc or /dev") {
		t.Errorf("notes %q", notes)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]Limits{"facts": {Facts: 10}, "bytes": {Bytes: 40}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := New(limits)
			for i := range 100 {
				c.File(File{Path: profile.Path(fmt.Sprintf("/%03d", i))})
				c.Exec(Exec{Path: profile.Path(fmt.Sprintf("/x%03d", i))}).Ran(profile.PhaseServing, at(i))
				c.Connect(Connect{Proto: "tcp", Port: i + 1, Peer: profile.Peer{IP: "::1"}}).Settle(profile.ResultRefused)
			}
			if err := c.Err(); !errors.Is(err, ErrLimit) {
				t.Errorf("error %v", err)
			}
			if got := c.Facts(); got > 20 || got == 0 || c.Lost() != int64(300-got) {
				t.Errorf("%d facts, %d lost", got, c.Lost())
			}
			built(t, c)
			c.Reset()
			if c.Err() != nil || c.Facts() != 0 {
				t.Error("nothing is forgotten")
			}
		})
	}
}

// Memory follows distinct facts: repeating events adds nothing.
func TestRepeat(t *testing.T) {
	t.Parallel()
	c := New(Limits{})
	event := func() {
		x := c.Exec(Exec{Path: "/a", Command: "a", At: at(1)})
		c.File(File{Path: "/b", By: x.Key(), Access: []string{profile.AccessRead}})
		c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{IP: "::1"}, By: x.Key(), Result: profile.ResultSent})
		c.DNS(DNS{Name: "n", Type: "A", Answers: []string{"::1"}})
	}
	event()
	event() // the first one knew no name at the time of its connection
	facts := c.Facts()
	for range 1000 {
		event()
	}
	if c.Facts() != facts {
		t.Errorf("%d facts became %d", facts, c.Facts())
	}
}

// The order of observations does not matter.
func TestOrder(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var events []func(*Collector)
		for range 200 {
			n, m := random.IntN(30), random.IntN(30)
			path, by := profile.Path(fmt.Sprintf("/f%d", n)), fmt.Sprintf("/x%d", m)
			events = append(events, []func(*Collector){
				func(c *Collector) { c.File(File{Path: path, By: by, Via: "/v", Access: []string{profile.AccessRead}}) },
				func(c *Collector) { c.Exec(Exec{Path: path, Parent: by, Command: by, At: at(m)}) },
				func(c *Collector) { c.Accept(Accept{Proto: "tcp", Port: n + 1, Peer: profile.Peer{IP: "::1"}, By: by}) },
				func(c *Collector) {
					c.Connect(Connect{Proto: "tcp", Port: 1, Peer: profile.Peer{K8s: profile.K8s{Namespace: "n", Name: by}}, Result: profile.ResultSent})
				},
			}[random.IntN(4)])
		}
		var want []byte
		for range 3 {
			random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
			c := New(Limits{})
			for _, event := range events {
				event(c)
			}
			got, err := built(t, c).Canonical()
			if err != nil {
				t.Fatal(err)
			}
			if want != nil && !cmp.Equal(want, got) {
				t.Fatal(cmp.Diff(string(want), string(got)))
			}
			want = got
		}
	}
}

// Whatever is observed, the profile is valid and reads back.
func FuzzCollector(f *testing.F) {
	f.Add("/bin/sh", "sh", "/start", "10.0.0.1", "api.example.", "ENOENT", 80)
	f.Add("\xff", "\xff", "/\xff", "::ffff:1.2.3.4", "\xff", "", -1)
	f.Add("/a::b%", "x", "/memfd:x", "10.0.0.1/8", "", "x y", 0)
	f.Fuzz(func(t *testing.T, path, name, other, ip, host, word string, port int) {
		c := New(Limits{})
		when := time.Unix(int64(port)<<30, 0)
		x := c.Exec(Exec{
			Path: profile.Path(path), As: name, Via: profile.Path(other), Script: profile.Path(other), Parent: name, Origin: word,
			Phase: word, Layer: word, Command: host, At: when,
		})
		by := x.Key()
		if by == "" {
			by = other
		}
		c.File(File{Path: profile.Path(other), Via: profile.Path(path), By: by, Access: []string{word}, At: when})
		c.Missing(Missing{Path: profile.Path(path), Errno: word, Op: word, By: by})
		c.Pattern(path, word, word)
		c.Syscall(word, name)
		c.Capability(Capability{Name: word, Phase: word, Result: word, By: by})
		peer := profile.Peer{IP: ip, Names: []string{host, name}, NameSource: []string{word}, K8s: profile.K8s{Namespace: word, Labels: map[string]string{name: host}}}
		for _, proto := range []string{"tcp", "unix", "icmp", word} {
			c.Connect(Connect{Proto: proto, Port: port, Peer: peer, By: by, Via: profile.Via{IP: ip, Port: port, Service: name}, Result: word})
			c.Connect(Connect{Proto: proto, Port: port, Peer: profile.Peer{K8s: peer.K8s}, Attribution: word})
			c.Connect(Connect{Proto: proto, Port: port, Peer: profile.Peer{Names: peer.Names}}).Settle(word)
			c.Connect(Connect{Proto: proto, Peer: profile.Peer{Path: profile.Path(path)}})
			c.Listen(Listen{Proto: proto, Addr: ip, Port: port, Ephemeral: true, By: by})
			c.Accept(Accept{Proto: proto, Port: port, Peer: peer, By: by})
		}
		c.DNS(DNS{Name: host, Type: word, Answers: []string{ip, name}, By: by})
		data, err := built(t, c).Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := profile.Read(strings.NewReader(string(data)), profile.Limits{}); err != nil {
			t.Fatal(err)
		}
	})
}
