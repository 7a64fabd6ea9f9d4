package harden

import (
	"path"
	"strings"
)

// setPreload reads which libraries every program loads before its own: those of
// LD_PRELOAD in the image's environment and of /etc/ld.so.preload (ld.so(8)).
func (p *planner) setPreload() {
	text := p.env("LD_PRELOAD")
	if e, ok := p.tree.Lookup("etc/ld.so.preload"); ok && e.ID >= 0 {
		if raw, err := p.readEntry(e.ID); err == nil {
			for line := range strings.SplitSeq(string(raw), "\n") {
				line, _, _ = strings.Cut(line, "#")
				text += " " + line
			}
		}
	}
	p.preload = sortedSet(strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == ' ' || r == '\t' || r == '\n' }))
	if len(p.preload) > maxPreload {
		p.note("preload", "", "only the first libraries that are to be preloaded are kept")
		p.preload = p.preload[:maxPreload]
	}
}

// maxPreload bounds how many libraries are loaded before every program.
const maxPreload = 64

// edgePreload keeps the preloaded libraries of a program that the dynamic loader
// starts.
func (p *planner) edgePreload(f *file) {
	if f.elf == nil || f.class != program || !f.elf.HasInterp {
		return
	}
	for _, name := range p.preload {
		if !strings.Contains(name, "/") {
			p.keepNamed(f, name)
			continue
		}
		if !path.IsAbs(name) {
			name = path.Join("/", p.config.WorkingDir, name)
		}
		if g, links := p.resolve(name); g != nil && g.class == library {
			p.keepVia(g, links, true, Reason{Kind: LoadedByName, From: f.path, Note: "preloaded"})
		}
	}
}
