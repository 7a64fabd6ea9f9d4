package fold

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lathe-build/lathe/profile"
)

// Exec is a program that a process started. Only Path is needed.
type Exec struct {
	Path    profile.Path // absolute
	As      string       // the applet, see [profile.Applet]
	Via     profile.Path // another spelling by which it was reached
	Script  profile.Path // that it ran as its #! interpreter
	Loader  profile.Path // its ELF interpreter
	Parent  string       // key of the executable that started it
	Origin  string       // a profile.Origin... constant, as below
	Phase   string
	Layer   string
	UID     uint32
	HasUID  bool // UID is known
	TTY     bool
	Command string // the command line, redacted by the caller; kept as a bounded sample
	At      time.Time
}

// Executable is a program that was started. Its methods may be called on nil,
// which is what the limits leave of one, and do nothing then.
type Executable struct {
	collector       *Collector
	path            profile.Path
	as              string
	via, scripts    set[profile.Path]
	loaders         set[profile.Path]
	parents         set[string]
	uids            set[uint32]
	argv            []string // sorted
	origins, phases mask
	layers          mask
	tty             bool
	count           count
	key             string
}

// Exec notes that a program was started and returns its entry, or nil where
// it was refused, and where its path does not say which program it is: one of
// /proc or /dev, such as /proc/self/exe and /dev/fd/3, is only counted, and of
// one with letters that the recorder could not write an upper bound is noted.
func (c *Collector) Exec(x Exec) *Executable {
	if !c.path(x.Path) || c.blurred(x.Path, profile.AccessExec) {
		return nil
	}
	if c.Outside(x.Path, x.At) {
		c.nameless++
		return nil
	}
	if strings.ContainsAny(x.As, "/\x00") || len(x.As) > maxName {
		c.refused++
		x.As = ""
	}
	x.As = strings.ToValidUTF8(x.As, "\ufffd")
	key := profile.Key(x.Path, x.As)
	e := entryOf(c, c.executables, key, len(key))
	if e == nil {
		return nil
	}
	e.collector, e.key, e.path, e.as = c, key, x.Path, x.As
	at := when(x.At)
	c.See(at)
	if x.Via != x.Path {
		c.putPath(&e.via, x.Via)
	}
	c.putPath(&e.scripts, x.Script)
	c.putPath(&e.loaders, x.Loader)
	c.putKey(&e.parents, x.Parent)
	e.From(x.Origin)
	c.mark(&e.phases, c.vocab.phase, x.Phase)
	c.mark(&e.layers, c.vocab.layer, x.Layer)
	if x.HasUID && !e.uids.has(x.UID) && c.room(4) {
		e.uids.add(x.UID)
	}
	e.tty = e.tty || x.TTY
	e.sample(x.Command)
	e.count.add(at)
	return e
}

// sample keeps the smallest command lines.
func (e *Executable) sample(line string) {
	if line == "" || len(line) > maxPath {
		return
	}
	line = strings.ToValidUTF8(line, "\ufffd")
	at, found := slices.BinarySearch(e.argv, line)
	if found || at >= maxArgv {
		return
	}
	if len(e.argv) == maxArgv {
		e.argv = e.argv[:maxArgv-1]
	} else if !e.collector.room(len(line)) {
		return
	}
	e.argv = slices.Insert(e.argv, at, line)
}

// Key is the key of the executable, as observations name it in By; "" for nil.
func (e *Executable) Key() string {
	if e == nil {
		return ""
	}
	return e.key
}

// Executable is the entry of a key, or nil.
func (c *Collector) Executable(key string) *Executable { return c.executables[key] }

// Ran notes that the program was at work.
func (e *Executable) Ran(phase string, at time.Time) {
	if e == nil {
		return
	}
	at = when(at)
	e.collector.mark(&e.phases, e.collector.vocab.phase, phase)
	e.collector.See(at)
	e.count.see(at)
}

// In notes a phase in which the program ran, without counting anything.
func (e *Executable) In(phase string) {
	if e != nil {
		e.collector.mark(&e.phases, e.collector.vocab.phase, phase)
	}
}

// Again notes that the program was started n more times.
func (e *Executable) Again(n int64) {
	if e != nil && n > 0 {
		e.count.n += n
	}
}

// From notes where the program came from, a profile.Origin... constant.
func (e *Executable) From(origin string) {
	if e != nil {
		e.collector.mark(&e.origins, e.collector.vocab.origin, origin)
	}
}

// Script notes a script that the program interpreted.
func (e *Executable) Script(p profile.Path) {
	if e != nil {
		e.collector.putPath(&e.scripts, p)
	}
}

// File is a use of a path that was found.
type File struct {
	Path   profile.Path // absolute
	Via    profile.Path // another spelling by which it was reached
	Access []string     // profile.Access... constants; not kept by the collector
	By     string       // key of an executable
	Phase  string
	Layer  string
	At     time.Time
}

type file struct {
	via                    set[profile.Path]
	by                     set[string]
	access, phases, layers mask
}

// File notes that a path was used. Paths outside of images are counted only.
func (c *Collector) File(x File) {
	at := when(x.At)
	if c.Outside(x.Path, at) || !c.path(x.Path) || c.blurred(x.Path, x.Access...) {
		return
	}
	f := entryOf(c, c.files, x.Path, len(x.Path))
	if f == nil {
		return
	}
	for _, word := range x.Access {
		c.mark(&f.access, c.vocab.access, word)
	}
	if x.Via != x.Path {
		c.putPath(&f.via, x.Via)
	}
	c.putKey(&f.by, x.By)
	c.mark(&f.phases, c.vocab.phase, x.Phase)
	c.mark(&f.layers, c.vocab.layer, x.Layer)
}

// Missing is a path that was asked for and was not there.
type Missing struct {
	Path  profile.Path // absolute
	Errno string       // such as ENOENT
	Op    string       // the system call, or a profile.Access... constant
	By    string       // key of an executable
	At    time.Time
}

type missing struct{ errnos, ops, by set[string] }

// Missing notes that a path was asked for and was not there. Paths outside of
// images are counted only.
func (c *Collector) Missing(x Missing) {
	at := when(x.At)
	if c.Outside(x.Path, at) || !c.path(x.Path) || strings.Contains(string(x.Path), replacement) {
		return
	}
	m := entryOf(c, c.missing, x.Path, len(x.Path))
	if m == nil {
		return
	}
	if x.Errno != "" && c.word(x.Errno, upper+digit) {
		put(c, &m.errnos, x.Errno)
	}
	if x.Op != "" && c.word(x.Op, lower+digit+"_-") {
		put(c, &m.ops, x.Op)
	}
	c.putKey(&m.by, x.By)
}

// Outside counts a path that no image holds, such as /proc/1/stat, and reports
// whether it is one.
func (c *Collector) Outside(p profile.Path, at time.Time) bool {
	at = when(at)
	c.See(at)
	prefix := profile.OutsidePrefix(p)
	if prefix == "" {
		return false
	}
	if n := entryOf(c, c.outside, prefix, len(prefix)); n != nil {
		n.add(at)
	}
	return true
}

// replacement is what encoders of JSON write in place of bytes that are not
// UTF-8.
const replacement = "\ufffd"

// maxRuns is how many runs of replaced bytes an upper bound tells apart: what
// comes after them can be anything.
const maxRuns = 8

// blurred notes a path with replaced bytes as an upper bound of what it may have
// been, and reports whether it is one.
func (c *Collector) blurred(p profile.Path, access ...string) bool {
	if !strings.Contains(string(p), replacement) {
		return false
	}
	var glob strings.Builder
	runs, inRun := 0, false
	for _, r := range strings.ToValidUTF8(string(p), replacement) {
		if r == '\ufffd' {
			if !inRun {
				glob.WriteByte('*')
				runs++
			}
			if inRun = true; runs == maxRuns {
				break
			}
			continue
		}
		if inRun = false; strings.ContainsRune(`\*?[`, r) {
			glob.WriteByte('\\')
		}
		glob.WriteRune(r)
	}
	c.Pattern(glob.String(), "replaced bytes", access...)
	return true
}

type pattern struct {
	access mask
	from   set[string]
}

// Pattern notes an upper bound of paths: an absolute glob in which * is a part
// of one segment and ** any depth, what it was made of, and how the paths were
// used.
func (c *Collector) Pattern(glob, from string, access ...string) {
	if !strings.HasPrefix(glob, "/") || len(glob) > maxPath || !utf8.ValidString(glob) || !isName(from) {
		c.refused++
		return
	}
	p := entryOf(c, c.patterns, glob, len(glob))
	if p == nil {
		return
	}
	for _, word := range access {
		c.mark(&p.access, c.vocab.access, word)
	}
	put(c, &p.from, from)
}

// Syscall notes a system call by its name; arch is in GOARCH's words, "" where
// it is not known.
func (c *Collector) Syscall(name, arch string) {
	s, ok := c.syscalls[name]
	if !ok {
		if !c.word(name, lower+digit+"_") {
			return
		}
		if s = entryOf(c, c.syscalls, name, len(name)); s == nil {
			return
		}
	}
	if arch != "" && !s.has(arch) && c.word(arch, lower+digit+"_") {
		put(c, s, arch)
	}
}

// Capability is a capability that was checked for.
type Capability struct {
	Name   string // with or without CAP_
	Phase  string // profile.PhaseRuntime or profile.PhaseApp, "" where it is not known
	Result string // granted or denied
	By     string // key of an executable
	At     time.Time
}

type capability struct {
	phases, results mask
	by              set[string]
}

// Capability notes a check for a capability.
func (c *Collector) Capability(x Capability) {
	name := strings.TrimPrefix(strings.ToUpper(x.Name), "CAP_")
	if strings.HasPrefix(name, "CAP_") {
		c.refused++
		return
	}
	if !c.word(name, upper+digit+"_") {
		return
	}
	k := entryOf(c, c.capabilities, name, len(name))
	if k == nil {
		return
	}
	c.See(when(x.At))
	c.mark(&k.phases, c.vocab.capabilityPhase, x.Phase)
	c.mark(&k.results, c.vocab.capabilityResult, x.Result)
	c.putKey(&k.by, x.By)
}
