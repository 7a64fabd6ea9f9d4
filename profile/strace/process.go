package strace

import (
	"path"
	"strings"

	"github.com/lathe-build/lathe/profile/fold"
)

// maxDescriptors is how many descriptors of a process are followed. Those above
// are known by -y only.
const maxDescriptors = 1024

// process is a thread or process of the log.
type process struct {
	pid     int
	key     string    // of the executable; "" where no exec was seen
	exe     string    // its path on the host
	inside  bool      // part of the container
	first   bool      // the container's first process
	wrapper bool      // it and all before it only ever ran wrappers
	moved   bool      // it changed its root since it last executed something
	dirs    *dirs     // shared by CLONE_FS
	files   *fileList // shared by CLONE_FILES
	pending string    // name and arguments of a call that is not finished
	early   int       // pid of the process that a pending call made
	seen    bool      // it had a line
	program *fold.Executable
}

// dirs is the root and working directory, as paths on the host.
type dirs struct {
	root  string // "" for the host's own
	cwd   string
	known bool // cwd was seen and is not assumed
}

// file is an open file description.
type file struct {
	path string // on the host; "" where not known
	sock *socket
}

// socket is what is known of a socket.
type socket struct {
	proto   string
	local   address
	fresh   bool // made in sight
	bound   bool // to a port of its own choice
	inbound bool // made by accept
	peer    address
	edge    *fold.Edge      // the connection under way
	edgeKey edgeKey         // which one that is
	heard   map[string]bool // peers that a bound UDP socket received from
}

// fileList is a table of descriptors that is copied when it is written after a
// fork.
type fileList struct {
	byNumber map[int]*file
	shared   bool
}

func (l *fileList) get(fd int) *file { return l.byNumber[fd] }

func (l *fileList) set(fd int, f *file) {
	l.own()
	if _, ok := l.byNumber[fd]; ok || len(l.byNumber) < maxDescriptors {
		l.byNumber[fd] = f
	}
}

func (l *fileList) remove(fd int) {
	if _, ok := l.byNumber[fd]; ok {
		l.own()
		delete(l.byNumber, fd)
	}
}

// own makes the table this list's alone.
func (l *fileList) own() {
	if l.byNumber != nil && !l.shared {
		return
	}
	own := make(map[int]*file, len(l.byNumber))
	for fd, f := range l.byNumber {
		own[fd] = f
	}
	l.byNumber, l.shared = own, false
}

// fork returns a list of the same files.
func (l *fileList) fork() *fileList {
	l.shared = true
	return &fileList{byNumber: l.byNumber, shared: true}
}

// child makes the process that clone returned in p. Flags are those of clone.
func (p *process) child(pid int, flags string) *process {
	c := &process{pid: pid, key: p.key, exe: p.exe, inside: p.inside, wrapper: p.wrapper, moved: p.moved, program: p.program}
	c.dirs, c.files = p.dirs, p.files
	if !strings.Contains(flags, "CLONE_FS") {
		own := *p.dirs
		c.dirs = &own
	}
	if !strings.Contains(flags, "CLONE_FILES") {
		c.files = p.files.fork()
	}
	c.first = p.first && strings.Contains(flags, "CLONE_THREAD")
	return c
}

// resolve makes the argument of a call a path on the host. The directory is
// that of a descriptor, or "" for the working directory.
func (d *dirs) resolve(dir, arg string) string {
	if strings.HasPrefix(arg, "/") {
		return join(d.root, arg)
	}
	if dir == "" {
		dir = d.cwd
	}
	return join(dir, arg)
}

// join appends a path to a directory, see [fold.Join].
func join(dir, arg string) string { return fold.Join(dir, strings.TrimLeft(arg, "/")) }

// below takes the directory off a path on the host.
func below(dir, host string) (string, bool) {
	if dir == "" || dir == "/" {
		return host, strings.HasPrefix(host, "/")
	}
	rest, ok := strings.CutPrefix(host, dir)
	switch {
	case !ok, rest != "" && rest[0] != '/':
		return "", false
	case rest == "":
		return "/", true
	default:
		return join("", rest), true
	}
}

// isWrapper reports whether a program only ever starts containers or others.
func isWrapper(exe string) bool {
	switch path.Base(exe) {
	case "chroot", "unshare", "nsenter", "setpriv", "bwrap", "runc", "crun", "youki", "containerd-shim-runc-v2",
		"conmon", "systemd-nspawn", "sudo", "doas", "su", "env", "timeout", "nice", "nohup", "setsid", "stdbuf",
		"setarch", "linux64", "taskset", "ip", "tini", "dumb-init":
		return true
	default:
		return false
	}
}
