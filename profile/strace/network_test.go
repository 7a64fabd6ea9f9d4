package strace

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	const start = `1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0` + "\n"
	for name, s := range map[string]scenario{
		"outcomes": {log: `
1 socket(AF_INET, SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
1 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
1 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 4
1 connect(4, {sa_family=AF_INET, sin_port=htons(2), sin_addr=inet_addr("192.0.2.1")}, 16) = -1 EINPROGRESS (Operation now in progress)
1 getsockopt(4, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0
1 socket(AF_INET6, SOCK_STREAM, IPPROTO_IP) = 5
1 connect(5, {sa_family=AF_INET6, sin6_port=htons(3), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:192.0.2.3", &sin6_addr), sin6_scope_id=0}, 28) = -1 ETIMEDOUT (Connection timed out)
1 connect(5, {sa_family=AF_INET6, sin6_port=htons(4), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::4", &sin6_addr), sin6_scope_id=0}, 28) = -1 ENETUNREACH (Network is unreachable)
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 6
1 connect(6, {sa_family=AF_INET, sin_port=htons(5), sin_addr=inet_addr("192.0.2.5")}, 16) = -1 EINPROGRESS (Operation now in progress)
1 write(6, "GET /", 5) = -1 EAGAIN (Resource temporarily unavailable)
1 write(6, "GET /", 5) = 5
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 7
1 connect(7, {sa_family=AF_INET, sin_port=htons(6), sin_addr=inet_addr("192.0.2.6")}, 16) = -1 EINPROGRESS (Operation now in progress)
1 dup(7) = 8
1 connect(8, {sa_family=AF_INET, sin_port=htons(6), sin_addr=inet_addr("192.0.2.6")}, 16) = -1 EISCONN (Transport endpoint is already connected)
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 9
1 connect(9, {sa_family=AF_INET, sin_port=htons(7), sin_addr=inet_addr("192.0.2.7")}, 16) = -1 EINPROGRESS (Operation now in progress)
1 connect(9, {sa_family=AF_UNSPEC}, 16) = 0
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 9
1 connect(9, {sa_family=AF_INET, sin_port=htons(8), sin_addr=inet_addr("192.0.2.8")}, 16) = -1 EACCES (Permission denied)
`, want: `
connect tcp 192.0.2.1 2 [] [refused] by [/app/a]
connect tcp 192.0.2.1 443 [] [established] by [/app/a]
connect tcp 192.0.2.3 3 [] [timeout] by [/app/a]
connect tcp 192.0.2.5 5 [] [established] by [/app/a]
connect tcp 192.0.2.6 6 [] [established] by [/app/a]
connect tcp 192.0.2.7 7 [] [in-progress] by [/app/a]
connect tcp 192.0.2.8 8 [] [denied] by [/app/a]
connect tcp 2001:db8::4 4 [] [unreachable] by [/app/a]
`},
		"datagrams": {log: `
1 socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 3
1 connect(3, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
1 connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
1 connect(3, {sa_family=AF_UNSPEC, sa_data="\0"}, 16) = 0
1 connect(3, {sa_family=AF_INET, sin_port=htons(81), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
1 send(3, "x", 1, 0) = 1
1 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(82), sin_addr=inet_addr("192.0.2.2")}, 16) = 1
1 sendmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(83), sin_addr=inet_addr("192.0.2.3")}, msg_namelen=16, msg_iov=[{iov_base="abc", iov_len=3}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, 0) = 3
1 sendto(3, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(84), sin_addr=inet_addr("192.0.2.4")}, 16) = -1 EPERM (Operation not permitted)
1 socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) = 4<RAW:[119914]>
1 sendto(4<RAW:[119914]>, "\10\0", 8, 0, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("192.0.2.5")}, 16) = 8
1 socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 5
1 bind(5, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0
1 sendto(5, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 20
`, want: `
connect icmp 192.0.2.5 0 [] [sent] by [/app/a]
connect udp 192.0.2.1 80 [] [probe-only] by [/app/a]
connect udp 192.0.2.1 81 [] [sent] by [/app/a]
connect udp 192.0.2.2 82 [] [sent] by [/app/a]
connect udp 192.0.2.3 83 [] [sent] by [/app/a]
connect udp 192.0.2.4 84 [] [denied] by [/app/a]
`},
		"servers": {log: `
1 socket(AF_INET6, SOCK_STREAM, IPPROTO_IP) = 3<TCPv6:[1]>
1 bind(3<TCPv6:[1]>, {sa_family=AF_INET6, sin6_port=htons(8080), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::", &sin6_addr), sin6_scope_id=0}, 28) = 0
1 listen(3<TCPv6:[*:8080]>, 128) = 0
1 accept4(3<TCPv6:[*:8080]>, {sa_family=AF_INET6, sin6_port=htons(57836), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:192.0.2.9", &sin6_addr), sin6_scope_id=0}, [28], SOCK_CLOEXEC) = 5<TCPv6:[[::ffff:192.0.2.1]:8080->[::ffff:192.0.2.9]:57836]>
1 write(5<TCPv6:[[::ffff:192.0.2.1]:8080->[::ffff:192.0.2.9]:57836]>, "x", 1) = 1
1 accept4(3<TCPv6:[*:8080]>, NULL, NULL, 0) = 6<TCPv6:[[::ffff:192.0.2.1]:8080->[2001:db8::7]:57837]>
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 7<TCP:[2]>
1 bind(7<TCP:[2]>, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
1 listen(7<TCP:[127.0.0.1:59263]>, 128) = 0
1 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 8
1 bind(8, {sa_family=AF_INET, sin_port=htons(5353), sin_addr=inet_addr("0.0.0.0")}, 16) = 0
1 recvfrom(8, "q", 512, 0, {sa_family=AF_INET, sin_port=htons(4242), sin_addr=inet_addr("192.0.2.9")}, [16]) = 1
1 sendto(8, "a", 1, 0, {sa_family=AF_INET, sin_port=htons(4242), sin_addr=inet_addr("192.0.2.9")}, 16) = 1
1 sendto(8, "a", 1, 0, {sa_family=AF_INET, sin_port=htons(123), sin_addr=inet_addr("192.0.2.10")}, 16) = 1
1 recvfrom(8, "q", 512, 0, {sa_family=AF_INET, sin_port=htons(123), sin_addr=inet_addr("192.0.2.10")}, [16]) = 1
1 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 9
1 bind(9, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("0.0.0.0")}, 16) = 0
1 listen(10<TCP:[0.0.0.0:7000]>, 5) = 0
1 listen(11, 5) = 0
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 12
1 listen(12, 5) = 0
`, want: `
listen tcp 0.0.0.0 0 true by [/app/a] [serving]
listen tcp 0.0.0.0 7000 false by [/app/a] [serving]
listen tcp 127.0.0.1 59263 true by [/app/a] [serving]
listen tcp :: 8080 false by [/app/a] [startup]
listen udp 0.0.0.0 5353 false by [/app/a] [serving]
accept tcp 8080 from "192.0.2.9" by [/app/a]
accept tcp 8080 from "2001:db8::7" by [/app/a]
accept udp 5353 from "192.0.2.9" by [/app/a]
connect udp 192.0.2.10 123 [] [sent] by [/app/a]
`},
		"unix": {log: `
1 socket(AF_UNIX, SOCK_STREAM, 0) = 3
1 connect(3, {sa_family=AF_UNIX, sun_path="/run/db.sock"}, 110) = 0
1 write(3, "x", 1) = 1
1 connect(3, {sa_family=AF_UNIX, sun_path=@"bus"}, 110) = -1 ECONNREFUSED (Connection refused)
1 connect(3, {sa_family=AF_UNIX, sun_path="/run/none"}, 110) = -1 ENOENT (No such file or directory)
1 bind(3, {sa_family=AF_UNIX, sun_path="/run/own.sock"}, 110) = 0
1 listen(3, 5) = 0
1 accept(3, {sa_family=AF_UNIX}, [110 => 2]) = 4
`, want: `
file "/run/own.sock" via [] [create] by [/app/a] [startup]
missing "/run/none" [ENOENT] [connect] by [/app/a]
connect unix /run/db.sock 0 [] [established] by [/app/a]
connect unix @bus 0 [] [refused] by [/app/a]
`},
		"names": {log: `
1 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 3
1 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.53")}, 16) = 0
1 sendmmsg(3, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="\1\1\1\0\0\1\0\0\0\0\0\0\3Api\7example\0\0\1\0\1", iov_len=29}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=29}, {msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="\1\2\1\0\0\1\0\0\0\0\0\0\3Api\7example\0\0\34\0\1", iov_len=29}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, msg_len=29}], 2, MSG_NOSIGNAL) = 2
1 recvfrom(3, "\1\1\201\200\0\1\0\2\0\0\0\0\3Api\7example\0\0\1\0\1\300\f\0\5\0\1\0\0\0<\0\2\300\f\300\f\0\1\0\1\0\0\0<\0\4\300\0\2\1", 2048, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.53")}, [28 => 16]) = 50
1 recvfrom(3, "\1\2\201\200\0\1\0\1\0\0\0\0\3Api\7example\0\0\34\0\1\300\f\0\34\0\1\0\0\0<\0\20 \1\r\270\0\0\0\0\0\0\0\0\0\0\0\1", 2048, 0, NULL, NULL) = 50
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 4
1 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
1 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 4
1 connect(4, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = 0
1 fork() = 2
2 execve("/app/b", ["b"], 0x7ffe /* 3 vars */) = 0
2 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.1")}, 16) = 0
1 sendto(3, "\1\1\1\0\0\1\0\0\0\0\0\0\3ap"..., 29, MSG_NOSIGNAL, NULL, 0) = 29
`, want: `
connect tcp 192.0.2.1 443 [api.example] [established] by [/app/a]
connect tcp 192.0.2.1 443 [] [established] by [/app/b]
connect tcp 2001:db8::1 443 [api.example] [established] by [/app/a]
connect udp 192.0.2.53 53 [] [sent] by [/app/a]
dns api.example A [192.0.2.1] by [/app/a]
dns api.example AAAA [2001:db8::1] by [/app/a]
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustImport(t, []Input{{"log", strings.NewReader(start + strings.TrimPrefix(s.log, "\n"))}}, s.opts)
			p.Executables = nil
			if diff := cmp.Diff(strings.TrimPrefix(s.want, "\n"), brief(p)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseDNS(t *testing.T) {
	t.Parallel()
	const question = "\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x02io\x00\x00\x01\x00\x01"
	for name, tc := range map[string]struct {
		proto, in string
		want      dnsMessage
		ok        bool
	}{
		"question":     {"udp", question, dnsMessage{questions: []questionKey{{"a.io", "A"}}}, true},
		"over tcp":     {"tcp", "\x00\x16" + question, dnsMessage{questions: []questionKey{{"a.io", "A"}}}, true},
		"cut":          {"udp", question[:len(question)-1], dnsMessage{}, false},
		"not a name":   {"udp", strings.Replace(question, "a", "\n", 1), dnsMessage{}, false},
		"no question":  {"udp", "\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", dnsMessage{}, false},
		"other opcode": {"udp", "\x00\x01\x29" + question[3:], dnsMessage{}, false},
		"other type":   {"udp", question[:len(question)-4] + "\x01\x01\x00\x01", dnsMessage{questions: []questionKey{{"a.io", "TYPE257"}}}, true},
		"garbage":      {"udp", strings.Repeat("\xff", 40), dnsMessage{}, false},
		"short":        {"udp", "x", dnsMessage{}, false},
	} {
		got, ok := parseDNS(tc.proto, tc.in)
		if ok != tc.ok || ok && cmp.Diff(tc.want, got, cmp.AllowUnexported(dnsMessage{}, questionKey{})) != "" {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
}

func TestParseAddress(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.1")}`:                                                                    "192.0.2.1 53 ",
		`{sa_family=AF_INET6, sin6_port=htons(1), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:192.0.2.1", &sin6_addr), sin6_scope_id=0}`:      "192.0.2.1 1 ",
		`{sa_family=AF_INET6, sin6_port=htons(1), inet_pton(AF_INET6, "fe80::1", &sin6_addr), sin6_flowinfo=0, sin6_scope_id=if_nametoindex("eth0")}`: "fe80::1 1 ",
		`{sa_family=AF_UNIX, sun_path="/run/a\"b"}`: `invalid IP 0 /run/a"b`,
		`{sa_family=AF_UNIX, sun_path=@"x"}`:        "invalid IP 0 @x",
		`{sa_family=AF_UNIX}`:                       "invalid IP 0 ",
	} {
		a, ok := parseAddress(in)
		if got := strings.Join([]string{endpoint(a), a.path}, " "); !ok || got != want {
			t.Errorf("%s is %q %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"", "NULL", "0x7ffe", "{sa_family=AF_NETLINK, nl_pid=0}", `{sa_family=AF_INET, sin_port=htons(99999), sin_addr=inet_addr("192.0.2.1")}`,
		`{sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("192.0.2.1"...)}`, `{sa_family=AF_INET, sin_port=htons(1)}`, "{",
	} {
		if a, ok := parseAddress(in); ok {
			t.Errorf("%s is %+v", in, a)
		}
	}
}

func TestObserves(t *testing.T) {
	t.Parallel()
	p := mustImport(t, []Input{{"log", strings.NewReader(`execve("/a", ["a"], 0x7ffe) = 0` + "\n" + `openat(AT_FDCWD, "/x", O_RDONLY) = 3` + "\n")}},
		Options{Observes: []string{profile.ObservesListen}})
	want := []string{"exec", "exec.script", "net.listen", "open", "read", "write"}
	if diff := cmp.Diff(want, p.Sources[0].Observes); diff != "" {
		t.Error(diff)
	}
	if p.Complete() {
		t.Error("a log is complete although nobody vouches for it")
	}
}
