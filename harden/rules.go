package harden

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// matcher is a rule that was made ready for an image.
type matcher struct {
	rule     Rule
	text     string // for people: where it is written, what it is about, why
	globs    []pattern
	layers   map[int]bool // nil: any
	matched  bool
	fromFlag bool
}

// newMatcher makes a rule ready. A path means also what it leads to when the
// links above its last component, or above its first star, are followed:
// /bin/sh means usr/bin/sh.
func (p *planner) newMatcher(r Rule) *matcher {
	m := &matcher{rule: r, text: r.String()}
	if r.Path != "" {
		m.globs = p.spellings(r.Path)
	}
	if r.Layer != "" || r.History != "" {
		m.layers = p.layersOf(r)
	}
	return m
}

// matchers makes the rules of one verb ready, those of the command line first.
func (p *planner) matchers(do Verb, flags []string) []*matcher {
	var list []*matcher
	for _, glob := range flags {
		m := p.newMatcher(Rule{Do: do, Path: glob})
		m.fromFlag, m.text = true, "--"+string(do)+" "+glob
		list = append(list, m)
	}
	for _, r := range p.pol.Rules {
		if r.Do == do && r.ScriptCommands == "" {
			list = append(list, p.newMatcher(r))
		}
	}
	return list
}

// spellings are a glob as it is written and with its links followed.
func (p *planner) spellings(glob string) []pattern {
	list := []pattern{newPattern(glob)}
	segs := strings.Split(glob, "/")
	n := 0
	for n < len(segs)-1 && !hasMeta(segs[n]) {
		n++
	}
	if target, _, err := p.tree.Resolve(path.Join(segs[:n]...)); err == nil && n > 0 {
		if canonical := path.Join(append([]string{target}, segs[n:]...)...); canonical != glob {
			list = append(list, newPattern(canonical))
		}
	}
	return list
}

// layersOf are the layers that a rule is about.
func (p *planner) layersOf(r Rule) map[int]bool {
	set := map[int]bool{}
	made := p.madeBy()
	for i := range p.tree.Layers() {
		info := p.tree.Layer(i)
		named := r.Layer == "" || slices.Contains([]string{strconv.Itoa(i), info.Digest.String(), info.DiffID.String()}, r.Layer)
		if named && (r.History == "" || strings.Contains(made[i], r.History)) {
			set[i] = true
		}
	}
	return set
}

// madeBy gives for each layer the command that made it, as far as the image's
// history tells.
func (p *planner) madeBy() []string {
	list := make([]string, p.tree.Layers())
	at := 0
	for _, h := range p.tree.Config().History {
		if h.EmptyLayer {
			continue
		}
		if at == len(list) {
			break
		}
		list[at] = h.CreatedBy
		at++
	}
	return list
}

// match tells whether all that a rule names holds of a file.
func (p *planner) match(m *matcher, f *file) bool {
	r := &m.rule
	switch {
	case len(m.globs) > 0 && !slices.ContainsFunc(m.globs, func(g pattern) bool { return g.match(f.path) }):
		return false
	case m.layers != nil && (f.entry.ID < 0 || !m.layers[p.tree.Entry(int(f.entry.ID)).Layer]):
		return false
	case r.Package != "" && !slices.ContainsFunc(f.owners, func(g *pkg) bool { return matchName(r.Package, g.Name) }):
		return false
	case r.Class != "":
		if c, ok := p.classOf(f); !ok || c.Name != r.Class {
			return false
		}
	}
	m.matched = true
	return true
}

func matchName(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return err == nil && ok
}

func (p *planner) firstMatch(list []*matcher, f *file) *matcher {
	for _, m := range list {
		if p.match(m, f) {
			return m
		}
	}
	return nil
}

// barrier is a file that a drop or deny rule names.
type barrier struct {
	file *file
	rule *matcher
}

// bar marks what drop and deny rules name. They name the same however often the
// levels are decided.
func (p *planner) bar() {
	if p.barriers == nil {
		p.findBarriers()
	}
	for _, b := range p.barriers.files {
		kind := DropRule
		if b.rule.rule.Do == DoDeny {
			kind = DenyRule
		}
		p.forbid(b.file, b.rule, Reason{Kind: kind, Note: b.rule.text})
	}
	p.matchless(p.barriers.drops)
}

// barriers are all of them, and the rules that were asked.
type barriers struct {
	files []barrier
	drops []*matcher
}

func (p *planner) findBarriers() {
	drops, denies := p.matchers(DoDrop, p.pol.Drop), p.matchers(DoDeny, nil)
	p.barriers = &barriers{drops: drops}
	for _, f := range p.order {
		if f.class == dir {
			continue
		}
		m := p.firstMatch(drops, f)
		if m == nil {
			m = p.firstMatch(denies, f)
		}
		if m != nil {
			p.barriers.files = append(p.barriers.files, barrier{f, m})
		}
	}
}

// matchless tells the rules that match nothing.
func (p *planner) matchless(list []*matcher) {
	for _, m := range list {
		if m.matched {
			continue
		}
		if f, _ := p.resolve(m.rule.Path); m.rule.Path != "" && f != nil && m.fromFlag {
			continue
		}
		text := m.text + ": the rule matches nothing in the image"
		if m.fromFlag {
			text = "the " + string(m.rule.Do) + " rule matches nothing in the image"
		}
		p.note("rule-without-match", m.rule.Path, text)
	}
}

// rootsOfRules keeps what keep rules name, as if it had been used.
func (p *planner) rootsOfRules() {
	list := p.matchers(DoKeep, p.pol.Keep)
	for _, f := range p.order {
		if m := p.firstMatch(list, f); m != nil {
			p.keep(f, f.class != dir, Reason{Kind: KeepRule, Note: m.text})
		}
	}
	for _, m := range list {
		if m.rule.Path == "" || len(m.rule.selectors()) > 1 {
			continue
		}
		if f, links := p.resolve(m.rule.Path); f != nil {
			m.matched = true
			p.keepVia(f, links, f.class != dir, Reason{Kind: KeepRule, Note: m.text})
		}
	}
	p.matchless(list)
	p.readCommandRules()
}

// commandRule keeps the commands of shell scripts.
type commandRule struct {
	matcher
	used bool
}

func (p *planner) readCommandRules() {
	for _, r := range p.pol.Rules {
		if r.ScriptCommands != "" {
			p.commandRules = append(p.commandRules, &commandRule{matcher: matcher{rule: r, text: r.String(), globs: p.spellings(r.ScriptCommands)}})
		}
	}
}

// edgeScriptCommands keeps the commands of a script that stays where a rule says
// so: also those in branches that the profile did not see.
func (p *planner) edgeScriptCommands(f *file) {
	if f.shebang == nil || f.elf != nil || len(p.commandRules) == 0 {
		return
	}
	for _, m := range p.commandRules {
		if !p.match(&m.matcher, f) {
			continue
		}
		m.used = true
		text, err := p.read(f)
		if err != nil {
			p.note("unreadable-script", f.path, err.Error())
			continue
		}
		eachCommand(text, func(line int, word string) {
			if g, links := p.lookPath(word); g != nil && g.class != dir && g != f {
				p.keepVia(g, links, true, Reason{Kind: KeepRule, From: f.path, Note: fmt.Sprintf("%s, line %d", m.text, line)})
			}
		})
	}
}

// matchlessCommands tells the rules about scripts of which none stays.
func (p *planner) matchlessCommands() {
	for _, m := range p.commandRules {
		if !m.used {
			p.note("rule-without-match", m.rule.ScriptCommands, m.text+": no script that stays is meant")
		}
	}
}
