package report

import "strings"

// listedSources is how many sources report.md lists; report.json has all.
const listedSources = 50

// evidence lists the sources, what stays for lack of evidence, and what was
// answered against it.
func (d *document) evidence(p *Platform) {
	if sources := p.Evidence.Sources; len(sources) > 0 {
		d.row("source", "recorder", "is", "lost events", "could see")
		d.row("---", "---", "---", "---:", "---")
		for i := range sources[:min(listedSources, len(sources))] {
			s := &sources[i]
			d.row(code(s.ID), prose(s.Recorder), prose(s.state()), s.losses(), prose(strings.Join(s.Observes, ", ")))
		}
		d.printf("\n")
		d.rest(len(sources)-listedSources, "source", "sources")
	}
	if held := p.heldBack(); len(held) > 0 {
		d.printf("### Kept for lack of evidence\n\n")
		for i := range held {
			d.printf("- %s\n", prose(gateSentence(&held[i])))
		}
		d.printf("\n")
	}
	if len(p.Serving) > 0 {
		d.printf("Used to serve: %s.\n\n", codes(p.Serving, 20))
	}
	if len(p.Startup) > 0 {
		d.printf("Used only by the entrypoint, before the long-running program was exec'ed: %s.\n\n", codes(p.Startup, 20))
	}
	if len(p.Answers) == 0 {
		return
	}
	d.printf("### Conflicts that the policy answers\n\n")
	for i := range p.Answers {
		a := &p.Answers[i]
		does := "goes, although"
		if a.Kept {
			does = "stays, because"
		}
		d.printf("- %s %s %s. Rule: %s. Answer: %s: %s\n", code(locate(a.Path).raw()), does, prose(a.Evidence), prose(a.Rule), prose(a.From), prose(a.Reason))
	}
	d.printf("\n")
}
