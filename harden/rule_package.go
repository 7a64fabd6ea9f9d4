package harden

import (
	"path"
	"slices"
	"strings"
)

// edgePackage marks the packages of a used file as used (R5), or as used for
// data only (R6).
func (p *planner) edgePackage(f *file) {
	if !f.strong || f.class == dir {
		return
	}
	for _, g := range f.owners {
		how := strong
		if g.hasCode && !p.codeUse(f) {
			how = weak
		}
		news := how == weak && g.use == weak // what lies beside this file
		if f.seen && how == strong && !g.observed {
			g.observed, news = true, true
		}
		if how == strong && g.use != strong || g.use == unused {
			g.use, g.from, p.leftOver, news = max(g.use, how), f.path, nil, true
		}
		if news {
			p.await(g)
		}
	}
}

// await puts a package in line for the rules about packages, which look at it
// once for every change: in a chain of plugins, each of which brings the next
// package, time stays linear.
func (p *planner) await(g *pkg) {
	if !g.waiting {
		g.waiting = true
		p.waiting = append(p.waiting, g)
	}
}

// codeUse tells whether using a file means using its package's code. A link
// counts as what it leads to.
func (p *planner) codeUse(f *file) bool {
	if f.class == link {
		if t := p.find(f.target); t != nil {
			return t.code()
		}
	}
	return f.code()
}

// rulePackages applies R5, R6 and R7 to the packages of which the use changed,
// and to those that this brings, in rounds so that the first reason is that of
// the shortest way.
func (p *planner) rulePackages() {
	for len(p.waiting) > 0 {
		round := p.waiting
		p.waiting = nil
		slices.SortFunc(round, func(a, b *pkg) int { return a.at - b.at })
		for _, g := range round {
			g.waiting = false
			switch g.use {
			case strong, follow:
				p.keepPackage(g, Reason{Kind: PackageFile, From: g.from, Note: g.Name})
			case weak:
				p.keepPackageData(g)
			case unused:
			}
			p.freeLeftOvers(g)
		}
		for _, g := range round {
			if g.use == strong {
				p.ruleDepends(g)
			}
		}
		p.drain()
	}
	for _, g := range p.pkgs {
		if g.base && g.use == unused {
			p.keepPackage(g, Reason{Kind: BasePackage, Note: g.Name})
		}
	}
}

// keepPackage keeps what coheres with used code: everything but tools, links to
// tools, documentation, and libraries that only dropped files need (R5).
func (p *planner) keepPackage(g *pkg, why Reason) {
	for _, f := range g.files {
		if p.coheres(f) {
			p.keep(f, f.class == library, why)
		}
	}
	for _, d := range g.dirs {
		if !inDocs(d.path) {
			p.keep(d, false, why)
		}
	}
}

func (p *planner) coheres(f *file) bool {
	switch {
	case f.kept, f.tool(), f.class == link, f.spare, inDocs(f.path), p.droppableState(f):
		return false
	case f.class == library && f.needed:
		return false // an edge keeps it when something that stays needs it
	}
	return true
}

// keepPackageData keeps what belongs to data of a package whose code was not
// used: its configuration, what lies beside the data, its directories (R6).
func (p *planner) keepPackageData(g *pkg) {
	why := Reason{Kind: PackageData, From: g.from, Note: g.Name}
	beside := map[string]bool{}
	for _, f := range g.files {
		if d := path.Dir(f.path); f.strong && d != "etc" && d != "." && strings.Contains(d, "/") {
			beside[d] = true
		}
	}
	for _, f := range g.files {
		if f.code() || !p.coheres(f) {
			continue
		}
		inEtc := strings.HasPrefix(f.path, "etc/") && !otherEtc(f.path)
		if inEtc || anyAbove(f.path, beside) {
			p.keep(f, false, why)
		}
	}
	for _, d := range g.dirs {
		if !inDocs(d.path) {
			p.keep(d, false, why)
		}
	}
}

// anyAbove tells whether one of the directories above a path is in a set.
func anyAbove(name string, dirs map[string]bool) bool {
	for d := path.Dir(name); d != "."; d = path.Dir(d) {
		if dirs[d] {
			return true
		}
	}
	return false
}

// otherEtc are the places of /etc in which packages configure somebody else.
func otherEtc(name string) bool {
	for _, d := range []string{"etc/init.d/", "etc/cron", "etc/pam.d/", "etc/default/", "etc/logrotate.d/"} {
		if strings.HasPrefix(name, d) {
			return true
		}
	}
	return false
}

// follows is what was followed of a package name.
type follows struct{ data, modules bool }

// ruleDepends follows a used package's dependencies (R7): through packages that
// are only data, and one step to packages of modules when the package's code
// was observed. A package with programs or libraries is never a dependency:
// what is needed of it is found by use. A name is followed once, whoever names it.
func (p *planner) ruleDepends(g *pkg) {
	type step struct {
		from *pkg
		name string
	}
	var todo []step
	add := func(from *pkg) {
		for _, name := range from.Depends {
			todo = append(todo, step{from, name})
		}
	}
	for add(g); len(todo) > 0; todo = todo[1:] {
		s := todo[0]
		done := p.followed[s.name]
		now := follows{data: !done.data, modules: !done.modules && s.from == g && g.observed}
		p.followed[s.name] = follows{data: true, modules: done.modules || now.modules}
		if !now.data && !now.modules {
			continue
		}
		for _, d := range p.named[s.name] {
			if d == g || d.hasTools || d.hasCode && !now.modules || !d.hasCode && !now.data {
				continue
			}
			p.depend(d, g, s.from)
			if !d.hasCode && !d.followed {
				d.followed = true
				add(d)
			}
		}
	}
}

// depend keeps a package that another, which g needs, depends on.
func (p *planner) depend(d, g, from *pkg) {
	if d.use < follow && len(d.files) > 0 {
		d.use, d.from, p.leftOver = follow, g.from, nil
		p.freeLeftOvers(d)
		p.keepPackage(d, Reason{Kind: Dependency, From: g.from, Note: d.Name + ", which " + from.Name + " depends on"})
	}
}

// inDocs tells documentation and translations, which go at the level packages.
func inDocs(name string) bool {
	for _, d := range []string{
		"usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/lintian/", "usr/share/linda/", "usr/share/bug/",
		"usr/share/gtk-doc/", "usr/share/doc-base/", "usr/share/help/", "usr/share/gnome/help/", "usr/share/groff/",
		"usr/local/share/man/", "usr/local/share/doc/", "usr/local/man/",
	} {
		if strings.HasPrefix(name, d) {
			return true
		}
	}
	rest, ok := strings.CutPrefix(name, "usr/share/locale/")
	return ok && strings.Contains(rest, "/LC_")
}
