package harden

import (
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/pkgdb"
)

// ruleBinaries is the level binaries: everything but unused tools, and links and
// applets that lead to them, stays.
func (p *planner) ruleBinaries() {
	why := Reason{Kind: NothingDoes, Note: "the level binaries drops tools only"}
	for _, f := range p.order {
		if !f.tool() && f.class != link && !isLayerIndex(f.path) {
			p.keep(f, false, why)
		}
	}
	p.drain()
	for _, f := range p.order {
		if f.class != link || f.applet != "" || p.unusedCommand(f) {
			continue
		}
		if t := p.find(f.target); t == nil || !t.tool() || t.kept {
			p.keep(f, false, why)
		}
	}
}

// ruleUnowned keeps the files that no package owns (R8): the application's own.
// Tools go when unused; so does the package manager's state, and what lies in
// directories of packages that are gone.
func (p *planner) ruleUnowned() {
	for _, f := range p.order {
		if f.kept || f.spare || len(f.owners) > 0 || f.tool() || f.class == link || f.class == dir {
			continue
		}
		switch {
		case p.droppableState(f), inDocs(f.path), p.source(f) != nil:
		case f.class == library && f.needed:
		case p.isDatabase(f):
		case p.isLeftOver(f):
			if d := p.listedAbove(f); !f.leftOver {
				f.leftOver = true
				p.leftIn[d] = append(p.leftIn[d], f)
			}
		default:
			p.keepUnowned(f)
		}
	}
}

func (p *planner) keepUnowned(f *file) {
	p.keep(f, f.class == library, Reason{Kind: Unowned, Note: "no package owns it"})
}

// freeLeftOvers keeps what nobody owns in the directories of a package that
// turned out to be used.
func (p *planner) freeLeftOvers(g *pkg) {
	for _, d := range g.dirs {
		for _, f := range p.leftIn[d] {
			p.keepUnowned(f)
		}
		delete(p.leftIn, d)
	}
}

// droppableState tells package-manager state. A database itself is none.
func (p *planner) droppableState(f *file) bool {
	return (pkgdb.IsState(f.path) || isLayerIndex(f.path)) && f.class != dir
}

// isLayerIndex tells the entries by which eStargz layers are pulled lazily
// (stargz-snapshotter's docs/estargz.md). They list what the layers held.
func isLayerIndex(name string) bool {
	switch name {
	case "stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark":
		return true
	}
	return false
}

func (p *planner) isDatabase(f *file) bool { return p.dbPaths[f.path] }

// isLeftOver tells whether the nearest directory above a path that any package
// lists is listed by packages only of which nothing is used. What was copied
// there is none: it is the application's, and no package manager made it.
func (p *planner) isLeftOver(f *file) bool {
	if f.class != dir && f.entry.ID >= 0 && p.copied[p.tree.Entry(int(f.entry.ID)).Layer] {
		return false
	}
	d := p.listedAbove(f)
	return d != nil && p.onlyUnused(d)
}

// findCopied finds the layers of COPY and ADD, as the image's history tells,
// that brought no package database: the first of a base is often an ADD.
func (p *planner) findCopied() {
	p.copied = map[int]bool{}
	for i, by := range p.madeBy() {
		by, _ = strings.CutPrefix(by, "/bin/sh -c #(nop) ") // of builders before BuildKit
		if verb, _, _ := strings.Cut(strings.TrimSpace(by), " "); verb == "COPY" || verb == "ADD" {
			p.copied[i] = true
		}
	}
	if len(p.copied) == 0 {
		return
	}
	for e := range p.tree.Entries() {
		if p.dbPaths[e.Path] {
			delete(p.copied, e.Layer)
		}
	}
}

// listedAbove is the nearest directory above a path that any package lists.
func (p *planner) listedAbove(f *file) *file {
	for d := path.Dir(f.path); d != "."; d = path.Dir(d) {
		if parent := p.find(d); parent != nil && len(parent.owners) > 0 {
			return parent
		}
	}
	return nil
}

// findStateDirs finds the directories with files of nobody's that the profile
// saw: a database that was made when its package was installed, say. What else
// nobody owns there is part of the same.
func (p *planner) findStateDirs() {
	p.stateDirs = map[*file]bool{}
	for _, f := range p.order {
		if f.seen && f.strong && len(f.owners) == 0 && f.class != dir && f.class != link {
			p.stateDirs[p.listedAbove(f)] = true
		}
	}
}

// onlyUnused tells directories that only unused packages list, and of which
// nothing was seen in use. The answer is
// remembered until a package becomes used.
func (p *planner) onlyUnused(d *file) bool {
	if p.leftOver == nil {
		p.leftOver = map[*file]bool{}
	}
	answer, known := p.leftOver[d]
	if !known {
		answer = !p.stateDirs[d] && !slices.ContainsFunc(d.owners, func(g *pkg) bool { return g.use != unused || g.base })
		p.leftOver[d] = answer
	}
	return answer
}

// source is the .py file that a compiled .pyc file is made of, if it is there.
func (p *planner) source(f *file) *file {
	base, ok := strings.CutSuffix(path.Base(f.path), ".pyc")
	if !ok {
		return nil
	}
	dirName := path.Dir(f.path)
	if path.Base(dirName) == "__pycache__" {
		dirName = path.Dir(dirName)
		base, _, _ = strings.Cut(base, ".") // name.cpython-311.opt-1
	}
	return p.find(path.Join(dirName, base+".py"))
}

// ruleCompiled lets a .pyc file follow its .py file.
func (p *planner) ruleCompiled() {
	for _, f := range p.order {
		if f.kept || !strings.HasSuffix(f.path, ".pyc") {
			continue
		}
		if src := p.source(f); src != nil && src.kept {
			p.keep(f, false, Reason{Kind: Follows, From: src.path})
		}
	}
}

// ruleEveryDirectory keeps the directories that the level above keeps: something
// is written to one of them when the profile was not looking.
func (p *planner) ruleEveryDirectory() {
	for _, f := range p.order {
		if f.class == dir && f.above {
			p.keep(f, false, Reason{Kind: Pack, Note: "directories"})
		}
	}
	p.drain()
}

// ruleDirectories keeps the directories of packages of which something stays,
// and directories that no package lists: something may be put there at run time.
func (p *planner) ruleDirectories() {
	stays := map[*pkg]bool{}
	for _, g := range p.pkgs {
		stays[g] = p.stays(g)
	}
	for _, f := range p.order {
		if f.class != dir || f.kept || inDocs(f.path) {
			continue
		}
		if len(f.owners) == 0 {
			if !p.isLeftOver(f) {
				p.keep(f, false, Reason{Kind: Unowned, Note: "no package lists this directory"})
			}
			continue
		}
		for _, g := range f.owners {
			if stays[g] {
				p.keep(f, false, Reason{Kind: PackageFile, Note: g.Name})
				break
			}
		}
	}
}

// stays tells whether something of a package is left, directories apart.
func (p *planner) stays(g *pkg) bool {
	for _, f := range g.files {
		if f.kept {
			return true
		}
	}
	return g.base && len(g.files) == 0
}
