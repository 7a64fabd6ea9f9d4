package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/lathe-build/lathe/record"
)

// runProgress shows on a terminal what runs and what it finds. In a pipe only
// what failed is said.
type runProgress struct {
	env   *environment
	now   func() time.Time
	mu    sync.Mutex
	last  record.Progress
	shown bool
	at    time.Time // of last
}

func newRunProgress(env *environment) *runProgress { return &runProgress{env: env, now: time.Now} }

func (p *runProgress) event(e record.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case record.EventBegin:
		p.last, p.at = record.Progress{}, p.now()
		p.show("%s: starting", e.Scenario)
	case record.EventReady:
		p.show("%s: serving", e.Scenario)
	case record.EventProgress:
		p.show("%s", progressLine(e, p.last, p.at, p.now()))
		p.last, p.at = e.Progress, p.now()
	case record.EventEnd:
		p.clear()
		if p.env.terminal && e.Text == "" {
			p.env.note("%s: done", e.Scenario)
		}
	}
}

// progressLine says how much a scenario has found, how fast, and since when
// nothing is new.
func progressLine(e record.Event, before record.Progress, then, now time.Time) string {
	line := fmt.Sprintf("%s: %d programs, %d files", e.Scenario, e.Progress.Executables, e.Progress.Files)
	if seconds := now.Sub(then).Seconds(); seconds > 0 {
		line += fmt.Sprintf(", %.0f new files/s", float64(e.Progress.Files-before.Files)/seconds)
	}
	if idle := now.Sub(e.Progress.LastNew).Truncate(time.Second); !e.Progress.LastNew.IsZero() && idle >= time.Second {
		line += fmt.Sprintf(", nothing new for %s", idle)
	}
	if e.Progress.Lost > 0 {
		line += fmt.Sprintf(", %d events lost", e.Progress.Lost)
	}
	return line
}

func (p *runProgress) show(format string, args ...any) {
	if !p.env.terminal || p.env.quiet {
		return
	}
	p.shown = true
	fmt.Fprintf(p.env.stderr, "\r\x1b[K"+format, args...) //nolint:errcheck // a progress line
}

func (p *runProgress) clear() {
	if p.shown {
		fmt.Fprint(p.env.stderr, "\r\x1b[K") //nolint:errcheck // a progress line
		p.shown = false
	}
}
