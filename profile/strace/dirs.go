package strace

import (
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// isDirCall reports whether a call changes or tells directories of a process.
func isDirCall(name string) bool {
	switch name {
	case "chdir", "fchdir", "getcwd", "chroot", "pivot_root", "unshare":
		return true
	default:
		return false
	}
}

// handleDirs handles the calls of isDirCall.
func (t *tracer) handleDirs(p *process, c call, args []string, res result) bool {
	if !isDirCall(c.name) {
		return false
	}
	switch c.name {
	case "chdir":
		t.chdir(p, c, args, res)
	case "fchdir":
		if res.ok() && len(args) > 0 {
			if dir, ok := t.directory(p, args[0], ""); ok && dir != "" {
				p.dirs.cwd, p.dirs.known = dir, true
			}
		}
	case "getcwd":
		// The kernel says (unreachable) for directories outside of the root.
		if cwd, whole, ok := first(args); ok && whole && res.ok() && strings.HasPrefix(cwd, "/") {
			p.dirs.cwd, p.dirs.known = join(p.dirs.root, cwd), true
		}
	case "chroot":
		t.chroot(p, args, res)
	case "pivot_root":
		if res.ok() {
			p.dirs.root, p.dirs.cwd, p.dirs.known = "", "/", true
			p.moved = true
		}
	case "unshare":
		if res.ok() && len(args) > 0 {
			p.unshare(args[0])
		}
	}
	return true
}

func first(args []string) (text string, whole, ok bool) {
	if len(args) == 0 {
		return "", false, false
	}
	return parseString(args[0])
}

func (t *tracer) chdir(p *process, c call, args []string, res result) {
	host, ok := t.pathOf(p, args, pathArg{-1, 0, profile.AccessStat})
	switch {
	case !ok:
	case res.ok():
		t.found(p, host, "", profile.AccessStat)
		p.dirs.cwd = host
		p.dirs.known = true
	default:
		t.notFound(p, host, c.name, res)
	}
}

func (t *tracer) chroot(p *process, args []string, res result) {
	host, ok := t.pathOf(p, args, pathArg{-1, 0, profile.AccessStat})
	if !ok || !res.ok() {
		return
	}
	t.found(p, host, "", profile.AccessStat)
	if host == "/" {
		host = ""
	}
	p.dirs.root = host
	p.moved = true
}

// unshare ends the sharing of directories or descriptors with other threads.
func (p *process) unshare(flags string) {
	if hasFlag(flags, "CLONE_FS", "CLONE_NEWNS", "CLONE_NEWUSER") {
		own := *p.dirs
		p.dirs = &own
	}
	if hasFlag(flags, "CLONE_FILES") {
		p.files = p.files.fork()
	}
}

// isDescriptorCall reports whether a call uses or changes descriptors other
// than sockets in a way that matters.
func isDescriptorCall(name string) bool {
	switch name {
	case "getdents", "getdents64", "mmap", "mmap2", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64",
		"pipe", "pipe2", "socketpair", "memfd_create", "eventfd", "eventfd2", "epoll_create", "epoll_create1",
		"timerfd_create", "signalfd", "signalfd4", "inotify_init", "inotify_init1", "pidfd_open", "userfaultfd", "fanotify_init":
		return true
	default:
		return false
	}
}

// handleDescriptors handles the calls of isDescriptorCall.
func (t *tracer) handleDescriptors(p *process, c call, args []string, res result) bool {
	if !isDescriptorCall(c.name) {
		return false
	}
	if !res.ok() {
		return true
	}
	switch c.name {
	case "getdents", "getdents64":
		if len(args) > 0 {
			t.used(p, args[0], profile.AccessList)
		}
	case "mmap", "mmap2":
		if len(args) > 4 && hasFlag(args[2], "PROT_EXEC") {
			t.used(p, args[4], profile.AccessMmapExec)
		} else if len(args) > 4 {
			t.used(p, args[4], profile.AccessMmap)
		}
	case "close":
		if len(args) > 0 {
			if fd, ok := parseFD(args[0]); ok {
				p.files.remove(fd.number)
			}
		}
	case "close_range":
		if len(args) > 1 {
			p.files.removeRange(number(args[0]), number(args[1]))
		}
	case "dup", "dup2", "dup3", "fcntl", "fcntl64":
		t.duplicate(p, c.name, args, res)
	case "pipe", "pipe2":
		if len(args) > 0 {
			t.forget(p, list(args[0]))
		}
	case "socketpair":
		if len(args) > 3 {
			t.forget(p, list(args[3]))
		}
	case "memfd_create":
		if name, _, ok := first(args); ok {
			p.files.set(int(res.value), &file{path: "/memfd:" + name})
		}
	default:
		p.files.remove(int(res.value))
	}
	return true
}

// used notes a use of the file that a descriptor refers to.
func (t *tracer) used(p *process, arg, access string) {
	fd, ok := parseFD(arg)
	if !ok {
		return
	}
	host := fd.refers
	if host == "" {
		if f := p.files.get(fd.number); f != nil {
			host = f.path
		}
	} else {
		t.described = true
	}
	if fd.gone || !isPath(host) || strings.HasPrefix(host, "/memfd:") {
		return
	}
	t.found(p, host, "", access)
}

func (t *tracer) duplicate(p *process, name string, args []string, res result) {
	if strings.HasPrefix(name, "fcntl") && (len(args) < 2 || !strings.HasPrefix(args[1], "F_DUPFD")) || len(args) == 0 {
		return
	}
	from, ok := parseFD(args[0])
	if !ok {
		return
	}
	if f := p.files.get(from.number); f != nil {
		p.files.set(int(res.value), f)
	} else {
		p.files.remove(int(res.value))
	}
}

// forget drops what was known of descriptors that are new.
func (t *tracer) forget(p *process, fds []string) {
	for _, arg := range fds {
		if fd, ok := parseFD(arg); ok {
			p.files.remove(fd.number)
		}
	}
}

func (l *fileList) removeRange(from, to int64) {
	if from < 0 {
		return
	}
	if to < 0 { // ~0U
		to = 1 << 32
	}
	l.own()
	for fd := range l.byNumber {
		if int64(fd) >= from && int64(fd) <= to {
			delete(l.byNumber, fd)
		}
	}
}
