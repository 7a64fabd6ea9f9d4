package strace

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// maxEntries is how many distinct facts are kept of one log.
const maxEntries = 1_000_000

// set is a set of words.
type set map[string]struct{}

func (s set) sorted() []string {
	if len(s) == 0 {
		return nil
	}
	out := make([]string, 0, len(s))
	for word := range s {
		out = append(out, word)
	}
	slices.Sort(out)
	return out
}

// count is how often and when.
type count struct {
	n           int64
	first, last time.Time
}

func (c *count) add(at time.Time) {
	c.n++
	c.see(at)
}

func (c *count) see(at time.Time) {
	if at.IsZero() {
		return
	}
	if c.first.IsZero() || at.Before(c.first) {
		c.first = at
	}
	if at.After(c.last) {
		c.last = at
	}
}

// phases is a set of phases.
type phases uint8

const (
	startup phases = 1 << iota
	serving
	shutdown
)

func (p phases) words() []string {
	var out []string
	for i, word := range []string{profile.PhaseStartup, profile.PhaseServing, profile.PhaseShutdown} {
		if p&(1<<i) != 0 {
			out = append(out, word)
		}
	}
	return out
}

type executable struct {
	path    string
	as      string
	parents set
	origins set
	memfd   bool
	phases  phases
	count   count
}

type foundFile struct {
	access, by, via set
	phases          phases
}

type missingFile struct{ errnos, ops, by set }

// edge is a connection to a peer.
type edge struct {
	edgeKey
	results, names set
	waiting        int    // attempts whose end was not seen
	unless         string // what these are if it never is
	phases         phases
	count          count
}

type edgeKey struct {
	proto, peer string
	port        int
	by          string
}

type listener struct {
	ephemeral bool
	phases    phases
	count     count
}

type listenKey struct {
	proto, addr string
	port        int
	by          string
}

type visitor struct {
	by     set
	phases phases
	count  count
}

type visitKey struct {
	proto string
	port  int
	peer  string
}

type question struct{ answers, by set }

type questionKey struct{ name, kind string }

// facts is everything that was seen in a container.
type facts struct {
	executables map[string]*executable
	files       map[string]*foundFile
	missing     map[string]*missingFile
	edges       map[edgeKey]*edge
	listeners   map[listenKey]*listener
	visitors    map[visitKey]*visitor
	questions   map[questionKey]*question
	syscalls    set
	outside     map[string]*count
	entries     int
}

func newFacts() *facts {
	return &facts{
		executables: map[string]*executable{},
		files:       map[string]*foundFile{},
		missing:     map[string]*missingFile{},
		edges:       map[edgeKey]*edge{},
		listeners:   map[listenKey]*listener{},
		visitors:    map[visitKey]*visitor{},
		questions:   map[questionKey]*question{},
		syscalls:    set{},
		outside:     map[string]*count{},
	}
}

var errTooMuch = errors.New("it holds more than " + fmt.Sprint(maxEntries) + " distinct facts")

// err is errTooMuch once there are too many facts.
func (f *facts) err() error {
	if f.entries > maxEntries {
		return errTooMuch
	}
	return nil
}

// entry finds or makes an entry of one of the maps of f.
func entry[K comparable, V any](f *facts, m map[K]*V, key K) *V {
	v, ok := m[key]
	if !ok {
		v = new(V)
		m[key] = v
		f.entries++
	}
	return v
}

// put adds a word to one of the sets of f; "" is none.
func (f *facts) put(s *set, word string) {
	if word == "" {
		return
	}
	if *s == nil {
		*s = set{}
	}
	if _, ok := (*s)[word]; !ok {
		(*s)[word] = struct{}{}
		f.entries++
	}
}

// attempt adds an attempt to connect. Its result is known now, or else waits
// for settle.
func (f *facts) attempt(key edgeKey, now time.Time, ph phases, result, unless string) *edge {
	e := entry(f, f.edges, key)
	e.edgeKey = key
	e.count.add(now)
	e.phases |= ph
	if result != "" {
		f.put(&e.results, result)
	} else {
		e.waiting++
		e.unless = unless
	}
	return e
}

// settle says what became of an attempt that waited.
func (f *facts) settle(e *edge, result string) {
	e.waiting--
	f.put(&e.results, result)
}
