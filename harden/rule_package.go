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
		if f.seen && how == strong {
			g.observed = true
		}
		if how == strong && g.use != strong || g.use == unused {
			g.use, g.from = max(g.use, how), f.path
		}
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

// rulePackages applies R5, R6 and R7 to the packages as they are now.
func (p *planner) rulePackages() {
	for _, g := range p.pkgs {
		switch {
		case g.use == strong, g.use == follow:
			p.keepPackage(g, Reason{Kind: PackageFile, From: g.from, Note: g.Name})
		case g.use == weak:
			p.keepPackageData(g)
		case g.base:
			p.keepPackage(g, Reason{Kind: BasePackage, Note: g.Name})
		}
	}
	for _, g := range p.pkgs {
		if g.use == strong {
			p.ruleDepends(g)
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
	case f.kept, f.tool(), f.class == link, inDocs(f.path), p.droppableState(f):
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
	var beside []string
	for _, f := range g.files {
		if d := path.Dir(f.path); f.strong && d != "etc" && d != "." && strings.Contains(d, "/") {
			beside = append(beside, d)
		}
	}
	for _, f := range g.files {
		if f.code() || !p.coheres(f) {
			continue
		}
		inEtc := strings.HasPrefix(f.path, "etc/") && !otherEtc(f.path)
		isBeside := slices.ContainsFunc(beside, func(d string) bool { return strings.HasPrefix(f.path, d+"/") })
		if inEtc || isBeside {
			p.keep(f, false, why)
		}
	}
	for _, d := range g.dirs {
		if !inDocs(d.path) {
			p.keep(d, false, why)
		}
	}
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

// ruleDepends follows a used package's dependencies (R7): through packages that
// are only data, and one step to packages of modules when the package's code
// was observed. A package with programs or libraries is never a dependency:
// what is needed of it is found by use.
func (p *planner) ruleDepends(g *pkg) {
	seen := map[*pkg]bool{g: true}
	for todo := []*pkg{g}; len(todo) > 0; todo = todo[1:] {
		for _, d := range todo[0].needs {
			if seen[d] || d.hasTools {
				continue
			}
			seen[d] = true
			if d.hasCode && (!g.observed || todo[0] != g) {
				continue
			}
			if d.use < follow && len(d.files) > 0 {
				d.use, d.from = follow, g.from
				p.keepPackage(d, Reason{Kind: Dependency, From: g.from, Note: d.Name + ", which " + todo[0].Name + " depends on"})
			}
			if !d.hasCode {
				todo = append(todo, d)
			}
		}
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
