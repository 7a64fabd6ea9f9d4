package strace

import (
	"path"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// handle folds a finished call into the facts and the state of its process.
func (t *tracer) handle(p *process, c call) {
	if !isHandled(c.name) {
		if c.name == t.opts.ServingAfter {
			if _, res, ok := c.parse(); ok && res.ok() {
				t.served(p)
			}
		}
		return
	}
	args, res, ok := c.parse()
	if !ok {
		t.skip("the call is not whole")
		return
	}
	if c.name == t.opts.ServingAfter && res.ok() {
		t.served(p)
	}
	t.failures = t.failures || res.errno == "ENOENT"
	switch {
	case isMaker(c.name):
		t.clone(p, c, res)
	case c.name == "execve" || c.name == "execveat":
		t.exec(p, c, args, res)
	case t.handleDirs(p, c, args, res):
	case t.handleDescriptors(p, c, args, res):
	case t.handleNetwork(p, c, args, res):
	default:
		t.handlePaths(p, c, args, res)
	}
}

// served notes that what Options.ServingAfter names has happened.
func (t *tracer) served(p *process) {
	if p.inside && t.phase == profile.PhaseStartup {
		t.phase = profile.PhaseServing
	}
}

// isHandled keeps calls from being parsed that tell nothing but their name.
func isHandled(name string) bool {
	switch name {
	case "clone", "clone3", "fork", "vfork", "execve", "execveat":
		return true
	}
	return isDirCall(name) || isDescriptorCall(name) || isNetworkCall(name) || pathArgs(name) != nil
}

// clone handles the calls that make processes.
func (t *tracer) clone(p *process, c call, res result) {
	if !res.ok() || res.value <= 0 || res.value > 1<<30 {
		p.early = 0
		return
	}
	pid := int(res.value)
	if n, ok := pidNote(c.text); ok {
		pid = n
	}
	t.made(p, c.text, pid)
}

// pidNote reads the pid that strace prints elsewhere, "= 2 /* 123 in strace's
// PID NS */".
func pidNote(text string) (int, bool) {
	rest, ok := strings.CutSuffix(text, " in strace's PID NS */")
	if !ok {
		return 0, false
	}
	n := number(rest[strings.LastIndexByte(rest, ' ')+1:])
	return int(n), n > 0 && n < 1<<30
}

// exec handles execve and execveat.
func (t *tracer) exec(p *process, c call, args []string, res result) {
	dir, file, argv := "", 0, 1
	if c.name == "execveat" {
		file, argv = 1, 2
	}
	if len(args) <= argv {
		t.skip(c.name + " lacks arguments")
		return
	}
	arg, whole, ok := parseString(args[file])
	if !ok || !whole {
		t.skip("the path of " + c.name + " is not whole")
		return
	}
	memfd := false
	if c.name == "execveat" {
		dir, ok = t.directory(p, args[0], arg)
		if !ok {
			t.nowhere++
			return
		}
		memfd = arg == "" && strings.HasPrefix(dir, "/memfd:")
	}
	host := dir
	if arg != "" {
		host = t.resolve(p, dir, arg)
	}
	switch inRoot, _ := below(p.dirs.root, host); inRoot {
	case "/proc/self/exe", "/proc/thread-self/exe":
		host = p.exe
	}
	if host == "" || !isPath(host) {
		t.nowhere++
		return
	}
	if !res.ok() {
		t.notFound(p, host, c.name, res)
		return
	}
	argv0 := ""
	if elements := list(args[argv]); len(elements) > 0 {
		if name, whole, ok := parseString(elements[0]); ok && whole {
			argv0 = name
		}
	}
	t.started(p, host, argv0, memfd)
}

// started makes p run another program.
func (t *tracer) started(p *process, host, argv0 string, memfd bool) {
	parent := p.key
	if t.isEntrypoint(p, host) {
		t.enter(p)
		parent = ""
	} else if p.moved {
		t.chrooted = true
	}
	p.moved = false
	p.wrapper = p.wrapper && isWrapper(host)
	p.exe = host
	file, ok := t.inContainer(p, host)
	if memfd {
		file, ok = host, true
	}
	if !ok {
		p.key, p.program = "", nil // of the host
		return
	}
	applet := profile.Applet(profile.Path(file), argv0)
	p.key = profile.Key(profile.Path(file), applet)
	if !p.inside {
		p.program = nil
		return
	}
	origin, layer := profile.OriginChild, profile.LayerUnknown
	if p.first {
		origin = profile.OriginEntrypoint
	}
	if memfd {
		layer = profile.LayerMemfd
	}
	p.program = t.facts.Exec(fold.Exec{
		Path: profile.Path(file), As: applet, Parent: parent, Origin: origin, Phase: t.phase, Layer: layer, At: t.now,
	})
	if after := t.opts.ServingAfter; after != "" && (after == file || after == path.Base(file)) {
		t.served(p)
	}
}

// isEntrypoint reports whether the container's own program starts with this.
func (t *tracer) isEntrypoint(p *process, host string) bool {
	if t.entered {
		return false
	}
	want := t.opts.Entrypoint
	if want == "" {
		return p.moved && p.wrapper
	}
	if !strings.Contains(want, "/") {
		return path.Base(host) == want
	}
	want = join("", want)
	inRoot, ok := below(p.dirs.root, host)
	if file, inside := t.inContainer(p, host); inside && file == want {
		return true
	}
	return ok && inRoot == want
}

// enter forgets everything but p, which becomes the container's first process.
func (t *tracer) enter(p *process) {
	t.entered = true
	t.facts.Reset()
	t.phase = profile.PhaseStartup
	t.window = profile.Window{}
	t.see(t.now)
	for _, other := range t.processes {
		other.inside, other.first, other.program = false, false, nil
	}
	p.inside, p.first = true, true
	if p.dirs.root != "" {
		t.base = p.dirs.root
	}
}

// inContainer makes a path on the host one in the container; ok is false for
// what is outside of it.
func (t *tracer) inContainer(p *process, host string) (file string, ok bool) {
	if file, ok := below(t.base, host); ok {
		return file, isPath(file)
	}
	if p.dirs.root == "" && t.opts.Root != "" {
		// The process lives in the container's root already: only what -y tells
		// has the prefix.
		return host, isPath(host)
	}
	return "", false
}
