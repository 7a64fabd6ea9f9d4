package harden

import (
	"path"

	"github.com/lathe-build/lathe/layers"
)

// edgeParents keeps the directories above a path, and the links by which its
// entry was written (lib/x where lib is a link).
func (p *planner) edgeParents(f *file) {
	for d := path.Dir(f.path); d != "."; d = path.Dir(d) {
		parent := p.find(d)
		if parent == nil || parent.kept {
			break
		}
		p.keep(parent, false, Reason{Kind: Parent, From: f.path})
	}
	for _, id := range p.tree.Makers(f.path) {
		e := p.tree.Entry(id)
		p.keepNameLinks(f, e)
	}
}

func (p *planner) keepNameLinks(f *file, e layers.Entry) {
	if path.Clean("/"+e.Name) == "/"+f.path {
		return
	}
	_, links, err := p.tree.ResolveParent(e.Name)
	if err != nil {
		return
	}
	for _, l := range links {
		p.keep(p.find(l), false, Reason{Kind: Link, From: f.path, Note: "the archive names it through this link"})
	}
}

// edgeLinks keeps what a link leads to and every link on the way. An applet
// keeps the binary that it is a name of.
func (p *planner) edgeLinks(f *file) {
	if f.applet != "" {
		p.keep(p.find(f.applet), f.strong, Reason{Kind: Link, From: f.path, Note: "the binary of this applet"})
	}
	if f.class != link || f.target == "" {
		return
	}
	_, links, err := p.tree.Resolve(f.path)
	if err != nil {
		return
	}
	from := f.path
	for _, l := range links {
		if l != f.path {
			p.keep(p.find(l), f.strong, Reason{Kind: Link, From: from})
			from = l
		}
	}
	target := p.find(f.target)
	if target == nil {
		return
	}
	if target.class == dir || !target.tool() || f.strong {
		p.keep(target, f.strong && target.class != dir, Reason{Kind: Link, From: from})
	}
}

// ruleLinks keeps links whose target stays, links to directories, and links
// that led nowhere before. An applet's link is a tool of its own.
func (p *planner) ruleLinks() {
	for _, f := range p.order {
		if f.class != link || f.kept || f.applet != "" || !p.inScope(f) || p.unusedCommand(f) {
			continue
		}
		switch t := p.find(f.target); {
		case f.target == "":
			p.keep(f, false, Reason{Kind: Link, Note: "led nowhere before, too"})
		case f.target == ".":
			p.keep(f, false, Reason{Kind: Link, Note: "leads to the root"})
		case t != nil && t.kept:
			p.keep(f, false, Reason{Kind: Link, From: t.path, Note: "leads to what stays"})
		case t != nil && t.class == dir && !inDocs(f.path):
			p.keep(f, false, Reason{Kind: Link, Note: "leads to a directory"})
		}
	}
}

// unusedCommand tells a name in PATH of a script that was never run.
func (p *planner) unusedCommand(f *file) bool {
	return f.command && !p.find(f.target).runs
}

// inScope tells whether a link is nobody's, or of a package that stays, or
// leads to a directory as the links of a merged /usr do.
func (p *planner) inScope(f *file) bool {
	if len(f.owners) == 0 {
		return !p.isLeftOver(f) && !p.droppableState(f)
	}
	for _, g := range f.owners {
		if g.use != unused || g.base {
			return true
		}
	}
	return false
}
