package strace

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile/foreign"
)

func TestContainers(t *testing.T) {
	t.Parallel()
	chroot := `
1 execve("/usr/sbin/chroot", ["chroot", "/c", "/run.sh"], 0x7ffe /* 3 vars */) = 0
1 open("/etc/host-file", O_RDONLY) = 3
1 chroot("/link/c") = 0
1 chdir("/") = 0
1 execve("/run.sh", ["/run.sh"], 0x7ffe /* 3 vars */) = 0
1 openat(AT_FDCWD</real/c>, "/f", O_RDONLY) = 3</real/c/f>
1 openat(AT_FDCWD</real/c>, "g", O_RDONLY) = 3</real/c/data/g>
1 write(2</host/log>, "x", 1) = 1
1 mmap(NULL, 10, PROT_READ, MAP_SHARED, 5</host/map>, 0) = 0x7f00
`
	for name, s := range map[string]scenario{
		"chroot through a link": {log: chroot, want: `
exec /run.sh of [] [entrypoint] [startup]
file "/data/g" via ["/g"] [open read] by [/run.sh] [startup]
file "/f" via [] [open read] by [/run.sh] [startup]
`},
		"named": {opts: Options{Entrypoint: "/run.sh"}, log: chroot, want: `
exec /run.sh of [] [entrypoint] [startup]
file "/data/g" via ["/g"] [open read] by [/run.sh] [startup]
file "/f" via [] [open read] by [/run.sh] [startup]
`},
		"named by base name, others left out": {opts: Options{Entrypoint: "server"}, log: `
1 execve("/bin/sh", ["sh", "record.sh"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
1 fork() = 3
2 execve("/app/server", ["/app/server"], 0x7ffe /* 3 vars */) = 0
3 execve("/usr/bin/curl", ["curl", "server"], 0x7ffe /* 3 vars */) = 0
2 fork() = 4
4 open("/of-server", O_RDONLY) = 3
3 open("/of-curl", O_RDONLY) = 3
1 --- SIGTERM {si_signo=SIGTERM} ---
4 open("/still-startup", O_RDONLY) = 3
2 --- SIGTERM {si_signo=SIGTERM} ---
4 open("/ends", O_RDONLY) = 3
`, want: `
exec /app/server of [] [entrypoint] [shutdown startup]
file "/ends" via [] [open read] by [/app/server] [shutdown]
file "/of-server" via [] [open read] by [/app/server] [startup]
file "/still-startup" via [] [open read] by [/app/server] [startup]
`},
		"the workload's own chroot": {log: `
1 execve("/bin/sh", ["sh", "/entry.sh"], 0x7ffe /* 3 vars */) = 0
1 open("/entry.sh", O_RDONLY) = 3
1 fork() = 2
2 execve("/usr/sbin/chroot", ["chroot", "/jail", "/tool"], 0x7ffe /* 3 vars */) = 0
2 chroot("/jail") = 0
2 chdir("/") = 0
2 execve("/tool", ["/tool"], 0x7ffe /* 3 vars */) = 0
2 open("f", O_RDONLY) = 3
1 open("/g", O_RDONLY) = 3
`, want: `
exec /bin/sh of [] [entrypoint] [startup]
exec /jail/tool of [/usr/sbin/chroot] [child] [startup]
exec /usr/sbin/chroot of [/bin/sh] [child] [startup]
file "/entry.sh" via [] [open read] by [/bin/sh] [startup]
file "/g" via [] [open read] by [/bin/sh] [startup]
file "/jail" via [] [stat] by [/usr/sbin/chroot] [startup]
file "/jail/f" via [] [open read] by [/jail/tool] [startup]
`},
		"pivot_root": {log: `
1 execve("/usr/bin/unshare", ["unshare"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
2 pivot_root(".", ".") = 0
2 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
2 openat(AT_FDCWD</>, "x", O_RDONLY) = 3</x>
`, want: `
exec /app/a of [] [entrypoint] [startup]
file "/x" via [] [open read] by [/app/a] [startup]
`},
		"serving after a program": {opts: Options{ServingAfter: "server"}, log: `
1 execve("/entry.sh", ["/entry.sh"], 0x7ffe /* 3 vars */) = 0
1 listen(3, 5) = 0
1 access("/early", R_OK) = 0
1 execve("/app/server", ["server"], 0x7ffe /* 3 vars */) = 0
1 access("/late", R_OK) = 0
`, want: `
exec /app/server of [/entry.sh] [entrypoint] [serving startup]
exec /entry.sh of [] [entrypoint] [startup]
file "/early" via [] [stat] by [/entry.sh] [startup]
file "/late" via [] [stat] by [/app/server] [serving]
`},
		"serving after a call": {opts: Options{ServingAfter: "pause"}, log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 access("/early", R_OK) = 0
1 pause() = 0
1 access("/late", R_OK) = 0
`, want: `
exec /app/a of [] [entrypoint] [serving startup]
file "/early" via [] [stat] by [/app/a] [startup]
file "/late" via [] [stat] by [/app/a] [serving]
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

func TestImportErrors(t *testing.T) {
	t.Parallel()
	const exec = `1 execve("/app/a", ["a"], 0x7ffe) = 0` + "\n"
	for name, tc := range map[string]struct {
		inputs []Input
		opts   Options
		want   string
	}{
		"none":      {want: "there is no input"},
		"empty":     {inputs: []Input{{"a", strings.NewReader("\n\n")}}, want: "the log is empty"},
		"json":      {inputs: []Input{{"a", strings.NewReader("{\"kind\": 1}\n[]\n")}}, want: "no log of strace"},
		"never ran": {inputs: []Input{{"a", strings.NewReader(exec)}}, opts: Options{Entrypoint: "/b"}, want: `the program "/b" was never started`},
		"names":     {inputs: []Input{{"a", strings.NewReader(exec)}, {"b.7", strings.NewReader(exec)}}, want: `"a" does not end in a dot and a pid`},
		"same pid":  {inputs: []Input{{"a.7", strings.NewReader(exec)}, {"b.7", strings.NewReader(exec)}}, want: "two files are of the pid 7"},
		"records":   {inputs: []Input{{"a", strings.NewReader(exec + exec)}}, opts: Options{MaxRecords: 1}, want: `"a": it holds more than 1 lines`},
		"long line": {inputs: []Input{{"a", strings.NewReader(strings.Repeat("x", maxLine+1))}}, want: `no log of strace: skipped "a", line 1: it is longer than 4194304 bytes`},
	} {
		if _, err := Import(context.Background(), tc.inputs, tc.opts); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: the error is %v, want %s", name, err, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Import(ctx, []Input{{"a", strings.NewReader(exec)}}, Options{}); err == nil {
		t.Error("a canceled import does not fail")
	}
}

// TestDamage uses the good lines of a damaged log, counts the others, and names
// the first of them.
func TestDamage(t *testing.T) {
	t.Parallel()
	const exec, good = `1 execve("/app/a", ["a"], 0x7ffe) = 0` + "\n", `1 open("/good", O_RDONLY) = 3` + "\n"
	long := `1 write(1, "` + strings.Repeat("x", maxLine) + `", 4194304) = 4194304` + "\n"
	for name, tc := range map[string]struct {
		damage string
		skips  int64
		want   string
	}{
		"cut off":           {`1 open("/cut`, 1, "the call is not whole"},
		"no result":         {`1 open("/x", O_RDONLY)` + "\n", 1, "the call is not whole"},
		"no call":           {"1 what is this\n", 1, "it is no call"},
		"resumed":           {"1 <... open resumed>) = 3\n", 1, "it resumes a call that did not begin"},
		"too few arguments": {"1 execve() = 0\n", 1, "execve lacks arguments"},
		"a path cut off":    {`1 open("/ab"..., O_RDONLY) = 3` + "\n", 1, "a path is not whole"},
		"a program cut off": {`1 execve("/ab"..., ["a"], 0x7ffe) = 0` + "\n", 1, "the path of execve is not whole"},
		"long":              {long, 1, "it is longer than 4194304 bytes"},
		"many":              {strings.Repeat("1 ?\n", 9), 9, "it is no call"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := exec + good + tc.damage
			if strings.HasSuffix(tc.damage, "\n") {
				text = exec + tc.damage + good
			}
			s := mustImport(t, []Input{{"log", strings.NewReader(text)}}, Options{})
			notes := strings.Join(s.Sources[0].Notes, "\n")
			if len(s.Files) != 1 || s.Files[0].Path != "/good" || s.Sources[0].Input.Skipped != tc.skips {
				t.Errorf("%d skipped, files %v", s.Sources[0].Input.Skipped, s.Files)
			}
			line := map[bool]string{true: "2", false: "3"}[strings.HasSuffix(tc.damage, "\n")]
			if !strings.Contains(notes, `skipped "log", line `+line+`: `+tc.want) || strings.Contains(notes, "skipped 4 more") != (tc.skips == 9) {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// A line of a hundred megabytes is passed over in pieces.
func TestEndlessLine(t *testing.T) {
	t.Parallel()
	log := io.MultiReader(strings.NewReader(`1 execve("/app/a", ["a"], 0x7ffe) = 0`+"\n"+`1 write(1, "`), io.LimitReader(letters{}, 100<<20),
		strings.NewReader("\n"+`1 open("/good", O_RDONLY) = 3`+"\n"))
	p := mustImport(t, []Input{{"log", log}}, Options{})
	if in := p.Sources[0].Input; len(p.Files) != 1 || in.Skipped != 1 || in.Bytes < 100<<20 {
		t.Errorf("%d files, %+v", len(p.Files), in)
	}
}

// A compressed log that is cut off is one that ends there.
func TestCutCompression(t *testing.T) {
	t.Parallel()
	log := `1 execve("/app/a", ["a"], 0x7ffe) = 0` + "\n" + `1 open("/good", O_RDONLY) = 3` + "\n" + strings.Repeat(`1 getpid() = 1`+"\n", 100_000)
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	if _, err := io.WriteString(z, log); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := foreign.Open("log.gz", bytes.NewReader(gz.Bytes()[:gz.Len()-10]))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, err := Format().Import(t.Context(), []*foreign.Input{in}, foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := p.Sources[0]
	if len(p.Files) != 1 || s.Input.Skipped != 1 || !strings.Contains(strings.Join(s.Notes, "\n"), "the compressed file is cut off or damaged") {
		t.Errorf("%d files, %+v, notes %q", len(p.Files), s.Input, s.Notes)
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
