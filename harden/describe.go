package harden

import (
	"slices"
	"strings"
)

// describe fills in packages, tools and findings.
func (p *planner) describe(pl *Plan) {
	for _, g := range p.pkgs {
		q := Package{Manager: g.Manager, Name: g.Name, Version: g.Version, Kept: p.listed(g)}
		for _, f := range g.files {
			if f.entry.Data >= 0 {
				continue // another name of what is counted elsewhere
			}
			q.Bytes += f.entry.Size
			if !f.kept {
				q.Dropped += f.entry.Size
			}
		}
		if q.Kept {
			q.From = g.from
		}
		pl.Packages = append(pl.Packages, q)
	}
	slices.SortFunc(pl.Packages, func(a, b Package) int {
		return strings.Compare(a.Manager+"\x00"+a.Name+"\x00"+a.Version, b.Manager+"\x00"+b.Name+"\x00"+b.Version)
	})
	for name, keys := range p.evidence {
		for _, k := range keys {
			if old, ok := pl.aliases[k]; !ok || p.preferAlias(name, old) {
				pl.aliases[k] = name
			}
		}
	}
	pl.Tools = p.tools()
	p.scanScripts()
	p.scanShellCalls()
	p.findings = append(p.findings, p.unread...)
	p.tellSBOMs()
	p.tellProbes()
	pl.Findings = p.sortedFindings()
	pl.Missing = sortedSet(p.missing)
}

// preferAlias makes the choice among the names of one executable independent of
// order: an applet's own name first, then the smaller path.
func (p *planner) preferAlias(a, b string) bool {
	fa, fb := p.find(a), p.find(b)
	if aa, ab := fa != nil && fa.applet != "", fb != nil && fb.applet != ""; aa != ab {
		return aa
	}
	return a < b
}
