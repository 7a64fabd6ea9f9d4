package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/lathe-build/lathe/layers"
)

// statusLine is one line of a terminal that is written again and again. It
// needs no escape sequences: a shorter text is filled up with spaces.
type statusLine struct {
	env   *environment
	shown int // characters that are on the line
}

// usualWidth is that of a terminal that does not say.
const usualWidth = 80

// show puts a text on the line, as much of it as fits. Where there is no terminal
// it does nothing.
func (s *statusLine) show(text string) {
	if !s.env.terminal || s.env.quiet {
		return
	}
	text = fit(text, terminalWidth(s.env.stderr)-1)
	n := utf8.RuneCountInString(text)
	fmt.Fprint(s.env.stderr, "\r"+text+strings.Repeat(" ", max(0, s.shown-n))) //nolint:errcheck // a progress line
	s.shown = n
}

// clear makes the line empty.
func (s *statusLine) clear() {
	if s.shown > 0 {
		fmt.Fprint(s.env.stderr, "\r"+strings.Repeat(" ", s.shown)+"\r") //nolint:errcheck // a progress line
		s.shown = 0
	}
}

// fit cuts a text to a number of characters.
func fit(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(0, width-1)]) + "…"
}

func terminalWidth(w any) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return usualWidth
}

// progress shows how many layers are done: on a terminal only, on one line.
type progress struct {
	what string
	mu   sync.Mutex
	n    int
	line statusLine
}

func newProgress(env *environment, what string) *progress {
	return &progress{what: what, line: statusLine{env: env}}
}

func (p *progress) event(e layers.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.line.show(fmt.Sprintf("%s: layer %d of %d", p.what, p.n, e.Layers))
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.clear()
}
