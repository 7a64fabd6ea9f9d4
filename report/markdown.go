package report

import (
	"fmt"
	"io"
	"strings"
)

// How much of each list report.md shows; report.json has all.
const (
	listedPackages = 200
	listedFindings = 200
	listedMissing  = 100
	listedSteps    = 12
)

// Markdown writes report.md. What comes from the image is in code spans or
// escaped, so that it is text to every renderer.
func (r *Report) Markdown(w io.Writer) error {
	d := &document{}
	d.printf("# Hardening report: %s\n\n", code(r.Image))
	d.facts(r)
	for i := range r.Platforms {
		d.platform(&r.Platforms[i])
	}
	if len(r.LeftOut) > 0 {
		d.printf("## Left out\n\n")
		for _, l := range r.LeftOut {
			d.printf("- %s: %s\n", code(l.Platform), prose(l.Why))
		}
		d.printf("\n")
	}
	if r.Run != nil {
		d.run(r.Run)
	}
	if r.Hint != nil {
		d.hint(r.Hint)
	}
	d.outputs(r)
	return write(w, strings.TrimRight(d.String(), "\n")+"\n")
}

type document struct{ strings.Builder }

func (d *document) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(d, format, args...) // a builder takes everything
}

// row writes a line of a table; cells are Markdown already.
func (d *document) row(cells ...string) {
	d.printf("| %s |\n", strings.Join(cells, " | "))
}

func (d *document) facts(r *Report) {
	for _, f := range [][2]string{{"level", r.Level}, {"source", r.Source}, {"result", r.Result}, {"made by", r.Tool}} {
		if f[1] != "" {
			d.printf("- %s: %s\n", f[0], code(f[1]))
		}
	}
	if r.DryRun {
		d.printf("- dry run: nothing was written\n")
	}
	d.printf("\n")
}

func (d *document) platform(p *Platform) {
	d.printf("## %s\n\n", code(p.Platform))
	d.row("", "before", "after", "change")
	d.row("---", "---:", "---:", "---:")
	for _, m := range p.measures() {
		d.row(m.name, m.text(m.before), m.text(m.after), change(m.before, m.after))
	}
	d.printf("\nEvidence: %s.\n\n", prose(p.Evidence.sentence()))
	d.evidence(p)
	d.scorecard(p)
	d.bytes(p)
	d.biggest(p)
	d.packages(p)
	d.findings(p)
	if p.Next != nil {
		d.printf("### Next level\n\nThe level %s.\n\n", prose(p.Next.sentence()))
	}
}

func (d *document) scorecard(p *Platform) {
	d.printf("### Attack tools\n\n")
	if len(p.Scorecard) == 0 {
		d.printf("None that the catalogue knows.\n\n")
		return
	}
	d.row("class", "ATT&CK", "what it does for an attacker", "before", "after")
	d.row("---", "---", "---", "---:", "---:")
	stays := 0
	for i := range p.Scorecard {
		c := &p.Scorecard[i]
		stays += len(c.Stays)
		name := prose(c.Name)
		if c.Denied {
			name += " (denied)"
		}
		d.row(name, prose(c.Technique), prose(c.Use), count(c.Before), count(c.After))
	}
	d.printf("\n")
	if stays == 0 {
		return
	}
	d.printf("### Tools that stay, and why\n\n")
	d.row("class", "tool", "used", "needed by", "reason")
	d.row("---", "---", "---", "---", "---")
	for i := range p.Scorecard {
		for j := range p.Scorecard[i].Stays {
			s := &p.Scorecard[i].Stays[j]
			d.row(prose(p.Scorecard[i].Name), code(s.raw()), s.Use, codes(s.For, 5), prose(s.Why))
		}
	}
	d.printf("\n")
	for i := range p.Boxes {
		b := &p.Boxes[i]
		d.printf("- %s is a multi-call binary: %s.\n", code(b.raw()), prose(b.sentence()))
	}
	if len(p.Boxes) > 0 {
		d.printf("\n")
	}
}

// codes joins at most n paths.
func codes(all []Location, n int) string {
	var names []string
	for _, l := range all[:min(n, len(all))] {
		names = append(names, code(l.raw()))
	}
	text := strings.Join(names, ", ")
	if len(all) > n {
		text += " and " + count(len(all)-n) + " more"
	}
	return text
}

func (d *document) bytes(p *Platform) {
	d.printf("### What became of it\n\n")
	d.row("", "bytes", "entries")
	d.row("---", "---:", "---:")
	for _, h := range p.heaps() {
		d.row(h.name, count(h.amount.Bytes), count(h.amount.Entries))
	}
	t := &p.Totals
	d.row("**= input**", count(t.Input.Bytes), count(t.Input.Entries))
	d.printf("\nThe %s: %s kept, %s of package databases written anew", p.outcome(), count(t.Kept.Bytes), count(t.RewrittenTo))
	if t.Carried > 0 {
		d.printf(", %s whose own entry is gone while a hard link stays", count(t.Carried))
	}
	d.printf(".\n")
	if text := p.Encoded.sentence(); text != "" {
		d.printf("Entries encoded anew: %s.\n", text)
	}
	d.printf("\n")
	d.groups("kept because", p.KeptBy)
	d.groups("dropped because", p.DroppedBy)
	d.groups("knowledge pack", p.Packs)
}

func (d *document) groups(head string, groups []Group) {
	if len(groups) == 0 {
		return
	}
	d.row(head, "bytes", "entries")
	d.row("---", "---:", "---:")
	for i := range groups {
		d.row(prose(groups[i].Text), count(groups[i].Bytes), count(groups[i].Entries))
	}
	d.printf("\n")
}

func (d *document) biggest(p *Platform) {
	if len(p.Biggest) == 0 {
		return
	}
	d.printf("### The biggest files that stay\n\n")
	for i := range p.Biggest {
		c := &p.Biggest[i]
		d.printf("- %s %s\n", size(c.Bytes), code(c.raw()))
		for j := range c.Steps {
			if j == listedSteps {
				d.printf("  - and %s more\n", plural(len(c.Steps)-j, "step", "steps"))
				break
			}
			if s := &c.Steps[j]; j > 0 {
				d.printf("  - %s: because %s\n", code(s.raw()), prose(s.Because))
			} else {
				d.printf("  - because %s\n", prose(s.Because))
			}
		}
	}
	d.printf("\n")
}

func (d *document) packages(p *Platform) {
	d.packageTable("Packages that are gone", p.Packages.Dropped, func(g *Package) []string {
		return []string{size(g.DroppedBytes)}
	}, "size")
	d.packageTable("Packages that stay", p.Packages.Kept, func(g *Package) []string {
		why := ""
		if g.Because != nil {
			why = code(g.Because.raw())
		}
		return []string{size(g.Bytes), size(g.DroppedBytes), why}
	}, "size", "of it dropped", "because of")
}

func (d *document) packageTable(title string, list []Package, more func(*Package) []string, heads ...string) {
	if len(list) == 0 {
		return
	}
	d.printf("### %s\n\n", title)
	d.row(append([]string{"package", "version"}, heads...)...)
	d.row(append([]string{"---", "---"}, alignments(heads)...)...)
	for i := range list {
		if i == listedPackages {
			break
		}
		d.row(append([]string{code(list[i].Name), code(list[i].Version)}, more(&list[i])...)...)
	}
	d.printf("\n")
	d.rest(len(list)-listedPackages, "package", "packages")
}

// alignments puts numbers to the right.
func alignments(heads []string) []string {
	list := make([]string, len(heads))
	for i, h := range heads {
		list[i] = "---:"
		if h == "because of" {
			list[i] = "---"
		}
	}
	return list
}

// rest says how much of a list is left out.
func (d *document) rest(n int, one, many string) {
	if n > 0 {
		d.printf("And %s more, in report.json.\n\n", plural(n, one, many))
	}
}

func (d *document) findings(p *Platform) {
	if list := p.others(); len(list) > 0 {
		d.printf("### Findings\n\n")
		for i := range list[:min(listedFindings, len(list))] {
			f := &list[i]
			d.printf("- **%s** ", prose(f.Kind))
			if f.Path != "" {
				d.printf("%s: ", code(f.raw()))
			}
			d.printf("%s\n", prose(f.Text))
		}
		d.printf("\n")
		d.rest(len(list)-listedFindings, "finding", "findings")
	}
	if len(p.Missing) > 0 {
		d.printf("### In the profile, not in the image\n\n")
		for _, l := range p.Missing[:min(listedMissing, len(p.Missing))] {
			d.printf("- %s\n", code(l.raw()))
		}
		d.printf("\n")
		d.rest(len(p.Missing)-listedMissing, "path", "paths")
	}
}

func (d *document) hint(h *Hint) {
	d.printf("## Network\n\nThe hint: %s.\n\n", prose(h.sentence()))
	for _, part := range []struct {
		title string
		items []string
	}{
		{"Tightened: seen, and denied since only dropped executables did it", h.Tightened},
		{"Warnings", h.Warnings},
	} {
		if len(part.items) == 0 {
			continue
		}
		d.printf("%s:\n\n", part.title)
		for _, item := range part.items {
			d.printf("- %s\n", code(item))
		}
		d.printf("\n")
	}
}

func (d *document) outputs(r *Report) {
	if len(r.Outputs) == 0 && r.Signature == nil {
		return
	}
	d.printf("## Outputs\n\n")
	for _, o := range r.Outputs {
		d.printf("- %s: %s\n", prose(o.What), code(o.Where))
	}
	if s := r.Signature; s != nil {
		d.printf("\nThe result is %s\n", prose(s.sentence()))
		if s.Verify != "" {
			d.printf("\n    %s\n", command(s.Verify))
		}
	}
}
