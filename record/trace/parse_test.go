package trace

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

func packet(t testing.TB, name string, kind dnsmessage.Type, answers ...dnsmessage.ResourceBody) []byte {
	t.Helper()
	n := dnsmessage.MustNewName(name)
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}}}
	for _, body := range answers {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: n, Class: dnsmessage.ClassINET}, Body: body})
	}
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestReadDNS(t *testing.T) {
	t.Parallel()
	a := &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}
	whole := packet(t, "a.example.", dnsmessage.TypeA, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("b.example.")}, a)
	for name, tc := range map[string]struct {
		raw  []byte
		want []lookup
	}{
		"question": {packet(t, "a.example.", dnsmessage.TypeAAAA), []lookup{{"a.example.", "AAAA", nil}}},
		"answer":   {whole, []lookup{{"a.example.", "A", []string{"b.example.", "192.0.2.1"}}}},
		"IPv6": {
			packet(t, "a.", dnsmessage.TypeAAAA, &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2001:db8::1").As16()}),
			[]lookup{{"a.", "AAAA", []string{"2001:db8::1"}}},
		},
		"service": {
			packet(t, "_x._tcp.a.", dnsmessage.TypeSRV, &dnsmessage.SRVResource{Target: dnsmessage.MustNewName("b.")}),
			[]lookup{{"_x._tcp.a.", "SRV", []string{"b."}}},
		},
		"cut":     {whole[:len(whole)-3], []lookup{{"a.example.", "A", []string{"b.example."}}}},
		"nothing": {nil, nil},
		"noise":   {[]byte("GET / HTTP/1.1\r\n\r\n"), nil},
	} {
		if diff := cmp.Diff(tc.want, readDNS(tc.raw), cmp.AllowUnexported(lookup{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// However the bytes of a connection are cut, the messages come out.
func TestStreams(t *testing.T) {
	t.Parallel()
	var stream []byte
	var want []string
	for _, name := range []string{"a.example.", "b.example.", "c.example."} {
		message := packet(t, name, dnsmessage.TypeA)
		want = append(want, string(message))
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(message))), message...)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s streams
		var got []string
		for rest := stream; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			for _, message := range s.add(streamKey{ino: 1}, string(rest[:n])) {
				got = append(got, string(message))
			}
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		if len(s.parts) != 0 {
			t.Fatalf("%d streams are left", len(s.parts))
		}
	}
	var s streams
	for i := range uint64(10 * maxStreams) {
		s.add(streamKey{ino: i}, "x")
		if len(s.parts) > maxStreams {
			t.Fatalf("%d streams are followed", len(s.parts))
		}
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	m := readMounts(strings.NewReader(`21 1 0:20 / / rw,relatime - overlay overlay rw
22 21 0:21 / /proc rw - proc proc rw
23 21 8:1 /x /data\040dir rw - ext4 /dev/sda1 rw
24 21 8:1 /f /etc/hosts rw - ext4 /dev/sda1 rw
noise
`))
	for path, want := range map[string]bool{
		"/": false, "/data dir": true, "/data dir/a/b": true, "/data": false, "/etc/hosts": true, "/etc/hostsx": false, "/etc": false,
	} {
		if got := m.isVolume(path); got != want {
			t.Errorf("isVolume(%q) = %v", path, got)
		}
	}
	if !m.known || readMounts(strings.NewReader("")).known {
		t.Error("known is wrong")
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	rootless := readUsers("         0       1000          1\n         1     100000      65536\nnoise\n")
	for _, tc := range []struct {
		users users
		id    uint32
		want  uint32
		ok    bool
	}{
		{nil, 7, 7, true},
		{readUsers("0 0 4294967295\n"), 7, 7, true},
		{rootless, 1000, 0, true},
		{rootless, 100000, 1, true},
		{rootless, 165535, 65536, true},
		{rootless, 165536, 0, false},
		{rootless, 0, 0, false},
	} {
		if got, ok := tc.users.inside(tc.id); got != tc.want || ok != tc.ok {
			t.Errorf("%v: %d is %d, %v", tc.users, tc.id, got, ok)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	r := newRedactor()
	for _, tc := range []struct{ in, want string }{
		{"nginx|-g|daemon off;", "nginx -g daemon off;"},
		{"x|--password=hunter2|y", "x --password=[redacted] y"},
		{"x|--db-password|hunter2|y", "x --db-password [redacted] y"},
		{"x|--token|--verbose", "x --token --verbose"},
		{"env|API_KEY=abc|x", "env API_KEY=[redacted] x"},
		{"sh|-c|A=1 SECRET_TOKEN=abc run", "sh -c A=1 SECRET_TOKEN=[redacted]"},
		{"curl|-H|Authorization: Bearer abc", "curl -H Authorization:[redacted]"},
		{"psql|postgres://user:pass@db/x", "psql postgres://[redacted]@db/x"},
		{"mysql|-phunter2", "mysql -p[redacted]"},
		{"x|-p8080", "x -p8080"},
		{"x|0123456789abcdef0123456789abcdef", "x [redacted]"},
		{"x|/usr/lib/python3/dist/site1", "x /usr/lib/python3/dist/site1"},
		{"x|a\nb\xff", "x a b\ufffd"},
	} {
		if got := r.line(strings.Split(tc.in, "|")); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
	if n := len(r.line([]string{strings.Repeat("ab ", 5000)})); n > maxCommand+4 {
		t.Errorf("%d bytes", n)
	}
}

func TestProcFiles(t *testing.T) {
	t.Parallel()
	if got := parentOf("12 (a) b) S 7 12 12 0"); got != 7 {
		t.Errorf("parent %d", got)
	}
	if got := parentOf("noise"); got != 0 {
		t.Errorf("parent %d", got)
	}
	maps := mapped(`55d0-55d1 r--p 00000000 08:01 11 /usr/bin/a b
55d1-55d2 r-xp 00001000 08:01 11 /usr/bin/a b
7f00-7f01 r--s 00000000 08:01 12 /etc/cache
7f01-7f02 rw-p 00000000 00:00 0
7f02-7f03 rw-p 00000000 00:00 0 [heap]
7f03-7f04 r-xp 00000000 08:01 13 /gone (deleted)
7f04-7f05 r-xp 00000000 00:01 14 /memfd:x (deleted)
`)
	want := map[string]string{"/usr/bin/a b": profile.AccessMmapExec, "/etc/cache": profile.AccessMmap}
	if diff := cmp.Diff(want, maps); diff != "" {
		t.Error(diff)
	}
	tcp := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:1F90 0200007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
   3: 0100007F:C352 0300007F:0051 02 00000000:00000000 00:00000000 00000000     0        0 15 1 0 20 4 30 10 -1
   2: 0100007F:C351 0300007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4 30 10 -1
`
	tcp6 := `   0: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0 00:0 0     0        0 14 2 0 0
`
	f := newFolder(Options{}, amd64Names())
	f.programs[1] = program{key: "/a"}
	all := append(socketTable(tcp, "tcp"), socketTable(tcp6, "udp6")...)
	f.adoptSockets(all, map[string]bool{"11": true, "12": true, "13": true, "14": true, "15": true}, event{exe: 1})
	p, err := f.facts.Profile("", f.source(ending{}))
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(notes, "3 connections were open when the recording began") {
		t.Errorf("the notes: %s", notes)
	}
	if diff := cmp.Diff(`listen tcp 127.0.0.1 8080 by=/a
listen udp ::1 53 by=/a
accept tcp 8080 127.0.0.2 by=/a
connect tcp 127.0.0.3 80 results=already-open,established by=/a attribution=process
connect tcp 127.0.0.3 81 results=already-open,in-progress by=/a attribution=process
`, outline(p)); diff != "" {
		t.Error(diff)
	}
}

// Everything that hides something makes the source incomplete, and says why.
func TestSource(t *testing.T) {
	t.Parallel()
	all := hooks{tcp: true, capabilities: true, uring: true}
	for name, tc := range map[string]struct {
		end      ending
		opts     Options
		change   func(*folder)
		complete bool
		note     string
	}{
		"whole":         {end: ending{hooks: all}, complete: true},
		"lost":          {end: ending{hooks: all, counters: counters{lost: 3}}, note: "3 events did not fit the buffer"},
		"cut":           {end: ending{hooks: all, counters: counters{trunc: 1}}, note: "too long to follow"},
		"strings":       {end: ending{hooks: all, counters: counters{pathErr: 1}}, note: "could not be read"},
		"descriptors":   {end: ending{hooks: all, counters: counters{fdErr: 1}}, note: "closed before"},
		"32 bits":       {end: ending{hooks: all, counters: counters{compat: 1}}, note: "32 bits"},
		"processes":     {end: ending{hooks: all, counters: counters{procs: 1}}, note: "too many to follow"},
		"interrupted":   {end: ending{hooks: all, counters: counters{busy: 1}}, note: "while another one"},
		"tables":        {end: ending{hooks: all, counters: counters{tables: 4}}, note: "4 changes of the recorder's tables"},
		"not run":       {end: ending{hooks: all, counters: counters{misses: 2}}, note: "2 times the kernel did not run"},
		"still running": {end: ending{hooks: all, running: 2}, note: "2 processes still ran"},
		"attached":      {end: ending{hooks: all}, opts: Options{Target: Target{Running: true}}, note: "attached"},
		"nothing ran":   {end: ending{hooks: all}, change: func(f *folder) { f.entered = false }, note: "nothing was executed"},
		"io_uring":      {end: ending{usesURing: true}, note: "io_uring is used"},
		"its network":   {end: ending{hooks: all, usesURing: true, counters: counters{uringNet: 1}}, complete: true},
		"limits":        {end: ending{hooks: all}, opts: Options{Limits: fold.Limits{Facts: 1}}, note: "facts were beyond"},
		"nonsense":      {end: ending{hooks: all}, change: func(f *folder) { f.fold(nil) }, note: "could not be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(tc.opts, amd64Names())
			f.fold(raw(executed(1, 0, "/a", "b")))
			if tc.change != nil {
				tc.change(f)
			}
			s := f.source(tc.end)
			notes := strings.Join(s.Notes, "\n")
			if s.Complete != tc.complete || !strings.Contains(notes, tc.note) {
				t.Errorf("complete %v, notes %q", s.Complete, s.Notes)
			}
			if lost := tc.end.counters.missed(); int64(lost) > s.Lost.Events {
				t.Errorf("lost %d of %d", s.Lost.Events, lost)
			}
			hasDNS := strings.Contains(strings.Join(s.Observes, " "), profile.ObservesDNS)
			if want := tc.end.counters.uringNet == 0 && name != "io_uring"; hasDNS != want {
				t.Errorf("observes %q", s.Observes)
			}
		})
	}
}

// Memory is bounded, whatever is sent.
func TestBounds(t *testing.T) {
	t.Parallel()
	f := newFolder(Options{}, amd64Names())
	for i := range uint64(maxPrograms + 10) {
		f.remember(i, program{})
	}
	for i := range uint64(maxPending + 10) {
		f.await(edgeKey{exe: i}, attempt{})
	}
	if len(f.programs) != maxPrograms || len(f.pending) != maxPending || f.overflown != 20 {
		t.Errorf("%d programs, %d connections, %d left out", len(f.programs), len(f.pending), f.overflown)
	}
}

// The tables that the kernel side reads agree with bpf/event.h.
func TestTables(t *testing.T) {
	t.Parallel()
	header, err := os.ReadFile(filepath.Join("bpf", "event.h"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"EVENT_CAP": "12", "EVENT_DATA": "10", "CLASS_MESSAGES": "13", "CLASS_EXEC": "3", "COUNT_EVENTS": "9", "COUNT_MAX": "16",
		"ORIGIN_ENTERED_CHILD": "4",
	} {
		if !strings.Contains(string(header), name+" = "+value+",") {
			t.Errorf("%s is not %s", name, value)
		}
	}
	for _, arch := range []string{"amd64", "arm64"} {
		names := strings.Join(namesOf(arch), " ") + " "
		for name := range calls() {
			if arch == "amd64" && !strings.Contains(names, name+" ") {
				t.Errorf("%s has no system call %s", arch, name)
			}
		}
	}
	if namesOf("arm64")[56] != "openat" || namesOf("amd64")[257] != "openat" || namesOf("arm64")[79] != "newfstatat" {
		t.Error("the names of system calls are wrong")
	}
}
