package harden

import (
	"fmt"
	"slices"
	"strings"
)

// Conflict says that a rule and the evidence, or two rules, disagree.
type Conflict struct{ Reasons []string }

// Error lists the conflicts.
func (c *Conflict) Error() string {
	return "rules are in conflict: " + strings.Join(c.Reasons, "; ")
}

// Settled is a conflict of a rule and the evidence that the policy answers.
type Settled struct {
	Path     string `json:"path"`
	Kept     bool   `json:"kept"`     // the rule gave way
	Rule     string `json:"rule"`     // the drop or deny rule
	Evidence string `json:"evidence"` // why the path cannot be missed
	Reason   string `json:"reason"`   // of the answer
	From     string `json:"from"`     // where the answer is written
}

// answer is an answer that was looked up in the image.
type answer struct {
	Answer
	used bool
}

// forbid bars a file: a drop or deny rule names it.
func (p *planner) forbid(f *file, m *matcher, why Reason) {
	if p.barredBy == nil {
		p.barredBy = map[*file]*matcher{}
	}
	p.barredBy[f] = m
	f.barred, f.reason = true, why
}

// readAnswers looks up what answers are about: a path, the links that it leads
// through, and what it leads to.
func (p *planner) readAnswers() {
	p.answers = map[*file]*answer{}
	for _, a := range p.pol.Answers {
		ready := &answer{Answer: a}
		target, links, err := p.tree.Resolve(a.Path)
		if err != nil {
			target, _, err = p.tree.ResolveParent(a.Path)
		}
		if err != nil {
			p.note("answer-without-conflict", a.Path, a.From+": the image has no such path")
			continue
		}
		for _, name := range append(links, target) {
			if f := p.find(name); f != nil && f.class != dir && p.answers[f] == nil {
				p.answers[f] = ready
			}
		}
	}
}

// overrule is asked when a barred file is to stay: it remembers why the file
// cannot be missed, and tells whether an answer lets it stay.
func (p *planner) overrule(f *file, strong bool, why Reason) bool {
	if why.Kind != KeepRule && (!strong || !isNeed(f, why.Kind)) {
		return false
	}
	if f.wanted == nil {
		f.wanted = &why
	}
	a := p.answers[f]
	if a == nil || !a.Keep {
		return false
	}
	p.settle(f, a)
	f.barred = false
	return true
}

func (p *planner) settle(f *file, a *answer) {
	a.used = true
	p.settled = append(p.settled, Settled{
		Path: strings.ToValidUTF8(f.path, "\ufffd"), Kept: a.Keep, Rule: p.barredBy[f].text, Evidence: p.needOf(f), Reason: a.Reason, From: a.From,
	})
}

// isNeed tells reasons for which a file cannot be missed.
func isNeed(f *file, kind Kind) bool {
	switch kind {
	case Executed, Declared, Config, Interpreter, Library, Helper, Link, ReadAsData:
		return true
	case Opened:
		return f.class == library || f.class == script
	default:
		return false
	}
}

// need says in words why something cannot be missed, and on what evidence.
func (p *planner) need(r Reason) string {
	switch {
	case r.From != "":
		text := fmt.Sprintf("%q needs it", "/"+r.From)
		if r.Note != "" {
			text += " (" + r.Note + ")"
		}
		return text
	case r.Kind == Config:
		return r.Note + " needs it"
	case r.Kind == KeepRule:
		return r.Note + " keeps it"
	}
	return r.Note
}

// conflicts refuses drop and deny rules that name what is needed: dropping it
// would break what stays. Answers of the policy settle them.
func (p *planner) conflicts() error {
	var reasons []string
	for _, f := range p.order {
		if !f.barred || f.wanted == nil {
			continue
		}
		if a := p.answers[f]; a != nil {
			p.settle(f, a)
			continue
		}
		m := p.barredBy[f]
		does := "names"
		if m.rule.Do == DoDeny {
			does = "denies " + m.rule.Class + "s, among them"
		}
		reasons = append(reasons, fmt.Sprintf("%s %s %q, but %s", m.name(), does, "/"+f.path, p.needOf(f)))
	}
	if more := len(reasons) - maxProblems; more > 0 {
		reasons = append(reasons[:maxProblems], fmt.Sprintf("and %d more", more))
	}
	if len(reasons) > 0 {
		return &Conflict{Reasons: reasons}
	}
	p.tellAnswers()
	return nil
}

// name says for an error which rule it is.
func (m *matcher) name() string {
	if m.fromFlag {
		return "a " + string(m.rule.Do) + " rule"
	}
	return m.rule.From
}

// needOf is need with the scripts, programs and sources behind an execution.
func (p *planner) needOf(f *file) string {
	text := p.need(*f.wanted)
	if f.wanted.Kind != Executed {
		return text
	}
	var users, sources []string
	for _, key := range p.evidence[f.path] {
		x := p.readers()[key]
		if x == nil {
			continue
		}
		for _, s := range x.Scripts {
			users = append(users, string(s))
		}
		for id := range x.Seen {
			sources = append(sources, p.sourceName(id))
		}
	}
	if users = sortedSet(users); len(users) > 0 {
		text += " for " + quoteList(users)
	}
	if sources = sortedSet(sources); len(sources) > maxQuoted {
		text += fmt.Sprintf(" (%d sources)", len(sources))
	} else if len(sources) > 0 {
		text += " (source " + strings.Join(sources, ", ") + ")"
	}
	return text
}

// sourceName names a source of the profile for people.
func (p *planner) sourceName(id string) string {
	if s := p.sources[id]; s != nil && s.Recorder.Name != "" {
		return id + " of " + s.Recorder.Name
	}
	return id
}

// maxQuoted is how many names a message lists.
const maxQuoted = 3

func quoteList(names []string) string {
	var list []string
	for _, n := range names[:min(len(names), maxQuoted)] {
		list = append(list, fmt.Sprintf("%q", n))
	}
	text := strings.Join(list, ", ")
	if more := len(names) - maxQuoted; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// tellAnswers notes what answers did, and those that had no conflict to answer.
func (p *planner) tellAnswers() {
	slices.SortFunc(p.settled, func(a, b Settled) int { return strings.Compare(a.Path, b.Path) })
	for _, s := range p.settled {
		text := "dropped by " + s.Rule + ", although " + s.Evidence
		if s.Kept {
			text = "kept in spite of " + s.Rule + ", because " + s.Evidence
		}
		p.note("conflict-answered", s.Path, text+" (answered at "+s.From+": "+s.Reason+")")
	}
	told := map[*answer]bool{}
	for _, f := range p.order {
		if a := p.answers[f]; a != nil && !a.used && !told[a] {
			told[a] = true
			p.note("answer-without-conflict", a.Path, a.From+": no rule and evidence disagree about this path")
		}
	}
}
