package strace

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

// brief writes the facts of a profile, a line each.
func brief(p *profile.Profile) string {
	var b strings.Builder
	for _, x := range p.Executables {
		fmt.Fprintf(&b, "exec %s of %v %v %v\n", x.Key, x.Parents, x.Origin, x.Phase)
	}
	for _, f := range p.Files {
		fmt.Fprintf(&b, "file %q via %q %v by %v %v\n", f.Path, f.Via, f.Access, f.By, f.Phase)
	}
	for _, m := range p.Missing {
		fmt.Fprintf(&b, "missing %q %v %v by %v\n", m.Path, m.Errno, m.Ops, m.By)
	}
	for _, o := range p.Outside {
		for _, c := range o.Seen {
			fmt.Fprintf(&b, "outside %s %d\n", o.Prefix, c.N)
		}
	}
	for _, l := range p.Network.Listen {
		fmt.Fprintf(&b, "listen %s %s %d %v by %v %v\n", l.Proto, l.Addr, l.Port, l.Ephemeral, l.By, l.Phase)
	}
	for _, a := range p.Network.Accept {
		fmt.Fprintf(&b, "accept %s %d from %q by %v\n", a.Proto, a.Port, a.Peer.IP, a.By)
	}
	for _, c := range p.Network.Connect {
		fmt.Fprintf(&b, "connect %s %s%s %d %v %v by %v\n", c.Proto, c.Peer.IP, c.Peer.Path, c.Port, c.Peer.Names, c.Results, c.By)
	}
	for _, d := range p.Network.DNS {
		fmt.Fprintf(&b, "dns %s %s %v by %v\n", d.Name, d.Type, d.Answers, d.By)
	}
	return b.String()
}

type scenario struct {
	opts Options
	log  string
	want string
}

func (s scenario) run(t *testing.T) {
	t.Helper()
	p := mustImport(t, []Input{{"log", strings.NewReader(strings.TrimPrefix(s.log, "\n"))}}, s.opts)
	if diff := cmp.Diff(strings.TrimPrefix(s.want, "\n"), brief(p)); diff != "" {
		t.Error(diff)
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]scenario{
		"children inherit": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 chdir("/data") = 0
1 open("f", O_RDONLY) = 3
1 fork() = 2
2 mmap(NULL, 10, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0) = 0x7f00
2 chdir("sub") = 0
1 open("g", O_RDWR|O_CREAT, 0600) = 4
2 execve("/app/b", ["/usr/bin/applet"], 0x7ffe /* 3 vars */) = 0
2 open("h", O_RDONLY) = -1 ENOENT (No such file or directory)
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b::applet of [/app/a] [child] [startup]
file "/data" via [] [stat] by [/app/a] [startup]
file "/data/f" via [] [mmap-exec open read] by [/app/a] [startup]
file "/data/g" via [] [create open read write] by [/app/a] [startup]
file "/data/sub" via [] [stat] by [/app/a] [startup]
missing "/data/sub/h" [ENOENT] [open] by [/app/b::applet]
`},
		"threads share": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, exit_signal=0} => {parent_tid=[2]}, 88) = 2
2 chdir("/t") = 0
2 openat(AT_FDCWD, "dir", O_RDONLY|O_DIRECTORY) = 5
1 openat(5, "x", O_PATH) = 6
1 getdents64(5, 0x55 /* 3 entries */, 32768) = 80
1 dup2(6, 7) = 7
1 close(6) = 0
1 unlinkat(7, "y", 0) = 0
1 unlinkat(6, "z", 0) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
file "/t" via [] [stat] by [/app/a] [startup]
file "/t/dir" via [] [list open] by [/app/a] [startup]
file "/t/dir/x" via [] [open] by [/app/a] [startup]
file "/t/dir/x/y" via [] [unlink] by [/app/a] [startup]
`},
		"a thread executes": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD}, 88) = 2
1 futex(0x7fd7, FUTEX_WAIT, 2, NULL <unfinished ...>
2 execve("/app/b", ["b"], 0x7ffe /* 3 vars */ <pid changed to 1 ...>
1 +++ superseded by execve in pid 2 +++
1 <... execve resumed>) = 0
1 access("/x", R_OK) = 0
1 --- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=9, si_uid=0} ---
1 access("/y", R_OK) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b of [/app/a] [entrypoint] [shutdown startup]
file "/x" via [] [stat] by [/app/b] [startup]
file "/y" via [] [stat] by [/app/b] [shutdown]
`},
		"the child is first": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 chdir("/w") = 0
1 vfork( <unfinished ...>
2 execve("./b", ["b"], 0x7ffe /* 3 vars */ <unfinished ...>
1 <... vfork resumed>) = 2
2 <... execve resumed>) = 0
2 +++ exited with 0 +++
1 --- SIGTERM {si_signo=SIGTERM} ---
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /w/b of [/app/a] [child] [startup]
file "/w" via [] [stat] by [/app/a] [startup]
`},
		"two makers": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
2 execve("/app/b", ["b"], 0x7ffe /* 3 vars */) = 0
1 fork( <unfinished ...>
2 fork( <unfinished ...>
4 access("/of-a", R_OK) = 0
3 access("/of-b", R_OK) = 0
2 <... fork resumed>) = 3
1 <... fork resumed>) = 4
4 access("/of-a-too", R_OK) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b of [/app/a] [child] [startup]
file "/of-a" via [] [stat] by [/app/a] [startup]
file "/of-a-too" via [] [stat] by [/app/a] [startup]
file "/of-b" via [] [stat] by [/app/b] [startup]
`},
		"one of two makers returns first": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
2 execve("/app/b", ["b"], 0x7ffe /* 3 vars */) = 0
1 fork( <unfinished ...>
2 fork( <unfinished ...>
3 access("/of-b", R_OK <unfinished ...>
1 <... fork resumed>) = 4
3 <... access resumed>) = 0
2 <... fork resumed>) = 3
3 access("/of-b-too", R_OK) = 0
4 access("/of-a", R_OK) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b of [/app/a] [child] [startup]
file "/of-a" via [] [stat] by [/app/a] [startup]
file "/of-b" via [] [stat] by [/app/b] [startup]
file "/of-b-too" via [] [stat] by [/app/b] [startup]
`},
		"a maker makes one process only": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
2 execve("/app/b", ["b"], 0x7ffe /* 3 vars */) = 0
1 fork( <unfinished ...>
3 access("/of-a", R_OK) = 0
2 fork( <unfinished ...>
4 access("/of-b", R_OK) = 0
1 <... fork resumed>) = 3
2 <... fork resumed>) = 4
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b of [/app/a] [child] [startup]
file "/of-a" via [] [stat] by [/app/a] [startup]
file "/of-b" via [] [stat] by [/app/b] [startup]
`},
		"both makers return without the process": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
1 fork( <unfinished ...>
2 fork( <unfinished ...>
5 access("/first", R_OK <unfinished ...>
1 <... fork resumed>) = -1 EAGAIN (Resource temporarily unavailable)
2 <... fork resumed>) = -1 EAGAIN (Resource temporarily unavailable)
5 <... access resumed>) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
file "/first" via [] [stat] by [] [startup]
`},
		"two makers that never return": {log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
1 fork( <unfinished ...>
2 fork( <unfinished ...>
4 access("/late", R_OK) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
file "/late" via [] [stat] by [/app/a] [startup]
`},
		"pids of another namespace": {log: `
10 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
10 clone(child_stack=NULL, flags=SIGCHLD) = 2
11 access("/x", R_OK) = 0
10 clone(child_stack=NULL, flags=SIGCHLD) = 3 /* 12 in strace's PID NS */
12 execve("/app/c", ["c"], 0x7ffe /* 3 vars */) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/c of [/app/a] [child] [startup]
file "/x" via [] [stat] by [/app/a] [startup]
`},
		"a terminal's log": {log: `
execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
clone(child_stack=NULL, flags=SIGCHLD) = 7
strace: Process 7 attached
[pid     7] access("/child", R_OK) = 0
[pid     6] access("/parent", R_OK <unfinished ...>
[pid     7] +++ exited with 0 +++
<... access resumed>) = 0
--- SIGCHLD {si_signo=SIGCHLD} ---
+++ exited with 0 +++
`, want: `
exec /app/a of [] [entrypoint] [startup]
file "/child" via [] [stat] by [/app/a] [startup]
file "/parent" via [] [stat] by [/app/a] [startup]
`},
		"all columns": {log: `
[pid  9785<a>] 22:55:47 (+     0.002474) [  59] [00007fc5e0c6ead7] execve("/bin/ls", ["/bin/ls"], 0x5630addabc08 /* 39 vars */ <unfinished ...>
[pid  9784<sh>] 22:55:47 (+     0.000582) [  61] [00007fc5e0c6dbd3] wait4(-1,  <unfinished ...>
 > /usr/lib/libc.so.6(_exit+0x29) [0xd4409]
[pid  9785<ls>] 22:55:47 (+     0.000156) [  59] [00007fdc23681b70] <... execve resumed>) = 0 <0.000670>
[pid  9785<ls>] 22:55:48 (+     0.007479) [ 231] [00007fdc23518409] readlink("/a b", "x", 10) = 1 <0.000006>
[pid  9785<ls>] 22:55:48 (+     0.000282) [ 231] [????????????????] +++ exited with 0 +++
`, want: `
exec /bin/ls of [] [entrypoint] [startup]
file "/a b" via [] [readlink] by [/bin/ls] [startup]
`},
		"itself": {log: `
1 execve("/usr/bin/app", ["app"], 0x7ffe /* 3 vars */) = 0
1 execve("/proc/self/exe", ["app", "child"], 0x7ffe /* 3 vars */) = 0
1 execveat(3</app/tool>, "", ["tool"], 0x7ffe /* 3 vars */, AT_EMPTY_PATH) = 0
1 execveat(4</memfd:x>(deleted), "", ["x"], 0x7ffe /* 3 vars */, AT_EMPTY_PATH) = 0
`, want: `
exec /app/tool of [/usr/bin/app] [entrypoint] [startup]
exec /memfd:x::x of [/app/tool] [entrypoint] [startup]
exec /usr/bin/app of [/usr/bin/app] [entrypoint] [startup]
`},
		"names that were cut": {log: `
1 execve("/app/a", ["/very/long/pa"..., "b"], 0x7ffe /* 3 vars */) = 0
1 execve("/app/b", ["x", ...], 0x7ffe /* 3 vars */) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b::x of [/app/a] [entrypoint] [startup]
`},
		"search": {log: `
1 execve("/usr/local/bin/t", ["t"], 0x7ffe /* 3 vars */) = -1 ENOENT (No such file or directory)
1 execve("/usr/bin/t", ["t"], 0x7ffe /* 3 vars */) = -1 EACCES (Permission denied)
1 execve("/bin/t", ["t"], 0x7ffe /* 3 vars */) = 0
`, want: `
exec /bin/t of [] [entrypoint] [startup]
file "/usr/bin/t" via [] [stat] by [] [startup]
missing "/usr/local/bin/t" [ENOENT] [execve] by []
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	const start = `1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0` + "\n"
	const exec = "exec /app/a of [] [entrypoint] [startup]\n"
	for name, s := range map[string]scenario{
		"resolved": {log: `
1 openat(AT_FDCWD</w>, "/lib/libc.so", O_RDONLY|O_CLOEXEC) = 3</usr/lib/libc.so.6>
1 openat(AT_FDCWD</w>, "../x", O_RDONLY) = 4</x>
1 stat("./y//z/", {st_mode=S_IFREG|0644, ...}) = 0
1 mmap(NULL, 10, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3</usr/lib/libc.so.6>, 0) = 0x7f00
1 getdents64(9</d>, 0x55 /* 3 entries */, 32768) = 80
1 openat(5</d>, "e", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 6</d/e>
1 read(6</d/e>, "", 5) = 0
`, want: `
file "/d" via [] [list] by [/app/a] [startup]
file "/d/e" via [] [create open write] by [/app/a] [startup]
file "/usr/lib/libc.so.6" via ["/lib/libc.so"] [mmap-exec open read] by [/app/a] [startup]
file "/w/y/z" via [] [stat] by [/app/a] [startup]
file "/x" via ["/w/../x"] [open read] by [/app/a] [startup]
`},
		"bytes": {log: `
1 open("/l\351\n\"q\\z\1770", O_RDONLY) = 3</l\351\n\"q\\z\1770>
1 open("\x2f\x61\xff", O_RDONLY) = 3
1 openat(AT_FDCWD</w>, "a>b", O_RDONLY) = 3</w/a\76b>
1 openat(AT_FDCWD</w>, "a-", O_RDONLY) = 3</w/a->
1 openat(AT_FDCWD</w>, "a, b) = 7", O_RDONLY) = 3</w/a, b) = 7>
1 open("/nul\0x", O_RDONLY) = 3
`, want: `
file "/a\xff" via [] [open read] by [/app/a] [startup]
file "/l\xe9\n\"q\\z\x7f0" via [] [open read] by [/app/a] [startup]
file "/w/a, b) = 7" via [] [open read] by [/app/a] [startup]
file "/w/a-" via [] [open read] by [/app/a] [startup]
file "/w/a>b" via [] [open read] by [/app/a] [startup]
`},
		"outside and deleted": {log: `
1 openat(AT_FDCWD</>, "/dev/null", O_RDWR) = 3</dev/null<char 1:3>>
1 openat(AT_FDCWD</>, "/proc/self/status", O_RDONLY) = 3</proc/77/status>
1 openat(AT_FDCWD</>, "/log", O_WRONLY) = 3</dev/pts/0<char 136:0>>
1 openat(AT_FDCWD</>, "/del", O_RDWR|O_CREAT, 0600) = 4</del>(deleted)
1 mmap(NULL, 10, PROT_READ, MAP_SHARED, 4</del>(deleted), 0) = 0x7f00
1 stat("/sys/x", 0x7ffe) = -1 ENOENT (No such file or directory)
1 openat(AT_FDCWD</>, "/tmp", O_RDWR|O_TMPFILE, 0600) = 5</tmp/#12>(deleted)
`, want: `
file "/del" via [] [create open read write] by [/app/a] [startup]
file "/log" via [] [open write] by [/app/a] [startup]
file "/tmp" via [] [open] by [/app/a] [startup]
outside /dev 1
outside /proc 1
outside /sys 1
`},
		"changes": {log: `
1 mkdir("/run/x", 0755) = -1 EEXIST (File exists)
1 rename("/a", "/b") = 0
1 symlinkat("target", AT_FDCWD, "/l") = 0
1 fchmodat(AT_FDCWD, "/b", 0600) = 0
1 linkat(AT_FDCWD, "/b", AT_FDCWD, "/c", 0) = 0
1 truncate("/c", 0) = 0
1 rmdir("/none") = -1 ENOTDIR (Not a directory)
1 chdir("/gone") = -1 ENOENT (No such file or directory)
1 readlink("/b", 0x7ffe, 1023) = -1 EINVAL (Invalid argument)
1 newfstatat(3, "", {st_mode=S_IFREG|0755, ...}, AT_EMPTY_PATH) = 0
1 statx(AT_FDCWD, NULL, 0, STATX_ALL, NULL) = -1 EFAULT (Bad address)
1 openat2(AT_FDCWD, "/o", {flags=O_RDONLY|O_CLOEXEC, resolve=0}, 24) = 3
1 access("/interrupted", R_OK) = ? ERESTARTSYS (To be restarted)
`, want: `
file "/a" via [] [rename] by [/app/a] [startup]
file "/b" via [] [chmod create stat] by [/app/a] [startup]
file "/c" via [] [create write] by [/app/a] [startup]
file "/l" via [] [create] by [/app/a] [startup]
file "/o" via [] [open read] by [/app/a] [startup]
file "/run/x" via [] [stat] by [/app/a] [startup]
missing "/gone" [ENOENT] [chdir] by [/app/a]
missing "/none" [ENOTDIR] [rmdir] by [/app/a]
`},
		"directory by getcwd": {log: `
1 open("x", O_RDONLY) = 3
1 getcwd("/real", 4096) = 6
`, want: `
file "/real/x" via [] [open read] by [/app/a] [startup]
`},
		"assumed directory": {opts: Options{Dir: "/srv/app"}, log: `
1 open("x", O_RDONLY) = 3
1 getcwd("/real", 4096) = 6
1 open("y", O_RDONLY) = 3
1 openat(40, "z", O_RDONLY) = 3
`, want: `
file "/real/y" via [] [open read] by [/app/a] [startup]
file "/srv/app/x" via [] [open read] by [/app/a] [startup]
`},
		"directory told later": {log: `
1 open("x", O_RDONLY) = 3
1 openat(AT_FDCWD</told>, "y", O_RDONLY) = 3</told/y>
1 chdir("/z") = 0
`, want: `
file "/told/x" via [] [open read] by [/app/a] [startup]
file "/told/y" via [] [open read] by [/app/a] [startup]
file "/z" via [] [stat] by [/app/a] [startup]
`},
		"directory changed first": {log: `
1 open("x", O_RDONLY) = 3
1 chdir("/z") = 0
1 openat(AT_FDCWD</z>, "y", O_RDONLY) = 3</z/y>
`, want: `
file "/x" via [] [open read] by [/app/a] [startup]
file "/z" via [] [stat] by [/app/a] [startup]
file "/z/y" via [] [open read] by [/app/a] [startup]
`},
		"root given": {opts: Options{Root: "/var/lib/c/merged/"}, log: `
1 openat(AT_FDCWD</var/lib/c/merged/w>, "f", O_RDONLY) = 3</var/lib/c/merged/w/f>
1 openat(AT_FDCWD</var/lib/c/merged/w>, "/lib/l", O_RDONLY) = 3</var/lib/c/merged/usr/l>
1 access("/etc/x", R_OK) = 0
`, want: `
file "/etc/x" via [] [stat] by [/app/a] [startup]
file "/usr/l" via ["/lib/l"] [open read] by [/app/a] [startup]
file "/w/f" via [] [open read] by [/app/a] [startup]
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.log = start + strings.TrimPrefix(s.log, "\n")
			s.want = exec + strings.TrimPrefix(s.want, "\n")
			s.run(t)
		})
	}
}
