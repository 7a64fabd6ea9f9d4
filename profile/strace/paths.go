package strace

import (
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// pathArg is an argument that is a path, and what a call that succeeds does
// with it. The directory it is relative to is argument dir, or the working
// directory where dir is -1.
type pathArg struct {
	dir, path int
	access    string
}

// pathArgs is the paths that a call takes; nil for calls that take none.
// Numbers and order of arguments are those of the system calls' manual pages.
func pathArgs(name string) []pathArg {
	switch name {
	case "open", "creat":
		return []pathArg{{-1, 0, profile.AccessOpen}}
	case "openat", "openat2":
		return []pathArg{{0, 1, profile.AccessOpen}}
	case "stat", "lstat", "stat64", "lstat64", "oldstat", "oldlstat", "access", "statfs", "statfs64", "utime", "utimes",
		"getxattr", "lgetxattr", "listxattr", "llistxattr":
		return []pathArg{{-1, 0, profile.AccessStat}}
	case "newfstatat", "fstatat64", "statx", "faccessat", "faccessat2", "utimensat", "futimesat", "name_to_handle_at", "open_tree", "getxattrat", "listxattrat":
		return []pathArg{{0, 1, profile.AccessStat}}
	case "inotify_add_watch", "mount":
		return []pathArg{{-1, 1, profile.AccessStat}}
	case "fanotify_mark":
		return []pathArg{{3, 4, profile.AccessStat}}
	case "umount", "umount2":
		return []pathArg{{-1, 0, profile.AccessStat}}
	case "readlink":
		return []pathArg{{-1, 0, profile.AccessReadlink}}
	case "readlinkat":
		return []pathArg{{0, 1, profile.AccessReadlink}}
	case "uselib":
		return []pathArg{{-1, 0, profile.AccessMmapExec}}
	}
	return changingPathArgs(name)
}

// changingPathArgs is [pathArgs] for calls that change something.
func changingPathArgs(name string) []pathArg {
	switch name {
	case "unlink", "rmdir":
		return []pathArg{{-1, 0, profile.AccessUnlink}}
	case "unlinkat":
		return []pathArg{{0, 1, profile.AccessUnlink}}
	case "chmod", "chown", "lchown", "chown32", "lchown32", "setxattr", "lsetxattr", "removexattr", "lremovexattr":
		return []pathArg{{-1, 0, profile.AccessChmod}}
	case "fchmodat", "fchmodat2", "fchownat", "setxattrat", "removexattrat":
		return []pathArg{{0, 1, profile.AccessChmod}}
	case "truncate", "truncate64":
		return []pathArg{{-1, 0, profile.AccessWrite}}
	case "mkdir", "mknod":
		return []pathArg{{-1, 0, profile.AccessCreate}}
	case "mkdirat", "mknodat":
		return []pathArg{{0, 1, profile.AccessCreate}}
	case "symlink":
		return []pathArg{{-1, 1, profile.AccessCreate}}
	case "symlinkat":
		return []pathArg{{1, 2, profile.AccessCreate}}
	case "rename":
		return []pathArg{{-1, 0, profile.AccessRename}, {-1, 1, profile.AccessCreate}}
	case "renameat", "renameat2":
		return []pathArg{{0, 1, profile.AccessRename}, {2, 3, profile.AccessCreate}}
	case "link":
		return []pathArg{{-1, 0, profile.AccessStat}, {-1, 1, profile.AccessCreate}}
	case "linkat":
		return []pathArg{{0, 1, profile.AccessStat}, {2, 3, profile.AccessCreate}}
	}
	return nil
}

// handlePaths handles the calls of pathArgs.
func (t *tracer) handlePaths(p *process, c call, args []string, res result) {
	for _, a := range pathArgs(c.name) {
		host, ok := t.pathOf(p, args, a)
		if !ok {
			continue
		}
		if !res.ok() {
			t.notFound(p, host, c.name, res)
			continue
		}
		if a.access != profile.AccessOpen {
			t.found(p, host, "", a.access)
			continue
		}
		t.opened(p, host, openFlags(c.name, args), res)
	}
}

// pathOf makes an argument a path on the host. It fails for NULL, for "" which
// means the descriptor itself, and where the directory is not known.
func (t *tracer) pathOf(p *process, args []string, a pathArg) (host string, ok bool) {
	if a.path >= len(args) || a.dir >= len(args) {
		t.skip("a call lacks arguments")
		return "", false
	}
	arg, whole, ok := parseString(args[a.path])
	if !ok || arg == "" {
		return "", false
	}
	if !whole {
		t.skip("a path is not whole")
		return "", false
	}
	dir := ""
	if a.dir >= 0 {
		if dir, ok = t.directory(p, args[a.dir], arg); !ok {
			t.nowhere++
			return "", false
		}
	}
	host = t.resolve(p, dir, arg)
	return host, isPath(host)
}

// directory is what a directory argument refers to: a path on the host, or ""
// for the working directory. It fails for descriptors that are not known,
// unless the path beside them is absolute.
func (t *tracer) directory(p *process, arg, path string) (string, bool) {
	fd, ok := parseFD(arg)
	if !ok {
		return "", strings.HasPrefix(path, "/")
	}
	if fd.refers != "" {
		t.described = true
	}
	if fd.number == atCWD {
		p.dirs.learn(fd.refers, &t.base)
		return "", true
	}
	if fd.refers != "" {
		return fd.refers, strings.HasPrefix(fd.refers, "/") || strings.HasPrefix(path, "/")
	}
	if f := p.files.get(fd.number); f != nil && f.path != "" {
		return f.path, true
	}
	return "", strings.HasPrefix(path, "/")
}

// learn takes the working directory from -y, and with it the true path of a
// root that was entered through links.
func (d *dirs) learn(cwd string, base *string) {
	if cwd == "" || cwd == d.cwd && d.known || !strings.HasPrefix(cwd, "/") {
		return
	}
	if d.root != "" && d.cwd == d.root && d.known {
		if *base == d.root {
			*base = cwd
		}
		d.root = cwd
	}
	d.cwd, d.known = cwd, true
}

// resolve makes an argument a path on the host and counts guesses.
func (t *tracer) resolve(p *process, dir, arg string) string {
	if dir == "" && !p.dirs.known && !strings.HasPrefix(arg, "/") && p.inside {
		t.assumed++
	}
	return p.dirs.resolve(dir, arg)
}

func openFlags(name string, args []string) string {
	switch {
	case name == "creat":
		return "O_WRONLY|O_CREAT"
	case name == "open" && len(args) > 1:
		return args[1]
	case name == "openat" && len(args) > 2:
		return args[2]
	case name == "openat2" && len(args) > 2:
		flags, _ := member(args[2], "flags")
		return flags
	default:
		return ""
	}
}

// opened handles a call that opened a path.
func (t *tracer) opened(p *process, host, flags string, res result) {
	access := []string{profile.AccessOpen}
	if hasFlag(flags, "O_RDONLY", "O_RDWR") && !hasFlag(flags, "O_PATH", "O_DIRECTORY") {
		access = append(access, profile.AccessRead)
	}
	if hasFlag(flags, "O_WRONLY", "O_RDWR") {
		access = append(access, profile.AccessWrite)
	}
	if strings.Contains(flags, "O_CREAT") || strings.Contains(flags, "O_TMPFILE") {
		access = append(access, profile.AccessCreate)
	}
	resolved := ""
	if res.fd != "" {
		t.described = true
		if strings.HasPrefix(res.fd, "/") && !res.gone {
			resolved = res.fd
		}
	}
	file := &file{path: host}
	if resolved != "" {
		file.path = resolved
	}
	p.files.set(int(res.value), file)
	if hasFlag(flags, "O_TMPFILE") {
		access = access[:1] // the path is that of its directory
	}
	t.found(p, host, resolved, access...)
}

// found notes that a path is there. Resolved is the same file free of links,
// where -y tells.
func (t *tracer) found(p *process, host, resolved string, access ...string) {
	if !p.inside {
		return
	}
	file, ok := t.inContainer(p, host)
	if !ok || t.facts.Outside(profile.Path(file), t.now) {
		return
	}
	via := ""
	if target, ok := below(t.base, resolved); ok && isPath(target) && target != file && profile.OutsidePrefix(profile.Path(target)) == "" {
		file, via = target, file
	}
	t.facts.File(fold.File{
		Path: profile.Path(file), Via: profile.Path(via), Access: access, By: p.key, Phase: t.phase, At: t.now,
	})
}

// notFound notes a call that failed. Some errors say that the path is there
// nevertheless.
func (t *tracer) notFound(p *process, host, name string, res result) {
	if !p.inside || !res.known {
		return
	}
	switch res.errno {
	case "ENOENT", "ENOTDIR":
		file, ok := t.inContainer(p, host)
		if !ok {
			return
		}
		t.facts.Missing(fold.Missing{Path: profile.Path(file), Errno: res.errno, Op: name, By: p.key, At: t.now})
	case "EEXIST", "EACCES", "EPERM", "EISDIR", "EINVAL", "ELOOP", "ENOEXEC", "ENXIO", "EBUSY", "ETXTBSY", "ENOTEMPTY", "ENODATA", "ENOTSUP", "EOPNOTSUPP", "EXDEV":
		t.found(p, host, "", profile.AccessStat)
	}
}
