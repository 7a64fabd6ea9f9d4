package report

import (
	"io"
	"slices"
	"strings"
)

// Style says how a terminal wants its text.
type Style struct {
	Color bool // ANSI colours
	Width int  // columns; 0 means 100, and less than 60 is taken as 60
}

// How much of each list the terminal shows; report.md has more, report.json all.
const (
	shownStays    = 3
	shownBiggest  = 4
	shownFindings = 3
	shownLines    = 2
)

// Terminal writes the report for a person at a terminal: the table of before and
// after, what is left of each class of tools and why, where the bytes went, and
// where the outputs lie.
func (r *Report) Terminal(w io.Writer, style Style) error {
	s := newScreen(style)
	for i := range r.Platforms {
		if i > 0 {
			s.line()
		}
		r.section(s, &r.Platforms[i])
	}
	for _, l := range r.LeftOut {
		s.wrap(label("left out").in(yellow), escape(l.Platform)+": "+escape(l.Why))
	}
	if r.Run != nil {
		s.run(r.Run)
	}
	if r.Hint != nil {
		s.hint(r.Hint)
	}
	s.closing(r)
	return write(w, s.String())
}

func (r *Report) section(s *screen, p *Platform) {
	facts := []string{}
	if p.Platform != "" {
		facts = append(facts, escape(p.Platform))
	}
	if r.Level != "" {
		facts = append(facts, "level "+escape(r.Level))
	}
	if r.DryRun {
		facts = append(facts, "dry run: nothing is written")
	}
	s.line(left(escape(r.Image)).in(bold), left("  "+strings.Join(facts, " · ")).in(dim))
	s.line()
	s.beforeAfter(p)
	s.line()
	s.scorecard(p)
	s.line()
	s.bytes(p)
	s.biggest(p)
	s.line()
	s.notes(p)
}

// measure is a line of the table of before and after.
type measure struct {
	name          string
	before, after int64
	bytes         bool
}

func (m measure) text(n int64) string {
	if m.bytes {
		return size(n)
	}
	return count(n)
}

// measures are what before and after are compared by; what is not known is left
// out.
func (p *Platform) measures() []measure {
	all := []measure{
		{"download size", p.Before.Download, p.After.Download, true},
		{"content size", p.Before.Bytes, p.After.Bytes, true},
		{"files", int64(p.Before.Files), int64(p.After.Files), false},
		{"packages", int64(p.Before.Packages), int64(p.After.Packages), false},
		{"executables", int64(p.Before.Executables), int64(p.After.Executables), false},
		{"attack tools", int64(p.Before.Tools), int64(p.After.Tools), false},
		{"layers", int64(p.Before.Layers), int64(p.After.Layers), false},
	}
	if p.After.Layers == 0 && p.After.Download == 0 {
		return all[1:6]
	}
	return all
}

func (s *screen) beforeAfter(p *Platform) {
	rows := [][]cell{{left(""), right("before").in(bold), left(""), right("after").in(bold), right("change").in(bold)}}
	for _, m := range p.measures() {
		color := plain
		if m.after < m.before {
			color = green
		}
		rows = append(rows, []cell{
			left(m.name), right(m.text(m.before)), left("→").in(dim),
			right(m.text(m.after)).in(bold), right(change(m.before, m.after)).in(color),
		})
	}
	s.table(rows)
}

func (s *screen) scorecard(p *Platform) {
	if len(p.Scorecard) == 0 {
		s.line(left("attack tools: none that the catalogue knows"))
		return
	}
	rows := [][]cell{{left("attack tools").in(bold), right("before").in(bold), left(""), right("after").in(bold), left("what stays, and why").in(bold)}}
	var gone []string
	for i := range p.Scorecard {
		c := &p.Scorecard[i]
		if c.After == 0 {
			name := escape(c.Name) + " " + count(c.Before)
			if c.Denied {
				name += " (denied)"
			}
			gone = append(gone, name)
			continue
		}
		rows = append(rows, c.rows()...)
	}
	if len(rows) > 1 {
		s.table(rows)
	}
	if len(gone) > 0 {
		s.items(label("attack tools gone").in(green), gone, len(gone))
	}
	for i := range p.Boxes {
		b := &p.Boxes[i]
		s.wrap(label("multi-call binary").in(yellow), escape(b.raw())+": "+b.sentence())
	}
}

// rows are the lines of a class of which something stays.
func (c *Class) rows() [][]cell {
	name := escape(c.Name)
	if c.Denied {
		name += " (denied)"
	}
	row := []cell{left(name), right(count(c.Before)), left("→").in(dim), right(count(c.After)).in(yellow)}
	var rows [][]cell
	for i := range c.Stays {
		if i == shownStays {
			rows = append(rows, append(row, left("and "+count(len(c.Stays)-i)+" more").in(dim)))
			break
		}
		rows = append(rows, append(row, left(c.Stays[i].short())))
		row = []cell{left(""), left(""), left(""), left("")}
	}
	return rows
}

// short says in a few words why a tool stays.
func (s *Stay) short() string {
	text := escape(s.raw()) + "  "
	switch {
	case s.Use == UseOther || s.Use == UseRule || s.Use == UseConfig:
		return text + escape(s.Why)
	case len(s.For) > 0:
		return text + s.Use + ", for " + escape(list(s.For, 2))
	}
	return text + s.Use
}

// heap is one of the four parts of the input.
type heap struct {
	name   string
	amount Amount
	mostly string
}

// heaps are the parts that the input is the sum of.
func (p *Platform) heaps() []heap {
	t := &p.Totals
	rewritten := ""
	if t.Rewritten.Entries > 0 {
		rewritten = "package databases, " + size(t.RewrittenTo) + " now"
	}
	return []heap{
		{"kept", t.Kept, mostly(p.KeptBy)},
		{"dropped", t.Dropped, mostly(p.DroppedBy)},
		{"rewritten", t.Rewritten, rewritten},
		{"shadowed", t.Shadowed, "hidden by later layers, yet downloaded"},
	}
}

// mostly names the largest groups.
func mostly(groups []Group) string {
	var parts []string
	for i := range groups {
		if i == 3 || groups[i].Bytes == 0 {
			break
		}
		parts = append(parts, size(groups[i].Bytes)+" "+groups[i].Text)
	}
	return strings.Join(parts, ", ")
}

func (s *screen) bytes(p *Platform) {
	rows := [][]cell{{left("what became of it").in(bold), right("bytes").in(bold), right("entries").in(bold), left("mostly").in(bold)}}
	for _, h := range p.heaps() {
		note := h.mostly
		if h.amount.Entries == 0 {
			note = ""
		}
		rows = append(rows, []cell{left(h.name), right(count(h.amount.Bytes)), right(count(h.amount.Entries)), left(escape(note)).in(dim)})
	}
	t := &p.Totals
	rows = append(rows, []cell{left("= input"), right(count(t.Input.Bytes)), right(count(t.Input.Entries)), left(p.outcome()).in(dim)})
	s.table(rows)
}

// outcome says how the output's bytes come about.
func (p *Platform) outcome() string {
	t := &p.Totals
	text := "output " + count(t.Output.Bytes) + " in " + plural(t.Output.Entries, "entry", "entries")
	if t.Carried > 0 {
		text += ", " + size(t.Carried) + " of it carried on by hard links"
	}
	return text
}

func (s *screen) biggest(p *Platform) {
	if len(p.Biggest) == 0 {
		return
	}
	s.line()
	rows := [][]cell{{left("the biggest that stay").in(bold), right("").in(bold), left("because").in(bold)}}
	for i := range p.Biggest {
		if i == shownBiggest {
			break
		}
		b := &p.Biggest[i]
		rows = append(rows, []cell{left(cut(escape(b.raw()), s.width*2/5)), right(size(b.Bytes)), left(escape(b.short())).in(dim)})
	}
	s.table(rows)
}

// short gives the first reason of a chain and the last.
func (c *Chain) short() string {
	if len(c.Steps) == 0 {
		return ""
	}
	text := c.Steps[0].Because
	if n := len(c.Steps); n > 2 {
		text += " ← " + c.Steps[n-1].Path
	}
	return text
}

// notes are the lines below the tables: packages, packs, evidence, findings.
func (s *screen) notes(p *Platform) {
	if gone := p.Packages.Dropped; len(gone) > 0 {
		names := make([]string, len(gone))
		for i, g := range gone {
			names[i] = escape(g.Name) + " " + size(g.DroppedBytes)
		}
		s.items(label(plural(len(gone), "package", "packages")+" gone"), names, shownLines)
	}
	if len(p.Packs) > 0 {
		names := make([]string, len(p.Packs))
		for i, g := range p.Packs {
			names[i] = escape(g.Text) + " " + size(g.Bytes)
		}
		s.items(label("kept by knowledge"), names, shownLines)
	}
	if len(p.Startup) > 0 {
		names := make([]string, len(p.Startup))
		for i := range p.Startup {
			names[i] = escape(p.Startup[i].raw())
		}
		s.items(label("only to start"), names, shownLines)
	}
	s.wrap(label("evidence"), escape(p.Evidence.sentence()))
	for _, g := range p.heldBack() {
		s.wrap(label("not dropped").in(yellow), escape(gateSentence(&g)))
	}
	if text := p.Encoded.sentence(); text != "" {
		s.wrap(label("encoded anew"), text)
	}
	if g := p.Next; g != nil {
		s.wrap(label("next level"), escape(g.sentence()))
	}
	s.findings(p)
}

func (s *screen) findings(p *Platform) {
	rest := p.others()
	slices.SortStableFunc(rest, func(a, b Finding) int { return rank(a) - rank(b) })
	for i, f := range rest {
		if i == shownFindings {
			s.line(label(""), left("and "+count(len(rest)-i)+" more findings, in report.md").in(dim))
			break
		}
		name := ""
		if f.Path != "" {
			name = escape(f.raw()) + ": "
		}
		s.wrap(label("finding").in(yellow), name+escape(f.Text))
	}
}

// rank puts what a small change of a manifest removes first.
func rank(f Finding) int {
	if f.Kind == "probe" || f.Kind == "declared-and-dropped" {
		return 0
	}
	return 1
}

func (s *screen) hint(h *Hint) {
	s.line()
	s.wrap(label("network").in(bold), escape(h.sentence()))
	if len(h.Tightened) > 0 {
		s.items(label("tightened"), escapeAll(h.Tightened), shownLines)
	}
	if len(h.Warnings) > 0 {
		s.items(label("warnings"), escapeAll(h.Warnings), shownLines)
	}
}

func escapeAll(all []string) []string {
	list := make([]string, len(all))
	for i, s := range all {
		list[i] = escape(s)
	}
	return list
}

// closing says where the outputs lie and how to check them.
func (s *screen) closing(r *Report) {
	if len(r.Outputs) > 0 {
		s.line()
		for _, o := range r.Outputs {
			s.line(label(escape(o.What)).in(bold), left(escape(o.Where)))
		}
	}
	if r.Signature == nil {
		return
	}
	s.line()
	color := green
	if !r.Signature.Signed {
		color = yellow
	}
	s.line(left(escape(r.Signature.sentence())).in(color))
	if r.Signature.Verify != "" {
		s.line(left("  " + command(r.Signature.Verify)))
	}
}
