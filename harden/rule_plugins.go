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
	sets := newPluginSets(p, extra)
	var plugins []*file
	for _, f := range p.order {
		if f.class == library && !f.needed && f.kept && !without.libraries[f] && sets.reach(f) {
			plugins = append(plugins, f)
		}
	}
	return sets.groups(plugins)
}

// pluginSets finds out which plugins reach a package together. Each library is
// looked at once, however many plugins need it: all that lead to it reach the
// packages behind it, so that they are of one set with these.
type pluginSets struct {
	p      *planner
	extra  map[*pkg]bool
	of     map[*file][]*file // what a library needs by linking
	leads  map[*file]bool    // it reaches a package of extra
	parent map[any]any       // a forest of files and packages that are of one set
	size   map[any]int       // of the set of a root
	pkgs   []*pkg            // that were reached
}

func newPluginSets(p *planner, extra map[*pkg]bool) *pluginSets {
	return &pluginSets{p: p, extra: extra, of: map[*file][]*file{}, leads: map[*file]bool{}, parent: map[any]any{}, size: map[any]int{}}
}

// reach follows a plugin to what it needs, and reports whether it leads to a
// package.
func (s *pluginSets) reach(plugin *file) bool {
	var fresh []*file
	for todo := []*file{plugin}; len(todo) > 0; {
		f := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, ok := s.of[f]; ok {
			continue
		}
		fresh = append(fresh, f)
		s.of[f] = []*file{}
		deps, _, _ := s.p.loader.Deps(f.path, s.p.inherited[f.path]) // an error was noted with the file
		for _, d := range deps {
			if g, _ := s.p.resolve(d.Path); d.Path != "" && g != nil {
				s.of[f] = append(s.of[f], g)
				todo = append(todo, g)
			}
		}
	}
	s.mark(fresh)
	return s.leads[plugin]
}

// mark finds those of some libraries that lead to a package, by those that they
// need or backwards from those that packages own.
func (s *pluginSets) mark(fresh []*file) {
	needs := map[*file][]*file{} // who needs a library
	var todo []*file
	for _, f := range fresh {
		s.own(f)
		for _, g := range s.of[f] {
			needs[g] = append(needs[g], f)
			s.leads[f] = s.leads[f] || s.leads[g]
		}
		if s.leads[f] {
			todo = append(todo, f)
		}
	}
	for ; len(todo) > 0; todo = todo[1:] {
		for _, f := range needs[todo[0]] {
			if !s.leads[f] {
				s.leads[f] = true
				todo = append(todo, f)
			}
		}
	}
	for _, f := range fresh {
		for _, g := range s.of[f] {
			if s.leads[g] {
				s.join(f, g)
			}
		}
	}
}

// own joins a library with the packages that own it.
func (s *pluginSets) own(f *file) {
	for _, g := range f.owners {
		if !s.extra[g] {
			continue
		}
		if _, ok := s.parent[g]; !ok {
			s.pkgs = append(s.pkgs, g)
		}
		s.leads[f] = true
		s.join(f, g)
	}
}

// root is what stands for the set of a file or package.
func (s *pluginSets) root(x any) any {
	if s.parent[x] == nil {
		s.parent[x], s.size[x] = x, 1
	}
	for s.parent[x] != x {
		s.parent[x] = s.parent[s.parent[x]]
		x = s.parent[x]
	}
	return x
}

func (s *pluginSets) join(x, y any) {
	x, y = s.root(x), s.root(y)
	if x == y {
		return
	}
	if s.size[x] < s.size[y] {
		x, y = y, x
	}
	s.parent[y] = x
	s.size[x] += s.size[y]
}

// groups are the sets of some plugins, in the order of the first of each.
func (s *pluginSets) groups(plugins []*file) []*pluginGroup {
	byRoot := map[any]*pluginGroup{}
	var list []*pluginGroup
	for _, f := range plugins {
		g := byRoot[s.root(f)]
		if g == nil {
			g = &pluginGroup{}
			byRoot[s.root(f)] = g
			list = append(list, g)
		}
		g.plugins = append(g.plugins, f)
	}
	for _, q := range s.pkgs {
		if g := byRoot[s.root(q)]; g != nil {
			g.pkgs = append(g.pkgs, q)
		}
	}
	for _, g := range list {
		g.measure()
	}
	return list
}

func (g *pluginGroup) measure() {
	slices.SortFunc(g.plugins, func(a, b *file) int { return comparePaths(a.path, b.path) })
	slices.SortFunc(g.pkgs, func(a, b *pkg) int { return strings.Compare(a.ID(), b.ID()) })
	add := func(f *file) {
		if f.kept && f.entry.Data < 0 {
			g.bytes += f.entry.Size
		}
	}
	plugins := map[*file]bool{}
	for _, f := range g.plugins {
		plugins[f] = true
		add(f)
	}
	for _, q := range g.pkgs {
		for _, f := range q.files {
			if !plugins[f] {
				add(f)
			}
		}
	}
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
