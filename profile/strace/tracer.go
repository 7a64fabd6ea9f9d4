package strace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// Bounds of what is held while a log is read.
const (
	maxProcesses    = 200_000   // alive at once
	maxNames        = 10_000    // distinct system calls
	maxPendingBytes = 256 << 20 // of unfinished calls
	maxWaitingBytes = 64 << 20  // of lines of processes whose maker is not known yet
)

// tracer follows the processes of one log.
type tracer struct {
	opts      Options
	facts     *fold.Collector
	processes map[int]*process
	makers    map[int]*process // in the middle of a call that makes a process
	attached  map[int]bool     // pids that strace said to follow, before their first line
	waiting   map[int][]line   // lines of pids that one of several makers made
	newborn   []*process       // made, oldest first; some have had lines since
	trimAt    int              // length of newborn at which to drop those that had lines
	born      []int            // pids of processes made since a reader looked

	startDir string // working directory of the first process, where the log tells
	base     string // the container's root on the host; "" for the host's
	entered  bool   // the container's own program was seen to start
	phase    string
	now      time.Time
	window   profile.Window
	names    set // of system calls, of all processes

	at                         line // that is being read
	damage                     []string
	records, skipped           int64
	assumed, nowhere           int64 // relative paths with an assumed, and with no directory
	pendingBytes, waitingBytes int
	described                  bool // -y
	dns                        bool // a DNS message was read
	failures                   bool // calls that failed are in the log
	chrooted                   bool // without a program being taken as the container's
	unordered                  bool
	ready                      []int // pids in waiting whose process is known by now
}

func newTracer(opts Options) *tracer {
	t := &tracer{
		opts: opts, facts: fold.New(fold.Limits{}), phase: profile.PhaseStartup, names: set{},
		processes: map[int]*process{}, makers: map[int]*process{}, attached: map[int]bool{},
		waiting: map[int][]line{},
	}
	if opts.Root != "" {
		t.base = join("", opts.Root)
	}
	return t
}

// feed takes the next line.
func (t *tracer) feed(l line) error {
	if l.damage == "" && isDecoration(l.body) {
		return nil
	}
	t.records++
	if t.at = l; l.damage != "" {
		t.skip(l.damage)
		return nil
	}
	if l.pid == 0 {
		if rest, ok := strings.CutPrefix(strings.TrimPrefix(l.body, "strace: "), "Process "); ok {
			word, _, _ := strings.Cut(rest, " ")
			if pid, err := strconv.Atoi(word); err == nil && strings.HasSuffix(rest, " attached") && len(t.attached) < maxProcesses {
				t.attached[pid] = true
			}
			return nil
		}
	}
	p, err := t.find(l)
	if err == nil && p != nil {
		err = t.take(p, l)
	}
	if err != nil {
		return err
	}
	return t.drain()
}

// maxDamage is how many damaged lines are named in a source's notes.
const maxDamage = 5

// skip counts the line that is being read as damaged, and says why.
func (t *tracer) skip(why string) {
	t.skipped++
	if len(t.damage) < maxDamage {
		t.damage = append(t.damage, fmt.Sprintf("skipped %q, line %d: %s", t.at.file, t.at.number, why))
	}
}

// isDecoration reports whether a line is no event: empty, or of a stack trace.
func isDecoration(body string) bool {
	return body == "" || strings.HasPrefix(body, "> ") || strings.HasPrefix(body, "strace: ") && !strings.Contains(body, "Process ")
}

// take handles one line of a process.
func (t *tracer) take(p *process, l line) error {
	p.seen = true
	t.at = l // which may have waited
	t.now = wall(l)
	t.see(t.now)
	body := l.body
	switch {
	case strings.HasPrefix(body, "+++ "):
		t.ended(p, body)
		return nil
	case strings.HasPrefix(body, "--- "):
		t.signal(p, body)
		return nil
	case strings.HasPrefix(body, "<... "):
		_, rest, ok := strings.Cut(body, " resumed>")
		if !ok || p.pending == "" {
			t.skip("it resumes a call that did not begin")
			return nil
		}
		body = p.pending + rest
		t.setPending(p, "")
	}
	name, text, ok := cutName(body)
	if !ok {
		t.skip("it is no call")
		return nil
	}
	t.ran(p, name)
	if i := unfinished(body); i >= 0 {
		t.setPending(p, body[:i])
		if t.pendingBytes > maxPendingBytes {
			return errors.New("it holds too many calls that do not end")
		}
		return nil
	}
	delete(t.makers, p.pid)
	t.handle(p, call{name, text})
	if len(t.processes) > maxProcesses {
		return fmt.Errorf("it holds more than %d processes at a time", maxProcesses)
	}
	return t.facts.Err()
}

// unfinished is the index of strace's mark at the end of a call that goes on
// later, or -1.
func unfinished(body string) int {
	if !strings.HasSuffix(body, "...>") {
		return -1
	}
	for _, mark := range []string{" <unfinished ...>", "<unfinished ...>"} {
		if rest, ok := strings.CutSuffix(body, mark); ok {
			return len(rest)
		}
	}
	if i := strings.LastIndex(body, " <pid changed to "); i >= 0 {
		return i
	}
	return -1
}

func (t *tracer) setPending(p *process, text string) {
	t.pendingBytes += len(text) - len(p.pending)
	p.pending = text
	delete(t.makers, p.pid)
	if name, _, ok := cutName(text); ok && isMaker(name) {
		t.makers[p.pid] = p
	}
}

func isMaker(name string) bool {
	return name == "clone" || name == "clone3" || name == "fork" || name == "vfork"
}

// ran notes that a process made a call.
func (t *tracer) ran(p *process, name string) {
	if len(t.names) < maxNames {
		t.names[name] = struct{}{}
	}
	if !p.inside {
		return
	}
	t.facts.Syscall(name, t.opts.Arch)
	p.program.Ran(t.phase, t.now)
}

// see widens the window of the recording.
func (t *tracer) see(at time.Time) {
	if at.IsZero() {
		return
	}
	if t.window.Start.IsZero() || at.Before(t.window.Start) {
		t.window.Start = at
	}
	if at.After(t.window.End) {
		t.window.End = at
	}
}

// drain takes the lines of processes that are known by now.
func (t *tracer) drain() error {
	for len(t.ready) > 0 {
		pid := t.ready[0]
		t.ready = t.ready[1:]
		lines := t.waiting[pid]
		delete(t.waiting, pid)
		for _, l := range lines {
			t.waitingBytes -= len(l.body)
			p, err := t.find(l)
			if err == nil && p != nil {
				err = t.take(p, l)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// settleAll takes all lines that wait, as if the first maker had made their
// processes.
func (t *tracer) settleAll() error {
	var maker *process
	if len(t.makers) > 0 {
		maker = t.makers[slices.Min(slices.Collect(maps.Keys(t.makers)))]
	}
	for _, pid := range slices.Sorted(maps.Keys(t.waiting)) {
		if maker != nil {
			t.processes[pid] = maker.child(pid, maker.pending)
		} else {
			t.orphan(pid)
		}
		t.ready = append(t.ready, pid)
	}
	return t.drain()
}

// ended handles "+++ exited with 0 +++" and its like.
func (t *tracer) ended(p *process, body string) {
	if rest, ok := strings.CutPrefix(body, "+++ superseded by execve in pid "); ok {
		word, _, _ := strings.Cut(rest, " ")
		pid, err := strconv.Atoi(word)
		if thread, ok := t.processes[pid]; err == nil && ok && thread != p {
			// The thread goes on under the pid of its leader.
			t.setPending(p, "")
			delete(t.processes, pid)
			delete(t.makers, pid)
			thread.pid, thread.first = p.pid, thread.first || p.first
			t.processes[p.pid] = thread
		}
		return
	}
	t.setPending(p, "")
	delete(t.processes, p.pid)
}

// signal handles "--- SIGTERM {...} ---".
func (t *tracer) signal(p *process, body string) {
	if !p.first || !p.inside {
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(body, "--- "), " ")
	switch name {
	case "SIGTERM", "SIGINT", "SIGQUIT":
		t.phase = profile.PhaseShutdown
	}
}

// serves notes that the workload has begun to serve.
func (t *tracer) serves(p *process) {
	if p.inside && t.phase == profile.PhaseStartup && t.opts.ServingAfter == "" {
		t.phase = profile.PhaseServing
	}
}
