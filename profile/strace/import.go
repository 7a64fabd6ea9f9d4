package strace

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// Input is one file that strace wrote. With -ff there is one for each process,
// and its Name ends in a dot and the pid.
type Input struct {
	Name string
	R    io.Reader
}

// Options say what a log cannot.
type Options = foreign.Options

// Import reads the log of one run and returns a valid, unbound profile with one
// source. It fails for input that is no log of strace, for logs beyond its
// limits, and where Options.Entrypoint never ran. The order of inputs does not
// matter.
func Import(ctx context.Context, inputs []Input, opts Options) (*profile.Profile, error) {
	if opts.MaxRecords == 0 {
		opts.MaxRecords = foreign.DefaultMaxRecords
	}
	t := newTracer(opts)
	streams, err := openStreams(inputs)
	if err != nil {
		return nil, fmt.Errorf("importing strace: %w", err)
	}
	if err := t.read(ctx, streams); err != nil {
		return nil, fmt.Errorf("importing strace: %w", err)
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("importing strace: %w", err)
	}
	p, err := t.facts.Profile(opts.Name, t.source(streams), opts.Image)
	if err != nil {
		return nil, fmt.Errorf("importing strace: %w", err)
	}
	return p, nil
}

// check says why a log that was read is of no use.
func (t *tracer) check() error {
	switch {
	case t.records == 0:
		return errors.New("the log is empty")
	case len(t.damage) > 0 && (t.records == t.skipped || len(t.names) == 0):
		return errors.New("the input is no log of strace: " + t.damage[0])
	case len(t.names) == 0:
		return errors.New("the input is no log of strace")
	case t.opts.Entrypoint != "" && !t.entered:
		return fmt.Errorf("the program %q was never started", t.opts.Entrypoint)
	default:
		return nil
	}
}

// source describes where the facts come from.
func (t *tracer) source(streams []*stream) profile.Source {
	o := t.opts
	s := profile.Source{
		Kind:     profile.KindObserved,
		Recorder: profile.Recorder{Name: "strace", Version: o.Version, Method: "ptrace"},
		Input: profile.Input{
			Format: "strace", Records: t.records, Skipped: t.skipped, Importer: o.Importer,
			SHA256: sumOf(streams), Bytes: bytesOf(streams),
		},
		Subject:   profile.Subject{Image: o.Image.Digest, Container: o.Container},
		Host:      profile.Host{Kernel: o.Kernel, Arch: o.Arch},
		Window:    t.window,
		Run:       o.Run,
		Scenarios: o.Scenarios,
		Complete:  o.Complete,
		Vouched:   o.Complete,
		Observes:  append(t.observes(), o.Observes...),
		Paths:     profile.PathStyle{Exec: "raw", Open: "raw", Root: "container"},
		Notes:     t.notes(len(streams)),
	}
	s.Subject.Workload.Namespace = o.Namespace
	if o.Pod != "" {
		s.Subject.Workload.Kind, s.Subject.Workload.Name = "Pod", o.Pod
	}
	if t.described {
		s.Paths.Open = "both"
	}
	return s
}

func (t *tracer) notes(files int) []string {
	notes := t.damage
	if more := t.skipped - int64(len(t.damage)); more > 0 {
		notes = append(notes, fmt.Sprintf("skipped %d more records", more))
	}
	if t.assumed > 0 {
		notes = append(notes, fmt.Sprintf("%d relative paths are taken as below %q, the assumed working directory", t.assumed, join("", t.opts.Dir)))
	}
	if t.nowhere > 0 {
		notes = append(notes, fmt.Sprintf("%d paths relative to directories that are not known are left out", t.nowhere))
	}
	if t.chrooted {
		notes = append(notes, "a process changed its root before it started a program: if that was the container's start, name its entrypoint")
	}
	if t.unordered && files > 1 {
		notes = append(notes, "the files have no times: phases are a guess")
	}
	if t.has("io_uring_setup") {
		notes = append(notes, "operations of io_uring are not seen")
	}
	return notes
}

func (t *tracer) has(names ...string) bool {
	for _, name := range names {
		if _, ok := t.names[name]; ok {
			return true
		}
	}
	return false
}

// observes is what the log shows that it could hold. strace's filters name
// calls or classes of calls, so what is there of a kind says that the kind was
// traced. Calls of memory, of descriptors and of no class at all, together, say
// that nothing was filtered.
func (t *tracer) observes() []string {
	all := t.has("brk", "munmap", "mprotect") && t.has("close", "read") && t.has("execve", "exit_group") &&
		t.has("set_tid_address", "sched_getaffinity", "getpid", "getuid", "futex", "prlimit64")
	var out []string
	add := func(seen bool, words ...string) {
		if seen || all {
			out = append(out, words...)
		}
	}
	opens := t.has("open", "openat", "openat2", "creat")
	execs := t.has("execve", "execveat")
	add(execs, profile.ObservesExec, profile.ObservesExecScript)
	add(opens, profile.ObservesOpen, profile.ObservesRead, profile.ObservesWrite)
	if t.failures && execs { // else -z may have left them out
		out = append(out, profile.ObservesExecFailed)
	}
	if t.failures && opens {
		out = append(out, profile.ObservesOpenFailed)
	}
	if all && !t.has("io_uring_setup") {
		out = append(out, profile.ObservesOpenAll)
	}
	add(t.has("mmap", "mmap2"), profile.ObservesMmap)
	add(t.has("stat", "lstat", "newfstatat", "fstatat64", "statx", "access", "faccessat", "faccessat2"), profile.ObservesStat)
	add(t.has("readlink", "readlinkat"), profile.ObservesReadlink)
	add(t.has("getdents", "getdents64"), profile.ObservesList)
	connects := t.has("connect")
	add(connects, profile.ObservesConnectTCP, profile.ObservesUnix)
	add(connects && t.has("sendto", "sendmsg", "sendmmsg"), profile.ObservesConnectUDP)
	add(t.has("accept", "accept4"), profile.ObservesAccept)
	add(t.has("listen"), profile.ObservesListen)
	add(connects || t.has("listen", "accept", "accept4"), profile.ObservesIPv6, profile.ObservesAttribution)
	if t.dns {
		out = append(out, profile.ObservesDNS)
	}
	if all {
		out = append(out, profile.ObservesSyscalls)
	}
	return out
}
