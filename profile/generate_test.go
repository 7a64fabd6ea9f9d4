package profile

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// generator makes random valid profiles of few keys, so that they collide, with
// every field of every section. Those of one generator merge: they are all bound
// to an image or none is.
type generator struct {
	*rand.Rand
	bound bool
}

func newGenerator(seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, 1)), seed%2 == 1}
}

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

func some[T any](g generator, from ...T) []T {
	var out []T
	for range g.IntN(len(from) + 1) {
		out = append(out, pick(g, from...))
	}
	return out
}

func times[T any](g generator, most int, one func() T) []T {
	var out []T
	for range g.IntN(most + 1) {
		out = append(out, one())
	}
	return out
}

func (g generator) time() time.Time {
	if g.IntN(4) == 0 {
		return time.Time{}
	}
	zone := time.FixedZone("somewhere", 3600*g.IntN(3))
	return time.Date(2026, 11, 21, 20, g.IntN(3), 0, 500*g.IntN(2), zone)
}

// knownSources are all the sources that entries refer to.
func knownSources() []Source {
	var out []Source
	for i := range 3 {
		start := time.Date(2026, 11, 21, 20, i, 0, 0, time.UTC)
		s := Source{
			Kind: KindObserved, Run: fmt.Sprint("run", i), Complete: i > 0, Vouched: i > 0,
			Lost: Lost{Known: i > 1, Events: int64(i)}, Scenarios: []string{"shutdown", "e2e"},
			Observes: []string{ObservesOpen, ObservesExec}, Notes: []string{"b", "a"},
			Recorder: Recorder{Name: "tetragon", Version: "1.4", Method: "ebpf"},
			Input: Input{
				Format: "tetragon", SHA256: digestOf('a')[len("sha256:"):], Bytes: 7, Records: 5, Skipped: 1, Importer: "lathe",
			},
			Subject: Subject{
				Image: digestOf('b'), ContainerID: "c0ffee", Container: "web",
				Workload: Workload{Namespace: "shop", Kind: "Deployment", Name: "web", Labels: map[string]string{"app": "web"}},
			},
			Host:   Host{Kernel: "6.18.0", Arch: "amd64"},
			Window: Window{Start: start, End: start.Add(time.Minute)},
			Paths:  PathStyle{Exec: "raw", Open: "both", Root: "container"},
		}
		s.ID = SourceID(s)
		out = append(out, s)
	}
	return out
}

func (g generator) ids() []string {
	var ids []string
	for _, s := range knownSources() {
		ids = append(ids, s.ID)
	}
	return some(g, ids...)
}

func (g generator) seen() Seen {
	seen := Seen{}
	for _, id := range g.ids() {
		c := Count{N: g.Int64N(5), First: g.time()}
		if !c.First.IsZero() {
			c.Last = c.First.Add(time.Second)
		}
		seen[id] = c
	}
	return seen
}

func (g generator) path() Path {
	return pick[Path](g, "/bin/sh", "/bin/busybox", "/a b/ü", "/odd::%/x", "/latin1/\xe9", "/new\nline\u2028")
}

func (g generator) keys() []string {
	return some(g, "/bin/sh", "/bin/busybox::sh", Key("/latin1/\xe9", "::"))
}

func (g generator) phases() []string { return some(g, PhaseStartup, PhaseServing, PhaseShutdown) }

func (g generator) peer() Peer {
	p := Peer{Names: some(g, "a.example", "b.example"), NameSource: some(g, NameSNI, NameUser)}
	switch g.IntN(4) {
	case 0:
		p.IP = pick(g, "192.0.2.1", "2001:db8::1", "198.51.100.0/24")
		p.K8s.Kind = pick(g, "", "Service", "Pod")
	case 1:
		p.K8s = K8s{Namespace: pick(g, "shop", "dns"), Name: pick(g, "", "db"), Labels: map[string]string{pick(g, "app", "x"): pick(g, "1", "2")}}
	default:
		p.Names = []string{pick(g, "a.example", "c.example")}
	}
	return p
}

// profile is a random valid profile. Its sources are all known ones, in any
// order and number of times.
func (g generator) profile() *Profile {
	p := &Profile{
		Metadata: Metadata{
			Name:        pick(g, "", "a", "b"),
			Annotations: map[string]string{pick(g, "k", "l"): pick(g, "1", "2", "")},
		},
		Images: times(g, 3, func() Image {
			return Image{
				Digest:       pick(g, "", digestOf('a'), digestOf('b')),
				IndexDigest:  some(g, digestOf('1'), digestOf('2')),
				ConfigDigest: some(g, digestOf('c'), digestOf('d')),
				DiffIDs:      some(g, digestOf('e'), digestOf('f')),
				Refs:         append(some(g, "example/web:1", "example/web:2"), "example/web"),
				Platform:     pick(g, "", "linux/amd64", "linux/arm64/v8"),
			}
		}),
		Sources: append(times(g, 2, func() Source { return pick(g, knownSources()...) }), knownSources()...),
		Executables: times(g, 4, func() Executable {
			return Executable{
				Path: g.path(), As: pick(g, "", "sh", "::", "a%"), Bound: g.bound, Via: times(g, 2, g.path), Scripts: times(g, 2, g.path),
				Loader: times(g, 2, g.path), Parents: g.keys(), Origin: some(g, OriginChild, OriginProbe), Phase: g.phases(), Layer: some(g, LayerImage, LayerUpper),
				UIDs: some[uint32](g, 0, 7), TTY: g.IntN(2) == 0, Argv: some(g, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"),
				Instead: some(g, "livenessProbe: httpGet", "preStop: sleep"), Seen: g.seen(),
			}
		}),
		Files: times(g, 4, func() File {
			return File{
				Path: g.path(), Bound: g.bound, Via: times(g, 2, g.path), Access: some(g, accessWords()...), By: g.keys(),
				Phase: g.phases(), Layer: some(g, LayerVolume, LayerUnknown), Seen: g.ids(),
			}
		}),
		Patterns: times(g, 2, func() Pattern {
			return Pattern{Glob: pick(g, "/a/*", "/b/**"), Access: some(g, accessWords()...), From: some(g, "x", "y"), Seen: g.ids()}
		}),
		Missing: times(g, 2, func() Missing {
			return Missing{Path: g.path(), Errno: some(g, "ENOENT", "ENOTDIR"), Ops: some(g, "openat", "access"), By: g.keys(), Seen: g.ids()}
		}),
		Network: g.network(),
		Syscalls: times(g, 2, func() Syscall {
			return Syscall{Name: pick(g, "openat", "read"), Arch: some(g, "amd64", "arm64"), Seen: g.ids()}
		}),
		Capabilities: times(g, 2, func() Capability {
			return Capability{Name: pick(g, "CHOWN", "SETUID"), Phase: some(g, PhaseApp, PhaseRuntime), Result: some(g, "granted", "denied"), By: g.keys(), Seen: g.ids()}
		}),
		Outside: times(g, 2, func() Outside { return Outside{Prefix: pick(g, "/proc", "/sys"), Seen: g.seen()} }),
	}
	return p
}

func (g generator) network() Network {
	port := func() int { return 1 + g.IntN(3)*4000 }
	return Network{
		Listen: times(g, 3, func() Listen {
			return Listen{Proto: pick(g, "tcp", "udp"), Addr: pick(g, "0.0.0.0", "::"), Port: port(), Ephemeral: g.IntN(2) == 0, By: g.keys(), Phase: g.phases(), Seen: g.seen()}
		}),
		Accept: times(g, 3, func() Accept {
			return Accept{Proto: "tcp", Port: port(), Peer: g.peer(), By: g.keys(), Phase: g.phases(), Seen: g.seen()}
		}),
		Connect: times(g, 4, func() Connect {
			proto, at, to := pick(g, "tcp", "udp"), port(), g.peer()
			if g.IntN(4) == 0 {
				proto, at, to = "unix", 0, Peer{Path: pick[Path](g, "/run/nscd/socket", "@bus\xff")}
			}
			return Connect{
				Proto: proto, Port: at, Peer: to, Via: pick(g, Via{}, Via{IP: "192.0.2.9", Port: 80, Service: "a/b"}),
				Results: some(g, ResultRefused, ResultEstablished), By: g.keys(), Attribution: some(g, AttributionProcess, AttributionPod), Phase: g.phases(), Seen: g.seen(),
			}
		}),
		DNS: times(g, 2, func() DNS {
			return DNS{Name: pick(g, "a.example", "b.example"), Type: pick(g, "A", "AAAA"), Answers: some(g, "192.0.2.1", "192.0.2.2"), By: g.keys(), Seen: g.ids()}
		}),
	}
}

func digestOf(c byte) string {
	sum := make([]byte, 64)
	for i := range sum {
		sum[i] = c
	}
	return "sha256:" + string(sum)
}
