package trace

import (
	"fmt"
	"slices"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// counters is what the kernel side counted, see COUNT_... in bpf/event.h.
type counters struct {
	lost, trunc, pathErr, fdErr, compat, procs, busy, uringNet, uringFile, events, tables uint64
	misses                                                                                uint64 // of programs that the kernel did not run
}

const maxCounters = 16

func countersOf(n [maxCounters]uint64) counters {
	return counters{
		lost: n[0], trunc: n[1], pathErr: n[2], fdErr: n[3], compat: n[4], procs: n[5], busy: n[6],
		uringNet: n[7], uringFile: n[8], events: n[9], tables: n[10],
	}
}

// missed is how many events hide something.
func (c counters) missed() uint64 {
	return c.lost + c.trunc + c.pathErr + c.fdErr + c.compat + c.procs + c.busy + c.tables + c.misses
}

// hooks says which optional programs run.
type hooks struct{ tcp, capabilities, uring bool }

// ending is everything that the source is made of at the end of a recording.
type ending struct {
	counters   counters
	hooks      hooks
	usesURing  bool
	running    int // processes that still ran
	start, end time.Time
	kernel     string
	arch       string
	scenarios  []string
}

// source says what was recorded, and why it is not complete where it is not.
func (f *folder) source(end ending) profile.Source {
	lost := int64(end.counters.missed()) + f.overflown + f.odd + f.facts.Lost()
	s := profile.Source{
		Kind:      profile.KindObserved,
		Recorder:  profile.Recorder{Name: "lathe", Version: f.opts.Version, Method: "ebpf"},
		Subject:   f.opts.Subject,
		Host:      profile.Host{Kernel: end.kernel, Arch: end.arch},
		Window:    profile.Window{Start: end.start, End: end.end},
		Run:       f.opts.Run,
		Scenarios: end.scenarios,
		Lost:      profile.Lost{Known: true, Events: lost},
		Observes:  f.observes(end),
		Paths:     profile.PathStyle{Exec: "both", Open: "both", Root: "container"},
	}
	reasons := f.reasons(end)
	s.Complete = len(reasons) == 0
	s.Notes = append(s.Notes, reasons...)
	if f.mismatch > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d paths led elsewhere than they do in the image: links were changed at run time", f.mismatch))
	}
	if end.counters.uringFile > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d requests of io_uring name paths: whether they succeeded is not known", end.counters.uringFile))
	}
	if n := len(f.alreadyOpen); n > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d connections were open when the recording began: they are from the socket table, and what used them before is not known", n))
	}
	if n := f.facts.Refused(); n > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d observations that a profile cannot hold", n))
	}
	if !end.hooks.tcp {
		s.Notes = append(s.Notes, "the kernel has no inet_sock_set_state: connections that do not block stay in-progress")
	}
	slices.Sort(s.Notes)
	return s
}

// reasons is why the recording is not complete.
func (f *folder) reasons(end ending) []string {
	var out []string
	add := func(n int64, text string) {
		if n > 0 {
			out = append(out, fmt.Sprintf("incomplete: "+text, n))
		}
	}
	c := end.counters
	add(int64(c.lost), "%d events did not fit the buffer; give it more with a larger ring")
	add(int64(c.trunc), "%d paths or messages were too long to follow")
	add(int64(c.pathErr), "%d strings of programs could not be read")
	add(int64(c.fdErr), "%d descriptors were closed before they could be looked at")
	add(int64(c.compat), "%d system calls of another architecture (32 bits) were not followed")
	add(int64(c.procs), "%d processes were too many to follow")
	add(int64(c.busy), "%d events came while another one was being recorded")
	add(int64(c.tables), "%d changes of the recorder's tables in the kernel were refused")
	add(int64(c.misses), "%d times the kernel did not run a program of the recorder, since it ran already")
	add(f.overflown, "%d programs or connections were beyond the recorder's limits")
	add(f.facts.Lost(), "%d facts were beyond the recorder's limits")
	add(f.odd, "%d events could not be understood")
	add(int64(end.running), "%d processes still ran when the recording ended")
	if f.opts.Target.Running {
		out = append(out, "incomplete: attached to what ran already")
	} else if !f.entered {
		out = append(out, "incomplete: nothing was executed")
	}
	if end.usesURing && !end.hooks.uring {
		out = append(out, "incomplete: io_uring is used, and this kernel does not tell its requests")
	}
	return out
}

// observes is what could be seen.
func (f *folder) observes(end ending) []string {
	out := []string{
		profile.ObservesExec, profile.ObservesExecScript, profile.ObservesExecInterp, profile.ObservesExecFailed,
		profile.ObservesOpen, profile.ObservesOpenFailed, profile.ObservesRead, profile.ObservesWrite, profile.ObservesMmap,
		profile.ObservesStat, profile.ObservesReadlink, profile.ObservesList, profile.ObservesConnectTCP,
		profile.ObservesListen, profile.ObservesIPv6, profile.ObservesUnix, profile.ObservesAttribution, profile.ObservesSyscalls,
	}
	if f.opts.Argv {
		out = append(out, profile.ObservesExecArgv)
	}
	if end.hooks.capabilities {
		out = append(out, profile.ObservesCapabilities)
	}
	if end.hooks.uring || !end.usesURing {
		out = append(out, profile.ObservesOpenAll)
	}
	if end.counters.uringNet == 0 && (end.hooks.uring || !end.usesURing) {
		out = append(out, profile.ObservesConnectUDP, profile.ObservesAccept, profile.ObservesDNS)
	}
	slices.Sort(out)
	return out
}
