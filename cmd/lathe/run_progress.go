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
	now  func() time.Time
	mu   sync.Mutex
	line statusLine
	last record.Progress
	at   time.Time // of last
}

func newRunProgress(env *environment) *runProgress {
	return &runProgress{line: statusLine{env: env}, now: time.Now}
}

func (p *runProgress) event(e record.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case record.EventBegin:
		p.last, p.at = record.Progress{}, p.now()
		p.line.show(e.Scenario + ": starting")
	case record.EventReady:
		p.tell(e.Scenario + ": serving") // whole, since the test may print now
	case record.EventProgress:
		p.line.show(progressLine(e, p.last, p.at, p.now()))
		p.last, p.at = e.Progress, p.now()
	case record.EventEnd:
		p.line.clear()
		if e.Text == "" {
			p.tell(e.Scenario + ": done")
		}
	}
}

// tell prints a line that stays, on a terminal.
func (p *runProgress) tell(text string) {
	p.line.clear()
	if p.line.env.terminal {
		p.line.env.note("%s", text)
	}
}

// progressLine says how much a scenario has found, how fast, and since when
// nothing is new.
func progressLine(e record.Event, before record.Progress, then, now time.Time) string {
	line := fmt.Sprintf("%s: %s, %s", e.Scenario, number(e.Progress.Executables, "program"), number(e.Progress.Files, "file"))
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

// number is so many of something.
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// clear takes the line away before something else is printed.
func (p *runProgress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.clear()
}
