package report

import "strings"

// sentence says what the plan rests on.
func (e *Evidence) sentence() string {
	text := "complete"
	switch {
	case !e.Complete:
		text = "INCOMPLETE: what was not seen may still be used"
	case e.Vouched:
		text = "complete as the user vouches; no recorder says so"
	}
	text += ", " + plural(e.Runs, "run", "runs")
	if len(e.Recorders) > 0 {
		text += " by " + strings.Join(e.Recorders, ", ")
	}
	if len(e.Scenarios) > 0 {
		text += " (" + strings.Join(e.Scenarios, ", ") + ")"
	}
	if e.Rebased {
		text += "; REBASED: recorded on another image"
	}
	return text
}

// sentence counts the entries that are not the same bytes as before; it is
// empty when there are none.
func (e *Encoded) sentence() string {
	var parts []string
	for _, c := range []struct {
		n         int
		one, many string
	}{
		{e.Replaced, "file with new content", "files with new content"},
		{e.Promoted, "hard link that carries its content now", "hard links that carry their content now"},
		{e.Relinked, "hard link with another target", "hard links with another target"},
		{e.Moved, "hard link moved behind its target", "hard links moved behind their targets"},
		{e.Folded, "entry with a global header folded in", "entries with a global header folded in"},
	} {
		if c.n > 0 {
			parts = append(parts, plural(c.n, c.one, c.many))
		}
	}
	return strings.Join(parts, ", ")
}

// sentence says what more the next level would drop.
func (g *Gain) sentence() string {
	if *g == (Gain{Level: g.Level}) {
		return g.Level + " would drop nothing more"
	}
	return g.Level + " would drop " + size(g.Bytes) + " more: " + plural(g.Files, "file", "files") + ", " +
		plural(g.Packages, "package", "packages") + ", " + plural(g.Executables, "executable", "executables")
}

// sentence says what the network policy allows.
func (h *Hint) sentence() string {
	var parts []string
	if h.Workload != "" {
		parts = append(parts, h.Workload)
	}
	for _, d := range []struct {
		name  string
		rules []string
	}{{"ingress", h.Ingress}, {"egress", h.Egress}} {
		switch {
		case !contains(h.Restricts, d.name):
			parts = append(parts, d.name+" not restricted")
		case len(d.rules) == 0:
			parts = append(parts, "no "+d.name)
		default:
			parts = append(parts, d.name+" "+strings.Join(d.rules, ", "))
		}
	}
	text := strings.Join(parts, "; ")
	if h.NotWritten != "" {
		text += " (no policy written: " + h.NotWritten + ")"
	}
	return text
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}

// sentence says whether the result is signed.
func (s *Signature) sentence() string {
	text := "not signed"
	switch {
	case s.Signed && s.Attested:
		text = "signed and attested"
	case s.Signed:
		text = "signed, not attested"
	}
	if s.Key != "" {
		text += " with " + s.Key
	}
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	if s.Verify != "" {
		text += "; check it with:"
	}
	return text
}
