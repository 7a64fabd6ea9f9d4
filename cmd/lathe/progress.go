package main

import (
	"fmt"
	"sync"

	"github.com/lathe-build/lathe/layers"
)

// progress shows how many layers are done: on a terminal only, on one line.
type progress struct {
	env   *environment
	what  string
	mu    sync.Mutex
	n     int
	shown bool
}

func newProgress(env *environment, what string) *progress { return &progress{env: env, what: what} }

func (p *progress) event(e layers.Event) {
	if !p.env.terminal || p.env.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.shown = true
	fmt.Fprintf(p.env.stderr, "\r\x1b[K%s: layer %d of %d", p.what, p.n, e.Layers) //nolint:errcheck // a progress line
}

func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.env.stderr, "\r\x1b[K") //nolint:errcheck // a progress line
	}
}
