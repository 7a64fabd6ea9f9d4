package profile

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Render writes c as text for people.
func (c Coverage) Render(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) // Flush reports what went wrong
	}
	list := func(name string, words []string) {
		if len(words) == 0 {
			return
		}
		shown := make([]string, len(words))
		for i, word := range words {
			shown[i] = printable(word)
		}
		row(name, "%s", strings.Join(shown, ", "))
	}
	row("sources", "%d (%d observed, %d complete%s)", c.Sources, c.Observed, c.Complete, vouchedText(c.Vouched))
	row("runs", "%d", c.Runs)
	if c.Start != nil && c.End != nil {
		row("recorded", "%s to %s, %s", c.Start.Format(time.RFC3339), c.End.Format(time.RFC3339), lastedText(c.Seconds))
	}
	list("recorders", c.Recorders)
	list("hosts", c.Hosts)
	list("scenarios", c.Scenarios)
	list("observes", c.Observes)
	if len(c.Always) < len(c.Observes) {
		list("in every source", c.Always)
	}
	list("not complete", c.Incomplete)
	row("lost events", "%s", lostText(c))
	n := c.Counts
	row("images", "%d%s", n.Images, boundText(c.Bound))
	row("executables", "%d", n.Executables)
	row("files", "%d (%d missing, %d outside)", n.Files, n.Missing, n.Outside)
	row("patterns", "%d", n.Patterns)
	row("network", "%d listen, %d accept, %d connect (%d unattributed), %d dns", n.Listen, n.Accept, n.Connect, n.Unattributed, n.DNS)
	row("syscalls", "%d", n.Syscalls)
	row("capabilities", "%d", n.Capabilities)
	if len(c.NewFiles) > 0 {
		row("new files a run", "%s", strings.Trim(fmt.Sprint(c.NewFiles), "[]"))
	}
	if c.Unseen != nil {
		row("files unseen", "about %d", *c.Unseen)
	}
	for _, note := range c.Notes {
		row("note", "%s", printable(note))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

func vouchedText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of these vouched for", n)
}

func lostText(c Coverage) string {
	switch {
	case c.Observed == 0:
		return "nothing was observed"
	case !c.LostKnown && c.Lost == 0:
		return "not known"
	case !c.LostKnown:
		return fmt.Sprintf("at least %d", c.Lost)
	default:
		return fmt.Sprint(c.Lost)
	}
}

func boundText(bound bool) string {
	if bound {
		return " (paths resolved in the image)"
	}
	return ""
}
