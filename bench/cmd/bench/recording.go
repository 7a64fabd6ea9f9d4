package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// The arms of the comparison: how a container is watched while it works.
const (
	armNone   = "none"
	armLathe  = "lathe"
	armStrace = "strace"
)

func arms() []string { return []string{armNone, armLathe, armStrace} }

// sample is what one run of a load took.
type sample struct {
	Wall     time.Duration // of the load alone
	Workload time.Duration // CPU of the container, as its control group has it
	Recorder time.Duration // CPU of who watches
	Client   time.Duration // CPU of who asks
	Attach   time.Duration // until the watcher was in place, before anything ran
}

// round is one run of each arm, one after the other.
type round map[string]sample

// watched is a load and its rounds.
type watched struct {
	Name, What string
	Rounds     []round
}

// recordings is what recording costs, or why that was not measured.
type recordings struct {
	Missing string
	Loads   []watched
}

// spread is the least, the median and the most of some ratios.
type spread struct{ Min, Median, Max float64 }

func (s spread) String() string { return fmt.Sprintf("**%.2f** (%.2f–%.2f)", s.Median, s.Min, s.Max) }

// ratios compares an arm with no recorder, round by round.
func (w *watched) ratios(arm string, of func(sample) time.Duration) spread {
	var list []float64
	for _, r := range w.Rounds {
		if base := of(r[armNone]); base > 0 {
			list = append(list, float64(of(r[arm]))/float64(base))
		}
	}
	if len(list) == 0 {
		return spread{}
	}
	slices.Sort(list)
	return spread{list[0], list[len(list)/2], list[len(list)-1]}
}

// typical is the median of something over all rounds of an arm.
func (w *watched) typical(arm string, of func(sample) time.Duration) time.Duration {
	var list []time.Duration
	for _, r := range w.Rounds {
		list = append(list, of(r[arm]))
	}
	slices.Sort(list)
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

func wallOf(s sample) time.Duration     { return s.Wall }
func workloadOf(s sample) time.Duration { return s.Workload }
func attachOf(s sample) time.Duration   { return s.Attach }
func allOf(s sample) time.Duration      { return s.Workload + s.Recorder + s.Client }

// recordingTitle begins the section, by which it is found again.
const recordingTitle = "\n## Recording\n"

func (r *recordings) write(b *strings.Builder) {
	b.WriteString(recordingTitle)
	if r.Missing != "" {
		fmt.Fprintf(b, "\n**Not measured: %s.**\n", r.Missing)
		return
	}
	b.WriteString(`
What a recorder costs those whom it watches: a container runs the same load without one, under that of ` + "`lathe record`" + `,
and under ` + "`strace -f -ttt -y -yy -s 4096`" + `, whose logs ` + "`lathe profile import`" + ` reads. The three follow each other
in each round, in an order that changes; a ratio is that of one round to its run without a recorder, and the median
counts, with the least and the most. All CPU is that of the container, the recorder and the client.

| load | recorder | time | CPU of the container | all CPU | in place after |
|---|---|---:|---:|---:|---:|
`)
	for i := range r.Loads {
		w := &r.Loads[i]
		for _, arm := range arms()[1:] {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %d ms |\n", w.Name, arm, w.ratios(arm, wallOf), w.ratios(arm, workloadOf),
				w.ratios(arm, allOf), w.typical(arm, attachOf).Milliseconds())
		}
	}
	b.WriteString("\nThe loads:\n\n")
	for i := range r.Loads {
		w := &r.Loads[i]
		fmt.Fprintf(b, "- **%s**: %s; %d rounds. Without a recorder it takes %.2f s, and %.2f s of CPU.\n", w.Name, w.What, len(w.Rounds),
			w.typical(armNone, wallOf).Seconds(), w.typical(armNone, allOf).Seconds())
	}
}

// replace writes the section anew into results that were written before.
func (r *recordings) replace(name string) error { return replaceSection(name, recordingTitle, r.write) }

// replaceSection writes a section that begins with a title into results that are
// there, in place of the old one or at the end.
func replaceSection(name, title string, write func(*strings.Builder)) error {
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading earlier results: %w", err)
	}
	var b strings.Builder
	before, after, found := strings.Cut(string(old), title)
	b.WriteString(before)
	write(&b)
	if _, rest, more := strings.Cut(after, "\n## "); found && more {
		b.WriteString("\n## " + rest)
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}
