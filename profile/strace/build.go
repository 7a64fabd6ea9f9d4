package strace

import (
	"net/netip"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// profile makes a profile of the facts, all seen by one source.
func (f *facts) profile(image profile.Image, name string, source profile.Source) *profile.Profile {
	id := source.ID
	p := &profile.Profile{Metadata: profile.Metadata{Name: name}, Sources: []profile.Source{source}}
	if image.Digest != "" || len(image.ConfigDigest) > 0 || len(image.Refs) > 0 {
		p.Images = []profile.Image{image}
	}
	for _, x := range f.executables {
		layer := profile.LayerUnknown
		if x.memfd {
			layer = profile.LayerMemfd
		}
		p.Executables = append(p.Executables, profile.Executable{
			Path: profile.Path(x.path), As: x.as, Parents: x.parents.sorted(), Origin: x.origins.sorted(),
			Phase: x.phases.words(), Layer: []string{layer}, Seen: seenBy(id, x.count),
		})
	}
	for path, file := range f.files {
		p.Files = append(p.Files, profile.File{
			Path: profile.Path(path), Via: paths(file.via), Access: file.access.sorted(), By: file.by.sorted(),
			Phase: file.phases.words(), Seen: []string{id},
		})
	}
	for path, m := range f.missing {
		p.Missing = append(p.Missing, profile.Missing{
			Path: profile.Path(path), Errno: m.errnos.sorted(), Ops: m.ops.sorted(), By: m.by.sorted(), Seen: []string{id},
		})
	}
	for call := range f.syscalls {
		s := profile.Syscall{Name: call, Seen: []string{id}}
		if source.Host.Arch != "" {
			s.Arch = []string{source.Host.Arch}
		}
		p.Syscalls = append(p.Syscalls, s)
	}
	for prefix, n := range f.outside {
		p.Outside = append(p.Outside, profile.Outside{Prefix: prefix, Seen: seenBy(id, *n)})
	}
	f.network(&p.Network, id)
	return p
}

func (f *facts) network(n *profile.Network, id string) {
	for key, l := range f.listeners {
		n.Listen = append(n.Listen, profile.Listen{
			Proto: key.proto, Addr: key.addr, Port: key.port, Ephemeral: l.ephemeral, By: one(key.by),
			Phase: l.phases.words(), Seen: seenBy(id, l.count),
		})
	}
	for key, v := range f.visitors {
		n.Accept = append(n.Accept, profile.Accept{
			Proto: key.proto, Port: key.port, Peer: profile.Peer{IP: key.peer}, By: v.by.sorted(),
			Phase: v.phases.words(), Seen: seenBy(id, v.count),
		})
	}
	for _, e := range f.edges {
		n.Connect = append(n.Connect, e.connect(id))
	}
	for key, q := range f.questions {
		n.DNS = append(n.DNS, profile.DNS{
			Name: key.name, Type: key.kind, Answers: q.answers.sorted(), By: q.by.sorted(), Seen: []string{id},
		})
	}
}

func (e *edge) connect(id string) profile.Connect {
	c := profile.Connect{
		Proto: e.proto, Port: e.port, Results: e.results.sorted(), By: one(e.by),
		Phase: e.phases.words(), Seen: seenBy(id, e.count), Attribution: []string{profile.AttributionProcess},
	}
	if e.by == "" {
		c.Attribution = []string{profile.AttributionContainer}
	}
	if e.waiting > 0 {
		c.Results = append(c.Results, e.unless)
	}
	if e.proto == "unix" {
		c.Peer.Path = profile.Path(e.peer)
		return c
	}
	c.Peer.IP = e.peer
	if c.Peer.Names = e.names.sorted(); c.Peer.Names != nil {
		c.Peer.NameSource = []string{profile.NameDNSOfProcess}
	}
	return c
}

func seenBy(id string, c count) profile.Seen {
	return profile.Seen{id: {N: c.n, First: c.first, Last: c.last}}
}

func one(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}

func paths(s set) []profile.Path {
	var out []profile.Path
	for path := range s {
		out = append(out, profile.Path(path))
	}
	return out
}

// unspecified is the address that a socket of a family listens on by default.
func unspecified(ip netip.Addr) string {
	if !ip.IsValid() {
		return "0.0.0.0"
	}
	return ip.String()
}

// wall is the time of a line where the log has the date.
func wall(l line) time.Time {
	if l.clock != epochClock {
		return time.Time{}
	}
	return time.Unix(0, int64(l.at)).UTC()
}

// isPath reports whether a path can be in a profile.
func isPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.Contains(s, "\x00")
}
