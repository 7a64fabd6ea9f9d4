package strace

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	day := 22*time.Hour + 55*time.Minute + 47*time.Second
	for in, want := range map[string]line{
		`brk(NULL) = 0`:                              {body: "brk(NULL) = 0"},
		`13417 brk(NULL) = 0`:                        {pid: 13417, body: "brk(NULL) = 0"},
		`7846  1795301665.391007 brk(NULL) = 0`:      {pid: 7846, clock: epochClock, at: 1795301665391007000, body: "brk(NULL) = 0"},
		`1795301665.391007 brk(NULL) = 0`:            {clock: epochClock, at: 1795301665391007000, body: "brk(NULL) = 0"},
		`     0.000088 brk(NULL) = 0`:                {body: "brk(NULL) = 0"},
		`22:55:47 brk(NULL) = 0`:                     {clock: dayClock, at: day, body: "brk(NULL) = 0"},
		`12<my comm> 22:55:47.5 brk(NULL) = 0`:       {pid: 12, clock: dayClock, at: day + time.Second/2, body: "brk(NULL) = 0"},
		`[pid    12] brk(NULL) = 0`:                  {pid: 12, body: "brk(NULL) = 0"},
		`[pid 12<a b>] [ 59] [00007f] brk(NULL) = 0`: {pid: 12, body: "brk(NULL) = 0"},
		`99999999999999999999 brk(NULL) = 0`:         {body: "99999999999999999999 brk(NULL) = 0"},
		`25:00:00 brk(NULL) = 0`:                     {body: "25:00:00 brk(NULL) = 0"},
		`12<unclosed brk(NULL) = 0`:                  {body: "12<unclosed brk(NULL) = 0"},
		``:                                           {},
	} {
		if diff := cmp.Diff(want, parseLine(in), cmp.AllowUnexported(line{})); diff != "" {
			t.Errorf("%q:\n%s", in, diff)
		}
	}
}

func TestParseCall(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]struct {
		args []string
		res  result
	}{
		`) = 5`: {nil, result{known: true, value: 5}},
		`"a, \"b) = 1", [1, {x=2}], 1<<3|4 /* 3, 4) */)   = -1 ENOENT (No such file or directory)`: {[]string{`"a, \"b) = 1"`, "[1, {x=2}]", "1<<3|4 /* 3, 4) */"}, result{known: true, value: -1, errno: "ENOENT"}},
		`3</a, (b>, 4<TCP:[1.1.1.1:1->2.2.2.2:2]>) = 5</dev/null<char 1:3>>`:                       {[]string{"3</a, (b>", "4<TCP:[1.1.1.1:1->2.2.2.2:2]>"}, result{known: true, value: 5, fd: "/dev/null"}},
		`0) = ?`:                       {[]string{"0"}, result{}},
		`0) = ? ERESTARTSYS (To be)`:   {[]string{"0"}, result{}},
		`NULL) = 0x7f0000000000`:       {[]string{"NULL"}, result{known: true, value: 0x7f0000000000}},
		`NULL) = 0xffffffffff600000`:   {[]string{"NULL"}, result{known: true, value: 1<<63 - 1}},
		`1) = 3</x>(deleted) <0.0001>`: {[]string{"1"}, result{known: true, value: 3, fd: "/x", gone: true}},
	} {
		args, res, ok := call{text: in}.parse()
		if !ok {
			t.Errorf("%q is not read", in)
		}
		if diff := cmp.Diff(want.args, args) + cmp.Diff(want.res, res, cmp.AllowUnexported(result{})); diff != "" {
			t.Errorf("%q:\n%s", in, diff)
		}
	}
	for _, in := range []string{"", `"unclosed) = 0`, ") 5", "(} = 0", "/* unclosed) = 0", ") = x", "]) = 0"} {
		if args, res, ok := (call{text: in}).parse(); ok {
			t.Errorf("%q is %q %+v", in, args, res)
		}
	}
}

func TestUnquote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`a\n\t\r\v\f\a\b`: "a\n\t\r\v\f\a\b",
		`\0\1777\377`:     "\x00\x7f7\xff",
		`\x41\xfgz`:       "Axfgz",
		`\"\\\`:           "\"\\\\",
		`\777`:            "777",
		`plain`:           "plain",
	} {
		if got := unquote(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ dir, arg, want string }{
		{"", "/", "/"},
		{"", "/a//b/./c/", "/a/b/c"},
		{"/w", "../x", "/w/../x"},
		{"/", "..", "/"},
		{"/", "../../x", "/x"},
		{"/w", "..x", "/w/..x"},
		{"/w", ".hidden", "/w/.hidden"},
		{"", "", "/"},
	} {
		if got := join(tc.dir, tc.arg); got != tc.want {
			t.Errorf("join(%q, %q) is %q, want %q", tc.dir, tc.arg, got, tc.want)
		}
	}
}

// Files of -ff come in any order, and without times where the log has none.
func TestImportOrder(t *testing.T) {
	t.Parallel()
	inputs := func(cut bool) []Input {
		list := files(t, "ff.[0-9]*")
		for i := range list {
			var out bytes.Buffer
			data := new(bytes.Buffer)
			if _, err := data.ReadFrom(list[i].R); err != nil {
				t.Fatal(err)
			}
			for l := range strings.Lines(data.String()) {
				if cut {
					_, l, _ = strings.Cut(l, " ")
				}
				out.WriteString(l)
			}
			list[i].R = &out
		}
		return list
	}
	want := mustImport(t, inputs(false), Options{})
	for seed := range uint64(5) {
		shuffled := inputs(false)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := mustImport(t, shuffled, Options{}); !got.Equal(want) {
			t.Fatalf("seed %d: the order of the files changes the profile", seed)
		}
	}
	blind := mustImport(t, inputs(true), Options{})
	if !slices.Contains(blind.Sources[0].Notes, "the files have no times: phases are a guess") {
		t.Errorf("the notes are %q", blind.Sources[0].Notes)
	}
	forgetPhases(want)
	forgetPhases(blind)
	if diff := cmp.Diff(brief(want), brief(blind)); diff != "" {
		t.Errorf("without times:\n%s", diff)
	}
}

func forgetPhases(p *profile.Profile) {
	for i := range p.Executables {
		p.Executables[i].Phase = nil
	}
	for i := range p.Files {
		p.Files[i].Phase = nil
	}
	for i := range p.Network.Listen {
		p.Network.Listen[i].Phase = nil
	}
}

func TestMidnight(t *testing.T) {
	t.Parallel()
	p := mustImport(t, []Input{
		{"t.1", strings.NewReader("23:59:58 execve(\"/a\", [\"a\"], 0x7ffe) = 0\n23:59:59 fork() = 2\n00:00:02 listen(3<TCP:[0.0.0.0:80]>, 5) = 0\n")},
		{"t.2", strings.NewReader("23:59:59 access(\"/before\", 0) = 0\n00:00:03 access(\"/after\", 0) = 0\n")},
	}, Options{})
	want := `exec /a of [] [entrypoint] [serving startup]
file "/after" via [] [stat] by [/a] [serving]
file "/before" via [] [stat] by [/a] [startup]
listen tcp 0.0.0.0 80 false by [/a] [startup]
`
	if diff := cmp.Diff(want, brief(p)); diff != "" {
		t.Error(diff)
	}
}

// The same script was recorded three times with different options.
func TestSharedRecordings(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "profiles", "strace")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared recordings are not here")
	}
	open := func(pattern string) []Input {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(names) == 0 {
			t.Fatalf("no file is %s: %v", pattern, err)
		}
		var inputs []Input
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			inputs = append(inputs, Input{filepath.Base(name), bytes.NewReader(data)})
		}
		return inputs
	}
	for _, pattern := range []string{"f.log", "f-ttt-y-yy-s4096.log", "ff.*"} {
		got := brief(mustImport(t, open(pattern), Options{}))
		for _, want := range []string{"exec /usr/bin/cat of ", "exec /usr/bin/env of ", "exec /usr/bin/true of [/usr/bin/env] [entrypoint]", `missing "/usr/share/nofile" [ENOENT] [openat] by [/usr/bin/cat]`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s has no %s in\n%s", pattern, want, got)
			}
		}
	}
	got := brief(mustImport(t, open("net-f-ttt-yy.log"), Options{}))
	for _, want := range []string{
		"listen tcp 127.0.0.1 59263 true", "listen tcp ::1 40287 true", "accept tcp 59263 from \"127.0.0.1\"",
		"connect tcp 127.0.0.1 1 [] [refused]", "connect tcp 127.0.0.1 59263 [] [established]",
		"connect udp 127.0.0.1 53 [] [probe-only]", "connect udp 127.0.0.1 9 [] [sent]",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, name := range []string{"chroot.log", "plain.log"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data[:8000], "", "") // long ones take the fuzzer too long to shorten
	}
	f.Add([]byte("1 fork( <unfinished ...>\n2 fork( <unfinished ...>\n3 access(\"/a\", 0) = 0\n1 <... fork resumed>) = 3\n"), "/a", "")
	f.Add([]byte("[pid 1] execve(\"/a\", [\"\\377\"], 0) = 0\n+++ superseded by execve in pid 1 +++\n"), "", "/r")
	f.Add([]byte("1 chroot(\"..\") = 0\n1 connect(3<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(\"1.1.1.1\")}, 16) = 0\n"), "", "")
	f.Add([]byte("execve(\"/a\", [\"a\"], 0) = 0\nrecvfrom(3<UDP:[0.0.0.0:1->1.1.1.1:53]>, \"\\1\\1\\201\\200\\0\\1\\0\\1\\0\\0\\0\\0\\1a\\0\\0\\1\\0\\1\", 9, 0, NULL, NULL) = 9\n"), "", "")
	f.Fuzz(func(t *testing.T, data []byte, entrypoint, root string) {
		p, err := Import(context.Background(), []Input{{"log.1", bytes.NewReader(data)}}, Options{Entrypoint: entrypoint, Root: root, MaxRecords: 2000})
		if err != nil {
			if strings.Contains(err.Error(), "not valid") || strings.Contains(err.Error(), "encoding") {
				t.Errorf("the importer makes invalid profiles: %v", err)
			}
			return
		}
		out, err := p.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		again, err := profile.Read(bytes.NewReader(out), profile.Limits{})
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !again.Equal(p) {
			t.Error("the profile changes when written and read")
		}
	})
}

func BenchmarkImport(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "chroot.log"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Import(context.Background(), []Input{{"log", bytes.NewReader(data)}}, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
