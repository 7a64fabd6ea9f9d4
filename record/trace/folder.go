package trace

import (
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

const (
	maxPrograms = 100_000 // executions that are told apart
	maxPending  = 16_384  // connections whose end is awaited
)

// folder makes facts of events. It does no input and output of its own.
type folder struct {
	facts    *fold.Collector
	opts     Options
	names    []string // of system calls
	calls    map[string]call
	phases   []string // by epoch
	mounts   mounts
	users    users
	loader   map[string]string // what Options.Loader said
	redactor redactor

	programs map[uint64]program
	pending  map[edgeKey]attempt
	counts   map[uint64]func(int64) // by key of deduplication: how to count what was not sent again
	streams  streams

	entered     bool            // the first program was seen
	overflown   int64           // what the limits of this type left out
	odd         int64           // events that could not be decoded
	alreadyOpen map[string]bool // inodes of connections that were open before the recording
	mismatch    int64           // paths that lead elsewhere in the image
	onFirst     func(pid uint32)
}

// program is what an id of the kernel side means.
type program struct {
	entry   *fold.Executable // nil where limits left it out
	key     string
	entered string // the origin of what comes from outside
}

func newFolder(opts Options, names []string) *folder {
	return &folder{
		facts: fold.New(opts.Limits), opts: opts, names: names, calls: calls(), phases: []string{profile.PhaseStartup},
		programs: map[uint64]program{}, pending: map[edgeKey]attempt{}, counts: map[uint64]func(int64){}, loader: map[string]string{}, redactor: newRedactor(),
		alreadyOpen: map[string]bool{},
	}
}

// fold adds one event, as the ring has it.
func (f *folder) fold(raw []byte) {
	e, err := decode(raw)
	if err != nil {
		f.odd++
		return
	}
	switch e.kind {
	case eventExec:
		f.exec(e)
	case eventPath:
		f.path(e)
	case eventFD:
		f.descriptor(e)
	case eventCap:
		f.capability(e)
	default:
		f.network(e)
	}
	f.ran(e.exe, f.phase(e))
}

// ran notes that a program did something in a phase, or was there when it began.
func (f *folder) ran(exe uint64, phase string) { f.programs[exe].entry.In(phase) }

// counted says how to count what the kernel side does not send again.
func (f *folder) counted(e event, again func(int64)) {
	if len(f.counts) < maxPrograms {
		f.counts[e.key] = again
	}
}

func (f *folder) phase(e event) string {
	if int(e.epoch) < len(f.phases) {
		return f.phases[e.epoch]
	}
	return ""
}

func (f *folder) by(e event) string { return f.programs[e.exe].key }

// Origins, as bpf/event.h has them.
const (
	originEntrypoint   = 1
	originChild        = 2
	originEntered      = 3
	originEnteredChild = 4
)

// exec notes an execution.
func (f *folder) exec(e event) {
	if !f.entered {
		f.entered = true
		if f.onFirst != nil {
			f.onFirst(e.tgid)
		}
	}
	name, rest, _ := strings.Cut(string(e.rest), "\x00")
	argv := strings.Split(strings.TrimSuffix(rest, "\x00"), "\x00")
	base := walked(e.base)
	asked := join(base, e.text)
	path := walked(e.full)
	if e.arg&argFullCut != 0 {
		path = asked
	}
	x := fold.Exec{
		Path: profile.Path(path), As: profile.Applet(profile.Path(path), argv[0]), Parent: f.programs[e.aux].key,
		Phase: f.phase(e), TTY: e.mode&0x100 != 0,
	}
	x.UID, x.HasUID = f.users.inside(e.flags)
	x.Via = profile.Path(join(base, name))
	if name != "" && name != e.text {
		x.Script = profile.Path(asked)
	}
	if e.arg&argBaseCut != 0 && !strings.HasPrefix(e.text, "/") {
		x.Via, x.Script = "", ""
	}
	x.Via, x.Script = inside(x.Via), inside(x.Script)
	switch {
	case e.arg&argNameless != 0:
		x.Layer, x.Via = profile.LayerMemfd, ""
	default:
		x.Layer = f.layer(path, f.inImage(path))
		x.Loader = profile.Path(f.loaderOf(path))
	}
	p := program{}
	x.Origin, p.entered = f.origin(e, argv)
	if f.opts.Argv {
		x.Command = f.redactor.line(argv)
	}
	entry := f.facts.Exec(x)
	p.entry = entry
	if p.key = entry.Key(); p.key == "" {
		p.key = profile.Key(x.Path, x.As)
	}
	f.counted(e, entry.Again)
	f.remember(e.exe, p)
	if x.Script != "" {
		f.found(string(x.Script), "", e, profile.AccessExec)
		for _, name := range between(argv, e.text) {
			if f.inImage(name) {
				f.looked(e, name, profile.AccessExec, false)
			}
		}
	}
}

// between is the scripts that interpret the script with this name, the last
// program excepted: the kernel puts each of a chain of #! lines before its own
// script on the command line. An argument of such a line that is a path counts as
// one, since what gets it reads it.
func between(argv []string, script string) []string {
	i := slices.Index(argv, script)
	if i < 2 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(argv[1:i]), func(name string) bool { return !strings.HasPrefix(name, "/") })
}

// inside is p, or "" where it is in no image, as /dev/fd/3 and /proc/self/exe
// are.
func inside(p profile.Path) profile.Path {
	if profile.OutsidePrefix(p) != "" {
		return ""
	}
	return p
}

func (f *folder) remember(id uint64, p program) {
	if _, ok := f.programs[id]; !ok && len(f.programs) >= maxPrograms {
		f.overflown++
		return
	}
	f.programs[id] = p
}

// origin is the origin of an execution, and what its children inherit.
func (f *folder) origin(e event, argv []string) (origin, entered string) {
	switch e.mode & 0xff {
	case originEntrypoint:
		return profile.OriginEntrypoint, ""
	case originEntered:
		origin := profile.OriginAttach
		for _, probe := range f.opts.Probes {
			if strings.Join(probe, "\x00") == strings.Join(argv, "\x00") {
				origin = profile.OriginProbe
			}
		}
		return origin, origin
	case originEnteredChild:
		if from := f.programs[e.aux].entered; from != "" {
			return from, from
		}
		return profile.OriginAttach, profile.OriginAttach
	default:
		return profile.OriginChild, ""
	}
}

func (f *folder) loaderOf(path string) string {
	if f.opts.Loader == nil {
		return ""
	}
	loader, ok := f.loader[path]
	if !ok && len(f.loader) < maxPrograms {
		loader = f.opts.Loader(path)
		f.loader[path] = loader
	}
	return loader
}

// inImage reports whether the image has a path.
func (f *folder) inImage(path string) bool {
	if f.opts.Resolve == nil {
		return false
	}
	_, _, ok := f.opts.Resolve(path)
	return ok
}

// capability notes a check for a capability.
func (f *folder) capability(e event) {
	names := capabilityNames()
	result := "granted"
	if e.ret != 0 {
		result = "denied"
	}
	if int(e.mode) >= len(names) || e.mode == capSysAdmin && asksForMemory(nameAt(f.names, int(e.nr)), e.ret != 0) {
		return
	}
	f.facts.Capability(fold.Capability{Name: names[e.mode], Phase: profile.PhaseApp, Result: result, By: f.by(e)})
}
