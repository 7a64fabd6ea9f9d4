package trace

import "github.com/lathe-build/lathe/profile"

// Classes of system calls, as bpf/event.h has them.
const (
	classPath     = 1
	classOpen     = 2
	classExec     = 3
	classMmap     = 4
	classFD       = 5
	classConnect  = 6
	classBind     = 7
	classListen   = 8
	classAccept   = 9
	classBuffer   = 10
	classVector   = 11
	classMessage  = 12
	classMessages = 13
)

const noArg = 255

// call says how to read the arguments of a system call. The first fields are
// struct call of bpf/event.h.
type call struct {
	class     uint8
	path, dir [2]uint8
	flags     uint8
	how, out  bool
	peer      uint8
	access    [2]string // what a call that succeeds does with its paths
	nofollow  bool      // a link at the end of the path is meant itself
}

// encode is the call as the kernel side reads it.
func (c call) encode() [16]byte {
	flag := map[bool]byte{true: 1}
	return [16]byte{c.class, c.path[0], c.path[1], c.dir[0], c.dir[1], c.flags, flag[c.how], flag[c.out], c.peer}
}

func plain(class uint8) call {
	return call{class: class, path: [2]uint8{noArg, noArg}, dir: [2]uint8{noArg, noArg}, flags: noArg, peer: noArg}
}

// on is a call with one path, relative to the directory that is argument dir.
func on(dir, path uint8, access string) call {
	c := plain(classPath)
	c.dir[0], c.path[0], c.access[0] = dir, path, access
	return c
}

// to is the second path of a call, which it makes.
func (c call) to(dir, path uint8) call {
	c.dir[1], c.path[1], c.access[1] = dir, path, profile.AccessCreate
	return c
}

func (c call) itself() call {
	c.nofollow = true
	return c
}

// at is a call with AT_ flags, which may say that a link itself is meant.
func (c call) at(flags uint8) call {
	c.flags = flags
	return c
}

func (c call) opens(flags uint8, how bool) call {
	c.class, c.flags, c.how = classOpen, flags, how
	return c
}

// onFD is a call on a file that is open.
func onFD(class, fd uint8, access string) call {
	c := plain(class)
	c.path[0], c.access[0] = fd, access
	return c
}

func moves(class uint8, out bool, peer uint8) call {
	c := plain(class)
	c.out, c.peer = out, peer
	return c
}

// calls is how the calls that are followed are read, by their names. Numbers
// and order of arguments are those of the system calls' manual pages.
func calls() map[string]call {
	table := map[string]call{
		"open":              on(noArg, 0, profile.AccessOpen).opens(1, false),
		"openat":            on(0, 1, profile.AccessOpen).opens(2, false),
		"openat2":           on(0, 1, profile.AccessOpen).opens(2, true),
		"creat":             on(noArg, 0, profile.AccessOpen).opens(noArg, false),
		"mmap":              onFD(classMmap, 4, profile.AccessMmap),
		"getdents":          onFD(classFD, 0, profile.AccessList),
		"getdents64":        onFD(classFD, 0, profile.AccessList),
		"open_by_handle_at": onFD(classFD, 0, profile.AccessStat),
		"fchdir":            onFD(classFD, 0, profile.AccessStat),

		"stat": on(noArg, 0, profile.AccessStat), "lstat": on(noArg, 0, profile.AccessStat).itself(),
		"newfstatat": on(0, 1, profile.AccessStat).at(3), "statx": on(0, 1, profile.AccessStat).at(2),
		"access": on(noArg, 0, profile.AccessStat), "faccessat": on(0, 1, profile.AccessStat), "faccessat2": on(0, 1, profile.AccessStat).at(3),
		"statfs": on(noArg, 0, profile.AccessStat), "chdir": on(noArg, 0, profile.AccessStat), "chroot": on(noArg, 0, profile.AccessStat),
		"utime": on(noArg, 0, profile.AccessStat), "utimes": on(noArg, 0, profile.AccessStat),
		"utimensat": on(0, 1, profile.AccessStat).at(3), "futimesat": on(0, 1, profile.AccessStat),
		"getxattr": on(noArg, 0, profile.AccessStat), "lgetxattr": on(noArg, 0, profile.AccessStat).itself(),
		"listxattr": on(noArg, 0, profile.AccessStat), "llistxattr": on(noArg, 0, profile.AccessStat).itself(),
		"getxattrat": on(0, 1, profile.AccessStat).at(2), "listxattrat": on(0, 1, profile.AccessStat).at(2),
		"name_to_handle_at": on(0, 1, profile.AccessStat), "open_tree": on(0, 1, profile.AccessStat),
		"inotify_add_watch": on(noArg, 1, profile.AccessStat), "fanotify_mark": on(3, 4, profile.AccessStat),
		"mount": on(noArg, 1, profile.AccessStat), "umount2": on(noArg, 0, profile.AccessStat),
		"readlink": on(noArg, 0, profile.AccessReadlink).itself(), "readlinkat": on(0, 1, profile.AccessReadlink).itself(),
		"uselib": on(noArg, 0, profile.AccessMmapExec),
	}
	changing(table)
	network(table)
	return table
}

// changing adds the calls that change something, and executions that fail.
func changing(table map[string]call) {
	for name, c := range map[string]call{
		"unlink": on(noArg, 0, profile.AccessUnlink).itself(), "rmdir": on(noArg, 0, profile.AccessUnlink).itself(),
		"unlinkat": on(0, 1, profile.AccessUnlink).itself(),
		"chmod":    on(noArg, 0, profile.AccessChmod), "chown": on(noArg, 0, profile.AccessChmod),
		"lchown":   on(noArg, 0, profile.AccessChmod).itself(),
		"fchmodat": on(0, 1, profile.AccessChmod), "fchmodat2": on(0, 1, profile.AccessChmod).at(3), "fchownat": on(0, 1, profile.AccessChmod).at(4),
		"fchmod": onFD(classFD, 0, profile.AccessChmod), "fchown": onFD(classFD, 0, profile.AccessChmod),
		"setxattr": on(noArg, 0, profile.AccessChmod), "lsetxattr": on(noArg, 0, profile.AccessChmod).itself(),
		"removexattr": on(noArg, 0, profile.AccessChmod), "lremovexattr": on(noArg, 0, profile.AccessChmod).itself(),
		"setxattrat": on(0, 1, profile.AccessChmod).at(2), "removexattrat": on(0, 1, profile.AccessChmod).at(2),
		"truncate": on(noArg, 0, profile.AccessWrite), "ftruncate": onFD(classFD, 0, profile.AccessWrite),
		"mkdir": on(noArg, 0, profile.AccessCreate).itself(), "mknod": on(noArg, 0, profile.AccessCreate).itself(),
		"mkdirat": on(0, 1, profile.AccessCreate).itself(), "mknodat": on(0, 1, profile.AccessCreate).itself(),
		"symlink": on(noArg, 1, profile.AccessCreate).itself(), "symlinkat": on(1, 2, profile.AccessCreate).itself(),
		"rename":    on(noArg, 0, profile.AccessRename).to(noArg, 1).itself(),
		"renameat":  on(0, 1, profile.AccessRename).to(2, 3).itself(),
		"renameat2": on(0, 1, profile.AccessRename).to(2, 3).itself(),
		"link":      on(noArg, 0, profile.AccessStat).to(noArg, 1).itself(),
		"linkat":    on(0, 1, profile.AccessStat).to(2, 3).itself(),
	} {
		table[name] = c
	}
	execve, execveat := on(noArg, 0, profile.AccessExec), on(0, 1, profile.AccessExec)
	execve.class, execveat.class = classExec, classExec
	table["execve"], table["execveat"] = execve, execveat
}

// network adds the calls on sockets.
func network(table map[string]call) {
	for name, c := range map[string]call{
		"connect": plain(classConnect), "bind": plain(classBind), "listen": plain(classListen),
		"accept": plain(classAccept), "accept4": plain(classAccept),
		"sendto": moves(classBuffer, true, 4), "recvfrom": moves(classBuffer, false, 4),
		"write": moves(classBuffer, true, noArg), "read": moves(classBuffer, false, noArg),
		"writev": moves(classVector, true, noArg), "readv": moves(classVector, false, noArg),
		"sendmsg": moves(classMessage, true, noArg), "recvmsg": moves(classMessage, false, noArg),
		"sendmmsg": moves(classMessages, true, noArg), "recvmmsg": moves(classMessages, false, noArg),
	} {
		table[name] = c
	}
}

// namesOf is the names of the system calls of an architecture, in GOARCH's
// words, by number.
func namesOf(arch string) []string {
	if arch == "arm64" {
		return arm64Names()
	}
	return amd64Names()
}

func nameAt(names []string, nr int) string {
	if nr < 0 || nr >= len(names) {
		return ""
	}
	return names[nr]
}
