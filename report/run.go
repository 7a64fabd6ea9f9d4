package report

import "strings"

// run says in Markdown what a run of the result showed.
func (d *document) run(r *Run) {
	d.printf("## Run of the result\n\n")
	names := make([]string, 0, len(r.Scenarios))
	for _, s := range r.Scenarios {
		names = append(names, code(s))
	}
	d.printf("The hardened image passed %s.\n\n", strings.Join(names, ", "))
	d.missed("Kept because an earlier run missed it:", r.Repaired)
	d.missed("Dropped, and only looked for:", r.LookedFor)
}

func (d *document) missed(title string, list []Missed) {
	if len(list) == 0 {
		return
	}
	d.printf("%s\n\n", title)
	for _, m := range list {
		d.printf("- %s: %s\n", code(m.Path), prose(m.Why))
	}
	d.printf("\n")
}

// run says on a terminal what a run of the result showed.
func (s *screen) run(r *Run) {
	names := make([]string, 0, len(r.Scenarios))
	for _, n := range r.Scenarios {
		names = append(names, escape(n))
	}
	s.wrap(label("run"), "the result passed "+strings.Join(names, ", "))
	for _, m := range r.Repaired {
		s.wrap(label("repaired").in(yellow), escape(m.Path)+": "+escape(m.Why))
	}
	for _, m := range r.LookedFor {
		s.wrap(label("looked for"), escape(m.Path)+": "+escape(m.Why))
	}
}
