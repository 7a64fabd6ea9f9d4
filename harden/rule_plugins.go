package harden

import (
	"fmt"
	"slices"
	"strings"
)

// decidePackages decides at the level packages, with R9. A plugin is a library
// that nothing needs by linking; it stays with its package, and what it needs
// stays with it, be it a compiler of a hundred megabytes. Whether it is ever
// loaded no profile can tell, so that the rule only reports which plugins keep
// whole packages, unless the policy wants them dropped: then the plugin goes
// together with what it needs, never one without the other, by deciding once
// more without it.
func (p *planner) decidePackages() error {
	without, err := p.decideWithoutPlugins()
	if err != nil {
		return err
	}
	if err := p.decide(Packages); err != nil || without == nil {
		return err
	}
	groups := p.pluginGroups(without)
	drop := p.pol.Plugins == DropUnloaded && len(groups) > 0
	if drop {
		for _, g := range groups {
			for _, f := range g.plugins {
				f.spare = true
			}
		}
		if err := p.decide(Packages); err != nil {
			return err
		}
	}
	for _, g := range groups {
		p.note("unloaded-plugin", g.plugins[0].path, g.sentence(drop))
	}
	return nil
}

// decideWithoutPlugins decides without any plugin that only its package keeps.
// It gives nil when the image has none.
func (p *planner) decideWithoutPlugins() (*stand, error) {
	found := false
	for _, f := range p.order {
		f.spare = f.class == library && !f.needed
		found = found || f.spare
	}
	if !found {
		return nil, nil //nolint:nilnil // there is nothing to compare with
	}
	err := p.decide(Packages)
	left := p.stand()
	for _, f := range p.order {
		f.spare = false
	}
	return left, err
}

// stand is what one decision left of libraries and packages.
type stand struct {
	libraries map[*file]bool
	pkgs      map[*pkg]bool
}

func (p *planner) stand() *stand {
	s := &stand{map[*file]bool{}, map[*pkg]bool{}}
	for _, f := range p.order {
		if f.kept && f.class == library {
			s.libraries[f] = true
		}
	}
	for _, g := range p.pkgs {
		if p.listed(g) {
			s.pkgs[g] = true
		}
	}
	return s
}

// pluginGroup are plugins that keep packages, alone or with each other.
type pluginGroup struct {
	plugins []*file
	pkgs    []*pkg
	bytes   int64 // of the plugins and of what stays of the packages
}

// pluginGroups joins the plugins whose closure reaches packages that would be
// gone without any plugin. Plugins that reach the same package are in one group.
func (p *planner) pluginGroups(without *stand) []*pluginGroup {
	extra := map[*pkg]bool{}
	for _, g := range p.pkgs {
		if p.listed(g) && !without.pkgs[g] {
			extra[g] = true
		}
	}
	of := map[*pkg]*pluginGroup{}
	var groups []*pluginGroup
	for _, f := range p.order {
		if f.class != library || f.needed || !f.kept || without.libraries[f] {
			continue
		}
		reached := p.packagesBehind(f, extra)
		if len(reached) == 0 {
			continue
		}
		mine := &pluginGroup{plugins: []*file{f}}
		groups = append(groups, mine)
		for _, g := range reached {
			if other := of[g]; other == nil {
				of[g] = mine
				mine.pkgs = append(mine.pkgs, g)
			} else if other != mine {
				other.join(mine, of)
				mine = other
			}
		}
	}
	groups = slices.DeleteFunc(groups, func(g *pluginGroup) bool { return len(g.plugins) == 0 })
	for _, g := range groups {
		g.measure()
	}
	return groups
}

// join takes over what another group has.
func (g *pluginGroup) join(other *pluginGroup, of map[*pkg]*pluginGroup) {
	g.plugins = append(g.plugins, other.plugins...)
	g.pkgs = append(g.pkgs, other.pkgs...)
	for _, q := range other.pkgs {
		of[q] = g
	}
	other.plugins, other.pkgs = nil, nil
}

func (g *pluginGroup) measure() {
	slices.SortFunc(g.plugins, func(a, b *file) int { return comparePaths(a.path, b.path) })
	slices.SortFunc(g.pkgs, func(a, b *pkg) int { return strings.Compare(a.ID(), b.ID()) })
	add := func(f *file) {
		if f.kept && f.entry.Data < 0 {
			g.bytes += f.entry.Size
		}
	}
	for _, f := range g.plugins {
		add(f)
	}
	for _, q := range g.pkgs {
		for _, f := range q.files {
			if !slices.Contains(g.plugins, f) {
				add(f)
			}
		}
	}
}

// packagesBehind are the packages of a set that a plugin needs by linking.
func (p *planner) packagesBehind(f *file, of map[*pkg]bool) []*pkg {
	var list []*pkg
	seen := map[*file]bool{f: true}
	for todo := []*file{f}; len(todo) > 0; todo = todo[1:] {
		for _, g := range todo[0].owners {
			if of[g] && !slices.Contains(list, g) {
				list = append(list, g)
			}
		}
		deps, _, _ := p.loader.Deps(todo[0].path, p.inherited[todo[0].path]) // an error was noted with the file
		for _, d := range deps {
			if g, _ := p.resolve(d.Path); d.Path != "" && g != nil && !seen[g] {
				seen[g] = true
				todo = append(todo, g)
			}
		}
	}
	return list
}

// sentence says what the plugins keep, and how to be rid of it.
func (g *pluginGroup) sentence(dropped bool) string {
	who := ""
	if n := len(g.plugins); n > 1 {
		who = fmt.Sprintf("with %d more like it, ", n-1)
	}
	var names []string
	for _, q := range g.pkgs {
		names = append(names, q.Name)
	}
	if len(names) > 4 {
		names = append(names[:4], "...")
	}
	packages := "packages"
	if len(g.pkgs) == 1 {
		packages = "package"
	}
	what := fmt.Sprintf("%s in %d %s (%s)", megabytes(g.bytes), len(g.pkgs), packages, strings.Join(names, ", "))
	if dropped {
		return who + "never loaded, goes with " + what
	}
	return who + "never loaded, keeps " + what + ": the policy line `plugins: " + string(DropUnloaded) + "` drops both"
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
