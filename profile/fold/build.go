package fold

import (
	"fmt"
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// Profile makes a valid, unbound profile of everything that was observed, as
// seen by source. The source's id is computed, and its window filled in where
// it has none. Images without any name or digest are left out. The collector
// can go on after it.
func (c *Collector) Profile(name string, source profile.Source, images ...profile.Image) (*profile.Profile, error) {
	if source.Window == (profile.Window{}) {
		source.Window = c.window
	}
	if c.nameless > 0 {
		source.Notes = append(slices.Clone(source.Notes), fmt.Sprintf("%d uses of programs by paths of /proc or /dev, which do not say which program it is", c.nameless))
	}
	source.ID = profile.SourceID(source)
	p := &profile.Profile{Metadata: profile.Metadata{Name: name}, Sources: []profile.Source{source}}
	for _, image := range images {
		if image.Digest != "" || len(image.ConfigDigest) > 0 || len(image.Refs) > 0 {
			p.Images = append(p.Images, image)
		}
	}
	c.fill(p, source.ID)
	c.fillNetwork(&p.Network, source.ID)
	p, err := profile.Merge(p)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("making a profile of what was observed: %w", err)
	}
	return p, nil
}

func (c *Collector) fill(p *profile.Profile, id string) {
	seen := []string{id}
	for _, e := range c.executables {
		p.Executables = append(p.Executables, profile.Executable{
			Path: e.path, As: e.as, Via: e.via.list, Scripts: e.scripts.list, Loader: e.loaders.list,
			Parents: e.parents.list, Origin: e.origins.words(c.vocab.origin), Phase: e.phases.words(c.vocab.phase),
			Layer: e.layers.words(c.vocab.layer), UIDs: e.uids.list, TTY: e.tty, Argv: e.argv, Seen: e.count.seen(id),
		})
	}
	for path, f := range c.files {
		p.Files = append(p.Files, profile.File{
			Path: path, Via: f.via.list, Access: f.access.words(c.vocab.access), By: f.by.list,
			Phase: f.phases.words(c.vocab.phase), Layer: f.layers.words(c.vocab.layer), Seen: seen,
		})
	}
	for glob, x := range c.patterns {
		p.Patterns = append(p.Patterns, profile.Pattern{
			Glob: glob, Access: x.access.words(c.vocab.access), From: x.from.list, Seen: seen,
		})
	}
	for path, m := range c.missing {
		p.Missing = append(p.Missing, profile.Missing{
			Path: path, Errno: m.errnos.list, Ops: m.ops.list, By: m.by.list, Seen: seen,
		})
	}
	for name, arch := range c.syscalls {
		p.Syscalls = append(p.Syscalls, profile.Syscall{Name: name, Arch: arch.list, Seen: seen})
	}
	for name, k := range c.capabilities {
		p.Capabilities = append(p.Capabilities, profile.Capability{
			Name: name, Phase: k.phases.words(c.vocab.capabilityPhase), Result: k.results.words(c.vocab.capabilityResult),
			By: k.by.list, Seen: seen,
		})
	}
	for prefix, n := range c.outside {
		p.Outside = append(p.Outside, profile.Outside{Prefix: prefix, Seen: n.seen(id)})
	}
}

func (c *Collector) fillNetwork(n *profile.Network, id string) {
	for key, l := range c.listeners {
		n.Listen = append(n.Listen, profile.Listen{
			Proto: key.proto, Addr: key.addr, Port: key.port, Ephemeral: l.ephemeral, By: one(key.by),
			Phase: l.phases.words(c.vocab.phase), Seen: l.count.seen(id),
		})
	}
	for key, v := range c.visitors {
		n.Accept = append(n.Accept, profile.Accept{
			Proto: key.proto, Port: key.port, Peer: c.peerOf(&v.peer), By: v.by.list,
			Phase: v.phases.words(c.vocab.phase), Seen: v.count.seen(id),
		})
	}
	for key, e := range c.edges {
		results := e.results
		if e.waiting > 0 {
			results |= e.unless
		}
		n.Connect = append(n.Connect, profile.Connect{
			Proto: key.proto, Port: key.port, Peer: c.peerOf(&e.peer), Via: key.via, By: one(key.by),
			Results: results.words(c.vocab.result), Attribution: e.attribution.words(c.vocab.attribution),
			Phase: e.phases.words(c.vocab.phase), Seen: e.count.seen(id),
		})
	}
	for key, q := range c.questions {
		n.DNS = append(n.DNS, profile.DNS{
			Name: key.name, Type: key.kind, Answers: q.answers.list, By: q.by.list, Seen: []string{id},
		})
	}
}

func (c *Collector) peerOf(p *peer) profile.Peer {
	out := p.Peer
	out.Names, out.NameSource = p.names.list, p.nameSource.words(c.vocab.nameSource)
	return out
}

func one(word string) []string {
	if word == "" {
		return nil
	}
	return []string{word}
}
