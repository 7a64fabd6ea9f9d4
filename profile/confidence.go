package profile

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Confidence is how well it is known that an entry is used, the best first.
const (
	ConfidenceResolved = "observed-resolved" // seen, and the path is free of links
	ConfidenceRaw      = "observed-raw"      // seen, by the path as it was called
	ConfidencePattern  = "pattern"           // below an upper bound
	ConfidenceDeclared = "declared"          // somebody says so
	ConfidenceStatic   = "static"            // analysis says so
	ConfidenceNone     = "none"              // no source says where it is from
)

// Evidence is what a profile's entries rest on, run by run and entry by entry.
type Evidence struct {
	Runs    []RunEvidence   `json:"eachRun"`
	Entries []EntryEvidence `json:"entries"`
}

// RunEvidence is what one run saw, and what it added to the runs before it.
type RunEvidence struct {
	Run            string     `json:"run,omitempty"` // "" where the sources name none
	Start          *time.Time `json:"start,omitempty"`
	Seconds        float64    `json:"seconds,omitempty"`
	Recorders      []string   `json:"recorders,omitempty"`
	Hosts          []string   `json:"hosts,omitempty"`
	Scenarios      []string   `json:"scenarios,omitempty"`
	Complete       bool       `json:"complete"` // one of its sources is
	Executables    int        `json:"executables"`
	Files          int        `json:"files"`
	NewExecutables int        `json:"newExecutables"`
	NewFiles       int        `json:"newFiles"`
}

// EntryEvidence is how well it is known that something is used.
type EntryEvidence struct {
	Section    string `json:"section"` // executables, files or patterns
	Entry      string `json:"entry"`
	Confidence string `json:"confidence"` // a Confidence... constant
	Runs       int    `json:"runs"`       // how many saw it
}

// Evidence says what the entries of p rest on. Runs are in the order of their
// start, entries by section, confidence and name.
func (p *Profile) Evidence() Evidence {
	var e Evidence
	runs := p.runs()
	of := map[string]int{}
	for i, r := range runs {
		e.Runs = append(e.Runs, p.runEvidence(r))
		for _, id := range r.ids {
			of[id] = i
		}
	}
	kinds := map[string]Source{}
	for _, s := range p.Sources {
		kinds[sourceKey(s)] = s
	}
	// count gives the number of runs, and tells the runs what they saw.
	count := func(ids []string, saw func(*RunEvidence, bool)) int {
		in := map[int]bool{}
		for _, id := range ids {
			if i, ok := of[id]; ok {
				in[i] = true
			}
		}
		first := len(runs)
		for i := range in {
			first = min(first, i)
		}
		for i := range in {
			saw(&e.Runs[i], i == first)
		}
		return len(in)
	}
	for _, x := range p.Executables {
		ids := sortedKeys(x.Seen)
		e.Entries = append(e.Entries, EntryEvidence{
			"executables", executableKey(x), confidence(ids, kinds, x.Bound, func(s PathStyle) string { return s.Exec }),
			count(ids, (*RunEvidence).sawExecutable),
		})
	}
	for _, f := range p.Files {
		e.Entries = append(e.Entries, EntryEvidence{
			"files", string(f.Path), confidence(f.Seen, kinds, f.Bound, func(s PathStyle) string { return s.Open }),
			count(f.Seen, (*RunEvidence).sawFile),
		})
	}
	for _, x := range p.Patterns {
		e.Entries = append(e.Entries, EntryEvidence{"patterns", x.Glob, ConfidencePattern, count(x.Seen, func(*RunEvidence, bool) {})})
	}
	slices.SortStableFunc(e.Entries, func(a, b EntryEvidence) int {
		if c := strings.Compare(a.Section, b.Section); c != 0 {
			return c
		}
		if c := rank(a.Confidence) - rank(b.Confidence); c != 0 {
			return c
		}
		return strings.Compare(a.Entry, b.Entry)
	})
	return e
}

func (r *RunEvidence) sawExecutable(first bool) {
	r.Executables++
	if first {
		r.NewExecutables++
	}
}

func (r *RunEvidence) sawFile(first bool) {
	r.Files++
	if first {
		r.NewFiles++
	}
}

func (p *Profile) runEvidence(r run) RunEvidence {
	var c Coverage
	for _, s := range p.Sources {
		if slices.Contains(r.ids, sourceKey(s)) {
			c.addSource(s)
		}
	}
	e := RunEvidence{
		Seconds: c.Seconds, Recorders: c.Recorders, Hosts: c.Hosts, Scenarios: c.Scenarios, Complete: c.Complete > 0,
	}
	if !strings.HasPrefix(r.name, "\x00") {
		e.Run = r.name
	}
	if !r.start.IsZero() {
		e.Start = &r.start
	}
	return e
}

func rank(confidence string) int {
	return slices.Index([]string{
		ConfidenceResolved, ConfidenceRaw, ConfidencePattern, ConfidenceDeclared, ConfidenceStatic, ConfidenceNone,
	}, confidence)
}

// confidence is the best that a source of ids gives.
func confidence(ids []string, sources map[string]Source, bound bool, style func(PathStyle) string) string {
	best := ConfidenceNone
	for _, id := range ids {
		s, level := sources[id], ConfidenceRaw
		switch {
		case s.Kind == KindDeclared:
			level = ConfidenceDeclared
		case s.Kind == KindStatic:
			level = ConfidenceStatic
		case s.Kind != KindObserved:
			level = ConfidenceNone
		case bound, style(s.Paths) == "resolved":
			level = ConfidenceResolved
		}
		if rank(level) < rank(best) {
			best = level
		}
	}
	return best
}

// Render writes e as text for people: a line for each run, and one for each
// entry.
func (e Evidence) Render(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) {
		_, _ = fmt.Fprintf(t, format+"\n", args...) // Flush reports what went wrong
	}
	if len(e.Runs) > 0 {
		row("run\tstart\ttime\trecorder\thost\tscenarios\texecutables\tfiles")
	}
	for i, r := range e.Runs {
		start, name := "-", r.Run
		if r.Start != nil {
			start = r.Start.UTC().Format(time.RFC3339)
		}
		if name == "" {
			name = fmt.Sprintf("#%d", i+1)
		}
		row("%s\t%s\t%s\t%s\t%s\t%s\t%d (%d new)\t%d (%d new)", printable(name), start, lastedText(r.Seconds),
			listText(r.Recorders), listText(r.Hosts), listText(r.Scenarios), r.Executables, r.NewExecutables, r.Files, r.NewFiles)
	}
	for i, entry := range e.Entries {
		if i == 0 || e.Entries[i-1].Section != entry.Section {
			row("\n%s\tconfidence\truns", entry.Section)
		}
		row("%s\t%s\t%d", printable(entry.Entry), entry.Confidence, entry.Runs)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the evidence: %w", err)
	}
	return nil
}

func listText(words []string) string {
	if len(words) == 0 {
		return "-"
	}
	shown := make([]string, len(words))
	for i, word := range words {
		shown[i] = printable(word)
	}
	return strings.Join(shown, ", ")
}
