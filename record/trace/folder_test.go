package trace

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

// smallImage is a resolver over a few paths: /bin is a link to usr/bin.
func smallImage(path string) (string, []string, bool) {
	var links []string
	if rest, ok := strings.CutPrefix(path, "/bin"); ok && (rest == "" || rest[0] == '/') {
		path, links = "/usr/bin"+rest, []string{"/bin"}
	}
	switch path {
	case "/", "/usr/bin", "/usr/bin/a", "/usr/bin/sh", "/etc/f", "/start":
		return path, links, true
	}
	return "", links, false
}

// folded folds events into the outline of a profile.
func folded(t *testing.T, opts Options, events ...event) (*profile.Profile, *folder) {
	t.Helper()
	f := newFolder(opts, amd64Names())
	f.mounts = readMounts(strings.NewReader("1 0 0:1 / / rw - overlay x rw\n2 1 0:2 / /vol\\040ume rw - ext4 x rw\n"))
	f.phases = append(f.phases, profile.PhaseServing)
	for _, e := range events {
		f.fold(raw(e))
	}
	p, err := f.facts.Profile("", f.source(ending{hooks: hooks{tcp: true, capabilities: true, uring: true}, end: time.Unix(2, 0), start: time.Unix(1, 0)}))
	if err != nil {
		t.Fatal(err)
	}
	return p, f
}

func TestFold(t *testing.T) {
	t.Parallel()
	app := executed(1, 0, "/usr/bin/a", "a")
	by := " by=/usr/bin/a phase=startup"
	open := event{kind: eventPath, exe: 1, nr: nrOf("openat"), dev: 1}
	with := func(e event, change func(*event)) event {
		change(&e)
		return e
	}
	for name, tc := range map[string]struct {
		events []event
		want   string // the last lines of the outline
	}{
		"open through a link": {[]event{with(open, func(e *event) {
			e.text, e.full = "/bin//./sh", names("/usr/bin/sh")
		})}, "file /usr/bin/sh access=open,read via=/bin/sh layer=image" + by},
		"open in a directory": {[]event{with(open, func(e *event) {
			e.text, e.base, e.full, e.ret = "../etc/f", names("/usr"), names("/etc/f"), 3
		})}, "file /etc/f access=open,read via=/usr/../etc/f layer=image" + by},
		"open for writing": {[]event{with(open, func(e *event) {
			e.text, e.full, e.flags = "/etc/f", names("/etc/f"), openReadWrite|openCreate
		})}, "file /etc/f access=create,open,read,write layer=image,upper" + by},
		"creat": {[]event{with(open, func(e *event) {
			e.text, e.full, e.nr = "/new", names("/new"), nrOf("creat")
		})}, "file /new access=create,open,write layer=upper" + by},
		"open a directory": {[]event{with(open, func(e *event) {
			e.text, e.full, e.mode = "/usr/bin", names("/usr/bin"), modeDirectory
		})}, "file /usr/bin access=open layer=image" + by},
		"O_PATH": {[]event{with(open, func(e *event) {
			e.text, e.full, e.flags = "/etc/f", names("/etc/f"), openPath
		})}, "file /etc/f access=open layer=image" + by},
		"a file without a name": {[]event{with(open, func(e *event) {
			e.text, e.full, e.flags, e.arg = "/vol ume", names("/vol ume/#12"), openTemporary|openReadWrite, 0
		})}, "file /vol ume access=open layer=volume" + by},
		"in a volume": {[]event{with(open, func(e *event) {
			e.text, e.full, e.flags = "/vol ume/x", names("/vol ume/x"), openWriteOnly
		})}, "file /vol ume/x access=open,write layer=volume" + by},
		"too deep to walk": {[]event{with(open, func(e *event) {
			e.text, e.arg = "/bin/sh", argFullCut
		})}, "file /usr/bin/sh access=open via=/bin,/bin/sh layer=image" + by},
		"relative to what is too deep": {[]event{with(open, func(e *event) { e.text, e.arg, e.full = "f", argBaseCut, names("/x/f") })}, ""},
		"stat through a link": {[]event{with(open, func(e *event) {
			e.text, e.nr = "/bin/sh", nrOf("stat")
		})}, "file /usr/bin/sh access=stat via=/bin,/bin/sh layer=image" + by},
		"lstat": {[]event{with(open, func(e *event) {
			e.text, e.nr = "/bin", nrOf("lstat")
		})}, "file /bin access=stat layer=image" + by},
		"fstatat of a link itself": {[]event{with(open, func(e *event) {
			e.text, e.nr, e.flags = "/bin", nrOf("newfstatat"), noFollow
		})}, "file /bin access=stat layer=image" + by},
		"readlink of no link": {[]event{with(open, func(e *event) {
			e.text, e.nr, e.ret = "/etc/f", nrOf("readlink"), -22
		})}, "file /etc/f access=stat layer=image" + by},
		"not there": {[]event{with(open, func(e *event) {
			e.text, e.base, e.ret = "gone", names("/etc"), -2
		})}, "missing /etc/gone errno=ENOENT ops=openat by=/usr/bin/a"},
		"below a file": {[]event{with(open, func(e *event) {
			e.text, e.ret = "/etc/f/x", -20
		})}, "missing /etc/f/x errno=ENOTDIR ops=openat by=/usr/bin/a"},
		"not allowed": {[]event{with(open, func(e *event) {
			e.text, e.ret = "/secret", -13
		})}, "file /secret access=stat layer=upper" + by},
		"out of memory": {[]event{with(open, func(e *event) { e.text, e.ret = "/etc/f", -12 })}, ""},
		"not made since it is there": {[]event{with(open, func(e *event) {
			e.text, e.nr, e.ret = "/etc/f", nrOf("mkdir"), -17
		})}, "file /etc/f access=stat layer=image" + by},
		"rename": {[]event{
			with(open, func(e *event) { e.text, e.nr = "/etc/f", nrOf("rename") }),
			with(open, func(e *event) { e.text, e.nr, e.arg = "/etc/g", nrOf("rename"), 1 }),
		}, "file /etc/f access=rename layer=image" + by + "\nfile /etc/g access=create layer=upper" + by},
		"proc is outside": {[]event{with(open, func(e *event) { e.text, e.full = "/proc/self/maps", names("/proc/1/maps") })}, ""},
		"proc leads inside": {[]event{with(open, func(e *event) {
			e.text, e.full = "/proc/self/exe", names("/usr/bin/a")
		})}, "file /usr/bin/a access=open,read layer=image" + by},
		"io_uring": {[]event{with(open, func(e *event) {
			e.text, e.nr, e.arg = "/etc/f", 18, argURing
		})}, "file /etc/f access=open layer=image" + by},
		"mmap": {[]event{
			{kind: eventFD, exe: 1, nr: nrOf("mmap"), flags: 5, full: names("/lib/x")},
			{kind: eventFD, exe: 1, nr: nrOf("mmap"), flags: 1, full: names("/lib/y")},
			{kind: eventFD, exe: 1, nr: nrOf("mmap"), flags: 5, full: names("/memfd:z"), arg: argNameless},
		}, "file /lib/x access=mmap-exec layer=upper" + by + "\nfile /lib/y access=mmap layer=upper" + by},
		"list": {[]event{
			{kind: eventFD, exe: 1, nr: nrOf("getdents64"), full: names("/usr/bin"), epoch: 1},
		}, "file /usr/bin access=list layer=image by=/usr/bin/a phase=serving"},
		"bind of a unix socket": {[]event{
			{kind: eventBind, exe: 1, sock: socket{family: familyUnix}, text: "s\x00", base: names("/run")},
		}, "file /run/s access=create layer=upper" + by},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, f := folded(t, Options{Resolve: smallImage}, append([]event{app}, tc.events...)...)
			_, got, _ := strings.Cut(strings.TrimSuffix(outline(p), "\n"), "\n")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if f.odd+f.facts.Refused() != 0 {
				t.Errorf("%d odd, %d refused", f.odd, f.facts.Refused())
			}
		})
	}
}

func TestFoldExecutions(t *testing.T) {
	t.Parallel()
	script := executed(2, 1, "/usr/bin/sh", "/bin/sh", "/start")
	script.text, script.rest = "start", []byte("/bin/sh\x00/bin/sh\x00/start\x00")
	byFD := executed(3, 1, "/usr/bin/a", "a")
	byFD.text, byFD.rest = "/dev/fd/3", []byte("/dev/fd/3\x00a\x00")
	memfd := executed(4, 1, "/memfd:x", "x")
	memfd.arg = argNameless
	first := executed(1, 0, "/usr/bin/a", "applet")
	first.mode, first.flags = originEntrypoint|0x100, 1000
	entered := executed(5, 0, "/usr/bin/sh", "sh", "-c", "true")
	entered.mode = originEntered
	child := executed(6, 5, "/usr/bin/a", "a")
	child.mode = originEnteredChild
	other := executed(7, 0, "/usr/bin/sh", "bash")
	other.mode = originEntered
	p, _ := folded(t, Options{
		Resolve: smallImage, Probes: [][]string{{"sh", "-c", "true"}}, Argv: true,
		Loader: func(path string) string { return map[string]string{"/usr/bin/a": "/lib/ld.so"}[path] },
	}, first, script, byFD, memfd, entered, child, other)
	want := `exec /memfd:x::x parents=/usr/bin/a::applet origin=child phase=startup layer=memfd uids=0 argv=x n=1
exec /usr/bin/a parents=/usr/bin/a::applet,/usr/bin/sh origin=child,probe phase=startup layer=image uids=0 argv=a n=2
exec /usr/bin/a::applet origin=entrypoint phase=startup layer=image uids=1000 tty=true argv=applet n=1
exec /usr/bin/sh via=/bin/sh scripts=/start parents=/usr/bin/a::applet origin=child,probe phase=startup layer=image uids=0 argv=/bin/sh,/start,sh,-c,true n=2
exec /usr/bin/sh::bash origin=attach phase=startup layer=image uids=0 argv=bash n=1
file /start access=exec layer=image by=/usr/bin/sh phase=startup
`
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(outline(p), "\n")); diff != "" {
		t.Error(diff)
	}
	if loader := p.Executables[1].Loader; len(loader) != 1 || loader[0] != "/lib/ld.so" {
		t.Errorf("loader %q", loader)
	}
	if !p.Sources[0].Complete {
		t.Errorf("notes %q", p.Sources[0].Notes)
	}
}

func TestBetween(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		argv []string
		want []string
	}{
		{[]string{"/bin/sh", "/start", "x"}, nil},
		{[]string{"/bin/sh", "-e", "/start", "/start"}, []string{}},
		{[]string{"/bin/sh", "/bin/middle", "/start", "/etc/x"}, []string{"/bin/middle"}},
		{[]string{"/bin/sh", "-e", "/bin/b", "-x", "/bin/a", "/start"}, []string{"/bin/b", "/bin/a"}},
		{[]string{"/bin/sh", "/bin/cut"}, nil}, // the command line was too long
		{nil, nil},
	} {
		if diff := cmp.Diff(tt.want, between(tt.argv, "/start")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.argv, diff)
		}
	}
}

func TestFoldConnections(t *testing.T) {
	t.Parallel()
	connect := func(s socket, errno int32) event { return event{kind: eventConnect, exe: 1, sock: s, ret: -errno} }
	ended := func(s socket, state uint8, errno int32) event {
		s.state = state
		return event{kind: eventTCP, exe: 1, sock: s, ret: -errno}
	}
	sent := func(s socket, errno int32) event { return event{kind: eventSent, exe: 1, sock: s, ret: -errno} }
	tcp, udp := tcp4("192.0.2.1:80"), udp4("192.0.2.1:80")
	mptcp := tcp
	mptcp.protocol = protocolMPTCP
	icmp := udp4("192.0.2.1:0")
	icmp.protocol = protocolICMP
	unix := socket{family: familyUnix, kind: sockStream}
	for name, tc := range map[string]struct {
		events []event
		want   string
	}{
		"blocking":                  {[]event{connect(tcp, 0)}, "tcp 192.0.2.1 80 results=established"},
		"refused":                   {[]event{connect(tcp, 111)}, "tcp 192.0.2.1 80 results=refused"},
		"refused, both say so":      {[]event{ended(tcp, 7, 111), connect(tcp, 111)}, "tcp 192.0.2.1 80 results=refused"},
		"unreachable":               {[]event{connect(tcp, 101)}, "tcp 192.0.2.1 80 results=unreachable"},
		"denied":                    {[]event{connect(tcp, 1)}, "tcp 192.0.2.1 80 results=denied"},
		"in progress":               {[]event{connect(tcp, errnoInProgress)}, "tcp 192.0.2.1 80 results=in-progress"},
		"then established":          {[]event{connect(tcp, errnoInProgress), ended(tcp, established, 0)}, "tcp 192.0.2.1 80 results=established"},
		"established before":        {[]event{ended(tcp, established, 0), connect(tcp, errnoInProgress)}, "tcp 192.0.2.1 80 results=established"},
		"then timed out":            {[]event{connect(tcp, errnoInProgress), ended(tcp, 7, 110)}, "tcp 192.0.2.1 80 results=timeout"},
		"given up":                  {[]event{connect(tcp, errnoInProgress), ended(tcp, 7, 0)}, "tcp 192.0.2.1 80 results=in-progress"},
		"once so and once so":       {[]event{connect(tcp, 0), connect(tcp, 111)}, "tcp 192.0.2.1 80 results=established,refused"},
		"of more than one path":     {[]event{connect(mptcp, errnoInProgress), ended(tcp, established, 0)}, "tcp 192.0.2.1 80 results=established"},
		"a bad address":             {[]event{connect(tcp, 22)}, ""},
		"a datagram socket":         {[]event{connect(udp, 0)}, "udp 192.0.2.1 80 results=probe-only"},
		"which sends":               {[]event{connect(udp, 0), sent(udp, 0)}, "udp 192.0.2.1 80 results=sent"},
		"which nobody hears":        {[]event{connect(udp, 0), sent(udp, 111)}, "udp 192.0.2.1 80 results=refused"},
		"which sends without":       {[]event{sent(udp, 0)}, "udp 192.0.2.1 80 results=sent"},
		"which may not yet":         {[]event{sent(udp, 11)}, ""},
		"port 0":                    {[]event{connect(udp4("192.0.2.1:0"), 0)}, ""},
		"ping":                      {[]event{sent(icmp, 0)}, "icmp 192.0.2.1 0 results=sent"},
		"unix":                      {[]event{{kind: eventConnect, exe: 1, sock: unix, text: "/run/s\x00"}}, "unix /run/s 0 results=established"},
		"unix, abstract":            {[]event{{kind: eventConnect, exe: 1, sock: unix, text: "\x00name"}}, "unix @name 0 results=established"},
		"unix, nobody there":        {[]event{{kind: eventConnect, exe: 1, sock: unix, text: "/run/s\x00", ret: -111}}, "unix /run/s 0 results=refused"},
		"IPv6":                      {[]event{connect(socket{family: familyIPv6, kind: sockStream, protocol: 6, remote: netip.MustParseAddrPort("[2001:db8::1]:443")}, 0)}, "tcp 2001:db8::1 443 results=established"},
		"IPv4 on an IPv6 socket":    {[]event{connect(socket{family: familyIPv6, kind: sockStream, protocol: 6, remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:80")}, 0)}, "tcp 192.0.2.1 80 results=established"},
		"a protocol nobody knows":   {[]event{connect(socket{family: familyIPv4, kind: 5, protocol: 33, remote: netip.MustParseAddrPort("192.0.2.1:80")}, 0)}, ""},
		"neither internet nor unix": {[]event{connect(socket{family: 16}, 0)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, f := folded(t, Options{}, append([]event{executed(1, 0, "/a", "a")}, tc.events...)...)
			want := ""
			if tc.want != "" {
				want = "connect " + tc.want + " by=/a attribution=process\n"
			}
			_, got, _ := strings.Cut(outline(p), "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if f.odd+f.facts.Refused() != 0 {
				t.Errorf("%d odd, %d refused", f.odd, f.facts.Refused())
			}
		})
	}
}

func TestFoldCapabilities(t *testing.T) {
	t.Parallel()
	check := func(number uint32, call string, ret int32) event {
		return event{kind: eventCap, exe: 1, mode: number, nr: nrOf(call), ret: ret}
	}
	p, _ := folded(t, Options{}, executed(1, 0, "/a", "a"),
		check(0, "chown", 0), check(13, "socket", -1), check(13, "socket", 0), check(capSysAdmin, "mmap", -1),
		check(capSysAdmin, "write", -1), check(99, "socket", 0))
	var got []string
	for _, c := range p.Capabilities {
		got = append(got, c.Name+" "+strings.Join(c.Result, ",")+" "+strings.Join(c.By, ",")+" "+strings.Join(c.Phase, ","))
	}
	if diff := cmp.Diff([]string{"CHOWN granted /a app", "NET_RAW denied,granted /a app"}, got); diff != "" {
		t.Error(diff)
	}
	p, _ = folded(t, Options{}, executed(1, 0, "/a", "a"), check(capSysAdmin, "mount", 0))
	if len(p.Capabilities) != 1 || p.Capabilities[0].Name != "SYS_ADMIN" {
		t.Errorf("%v", p.Capabilities)
	}
}
