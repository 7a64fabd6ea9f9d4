package record

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record/sandbox"
	"github.com/lathe-build/lathe/record/trace"
)

// Start scenarios.
const (
	ScenarioStart   = "start"   // a fresh start, by itself where there is no test
	ScenarioRestart = "restart" // on the volumes of an earlier start; without volumes on its writable layer
	ScenarioOwner   = "owner"   // on volumes that belong to another user
	ScenarioTmpfs   = "tmpfs"   // with a tmpfs on /run and /tmp
)

// otherUser owns the volumes of ScenarioOwner: nobody's number on most systems.
const otherUser = 65534

// DefaultReadyTimeout is how long a container may take until it is ready.
const DefaultReadyTimeout = time.Minute

// Errors of [Run] that callers tell apart.
var (
	// ErrTest says that a test failed: a command on the host ended with
	// another code than 0.
	ErrTest = errors.New("the test failed")
	// ErrDied says that the container ended before it was stopped.
	ErrDied = errors.New("the container ended by itself")
	// ErrUnsupported is what errors of the recorder wrap where this machine
	// cannot record. They say what to do instead.
	ErrUnsupported = trace.ErrUnsupported
	// ErrNotReady says that the container was not ready in time.
	ErrNotReady = errors.New("the container was not ready in time")
)

// Test is a command on the host that exercises the container.
type Test struct {
	Name string   // of its scenario
	Args []string // program and arguments
}

// Tracer records one container. It is what package trace gives.
type Tracer interface {
	// Phase says that the container is in another phase now.
	Phase(phase string) error
	// Scenario names what is exercised.
	Scenario(name string)
	// Progress is how far the recording is.
	Progress() Progress
	// Stop ends the recording once the container has ended.
	Stop(ctx context.Context) (*profile.Profile, error)
}

// Progress is how far a recording is.
type Progress struct {
	Executables int       // distinct programs
	Files       int       // distinct paths
	Lost        int64     // events known to be lost
	LastNew     time.Time // when the last new fact came
}

// TraceOptions are what a tracer needs to know of a container.
type TraceOptions struct {
	PID     int    // a process of the container; 0 with Cgroup
	Cgroup  string // directory of a control group
	Running bool   // it runs already
	Probes  [][]string
	Argv    bool
	Tree    *layers.Tree // nil when the image is not known
	Image   profile.Image
	Subject profile.Subject
	Name    string
	Run     string
	Version string
}

// StartTracer starts a tracer. When it returns nothing that the container
// executes is missed.
type StartTracer func(ctx context.Context, o TraceOptions) (Tracer, error)

// Options say what is run and how it is exercised.
type Options struct {
	Tree    *layers.Tree
	Image   profile.Image
	Name    string // of the profile
	Run     string // of the run; scenarios are told apart by it
	Version string // of this program

	Box       sandbox.BoxOptions
	Container sandbox.Options
	Tests     []Test
	Scenarios []string // start scenarios, see [ParseScenarios]
	Ready     Ready
	Argv      bool

	Env    []string  // of the tests
	Output io.Writer // of the tests
	Notify func(Event)
	Trace  StartTracer
}

// Ready says how to see that a container serves.
type Ready struct {
	Command string // a shell command on the host; "" takes the healthcheck, or a port that opens
	Timeout time.Duration
}

// Event is something that a person who waits wants to know.
type Event struct {
	Kind     EventKind
	Scenario string
	Text     string
	Progress Progress
}

// EventKind is what happened.
type EventKind string

// The events.
const (
	EventBegin    EventKind = "begin"    // a scenario begins
	EventReady    EventKind = "ready"    // its container serves
	EventProgress EventKind = "progress" // some time has passed
	EventEnd      EventKind = "end"      // it ended; Text says how where it failed
)

// Result is what [Run] saw.
type Result struct {
	// Profile is the union of all runs that count, nil when there is none.
	Profile *profile.Profile
	Runs    []Outcome
	// Leftovers are why containers of earlier processes are still there.
	Leftovers []error
}

// Outcome is how one scenario went.
type Outcome struct {
	Scenario string
	Test     bool  // a test, not a start scenario
	Err      error // why it does not count; wraps one of the package's errors where one fits
	Exit     int   // of the test's command
	Killed   bool  // the container did not stop when it was asked to
	Logs     string
	Profile  *profile.Profile // also of a run that failed
}

// Failed are the outcomes that do not count.
func (r *Result) Failed() []Outcome {
	return slices.DeleteFunc(slices.Clone(r.Runs), func(o Outcome) bool { return o.Err == nil })
}

// ParseScenarios reads a list of start scenarios, or all, or none.
func ParseScenarios(list []string) ([]string, error) {
	known := []string{ScenarioRestart, ScenarioOwner, ScenarioTmpfs}
	if len(list) == 1 && list[0] == "none" {
		return nil, nil
	}
	if len(list) == 1 && list[0] == "all" {
		return known, nil
	}
	var out []string
	for _, s := range list {
		if !slices.Contains(known, s) {
			return nil, fmt.Errorf("scenario %q: it is all, none or some of %s", s, strings.Join(known, ", "))
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// run is a scenario and how its container differs.
type run struct {
	name    string
	test    *Test
	restart bool // on the store of the run before
	change  func(*sandbox.Options)
}

// schedule lists what Run does: the tests, then the start scenarios.
func schedule(o Options, volumes bool) []run {
	var list []run
	for i := range o.Tests {
		list = append(list, run{name: o.Tests[i].Name, test: &o.Tests[i]})
	}
	if len(list) == 0 {
		list = append(list, run{name: ScenarioStart})
	}
	for _, s := range o.Scenarios {
		switch s {
		case ScenarioRestart:
			list = append(list, run{name: s, restart: true})
		case ScenarioOwner:
			if volumes {
				list = append(list, run{name: s, change: func(c *sandbox.Options) { c.VolumeOwner = otherUser }})
			}
		case ScenarioTmpfs:
			list = append(list, run{name: s, change: addTmpfs})
		}
	}
	return list
}

// addTmpfs mounts a tmpfs on /run and /tmp, where nothing else is.
func addTmpfs(c *sandbox.Options) {
	c.Mounts = slices.Clone(c.Mounts)
	for _, at := range []string{"/run", "/tmp"} {
		if !slices.ContainsFunc(c.Mounts, func(m sandbox.Mount) bool { return m.Target == at }) {
			c.Mounts = append(c.Mounts, sandbox.Mount{Type: sandbox.MountTmpfs, Target: at})
		}
	}
}
