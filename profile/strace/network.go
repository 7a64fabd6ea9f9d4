package strace

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// maxHeard is how many peers of one UDP socket are told apart. Beyond them
// everyone has been heard.
const maxHeard = 1024

// isNetworkCall reports whether a call is about sockets, or moves data and so
// tells that a connection came about.
func isNetworkCall(name string) bool {
	switch name {
	case "socket", "connect", "bind", "listen", "accept", "accept4", "getsockopt", "getpeername",
		"send", "sendto", "sendmsg", "sendmmsg", "write", "writev", "sendfile", "sendfile64", "splice",
		"recv", "recvfrom", "recvmsg", "recvmmsg", "read", "readv":
		return true
	default:
		return false
	}
}

// handleNetwork handles the calls of isNetworkCall.
func (t *tracer) handleNetwork(p *process, c call, args []string, res result) bool {
	if !isNetworkCall(c.name) || len(args) == 0 {
		return isNetworkCall(c.name)
	}
	if c.name == "socket" {
		if len(args) > 2 && res.ok() {
			p.files.set(int(res.value), &file{sock: &socket{proto: protoOf(args[0], args[1], args[2]), fresh: true}})
		}
		return true
	}
	if c.name == "splice" && len(args) > 2 {
		args = args[2:] // where it goes to
	}
	s, info := t.socketOf(p, args[0])
	if s == nil {
		return true
	}
	switch c.name {
	case "connect":
		t.connect(p, s, args, res)
	case "bind":
		t.bind(p, s, args, res)
	case "listen":
		t.listen(p, s, info, res)
	case "accept", "accept4":
		t.accept(p, s, args, res)
	case "getsockopt":
		if len(args) > 3 && args[2] == "SO_ERROR" && res.ok() {
			t.socketError(s, args[3])
		}
	case "getpeername":
		if res.ok() && s.proto != "udp" {
			t.settle(s, profile.ResultEstablished)
		}
	case "recv", "recvfrom", "recvmsg", "recvmmsg", "read", "readv":
		t.received(p, s, c.name, args, res)
	default:
		t.sent(p, s, c.name, args, res)
	}
	return true
}

// socketOf is the socket that an argument refers to, or nil. Those that were
// made out of sight are known by what -yy tells.
func (t *tracer) socketOf(p *process, arg string) (*socket, socketInfo) {
	fd, ok := parseFD(arg)
	if !ok || fd.number < 0 {
		return nil, socketInfo{}
	}
	info := parseSocketInfo(fd.refers)
	isSocket := info.proto != "" || strings.HasPrefix(fd.refers, "socket:[")
	f := p.files.get(fd.number)
	if fd.refers != "" {
		t.described = true
		if !isSocket {
			return nil, socketInfo{}
		}
	}
	if f == nil || f.sock == nil || info.proto != "" && f.sock.proto != "" && protoDiffers(info.proto, f.sock.proto) {
		if !isSocket {
			return nil, socketInfo{}
		}
		f = &file{sock: &socket{proto: info.proto, local: addressOf(info.local), inbound: info.remote.IsValid()}}
		p.files.set(fd.number, f)
	}
	return f.sock, info
}

// protoDiffers reports whether two protocols cannot be of one socket. A raw
// socket of ICMP is shown as RAW.
func protoDiffers(a, b string) bool { return a != b && a != "raw" }

func addressOf(end netip.AddrPort) address {
	return address{ip: end.Addr(), port: int(end.Port())}
}

// edgeKey is what tells the connections of a program apart.
type edgeKey struct {
	proto, peer string
	port        int
	by          string
}

// connect is an attempt to connect as the collector has it.
func (k edgeKey) connect() fold.Connect {
	x := fold.Connect{Proto: k.proto, Port: k.port, By: k.by, Peer: profile.Peer{IP: k.peer}}
	if k.proto == "unix" {
		x.Peer = profile.Peer{Path: profile.Path(k.peer)}
	}
	return x
}

// attempt notes an attempt to connect. Where its result is not known yet, it is
// what unless says if it is never settled.
func (t *tracer) attempt(key edgeKey, result, unless string) *fold.Edge {
	x := key.connect()
	x.Result, x.Unless, x.Phase, x.At = result, unless, t.phase, t.now
	return t.facts.Connect(x)
}

// edgeTo is the key of connections of p to a peer; ok is false for peers that
// say nothing.
func (t *tracer) edgeTo(p *process, s *socket, to address) (edgeKey, bool) {
	if !p.inside {
		return edgeKey{}, false
	}
	key := edgeKey{proto: s.proto, by: p.key}
	if to.unix {
		key.proto, key.peer = "unix", to.path
		if to.path == "" || strings.Contains(to.path, "\x00") {
			return key, false
		}
		if !strings.HasPrefix(to.path, "@") {
			file, ok := t.inContainer(p, t.resolve(p, "", to.path))
			key.peer = file
			return key, ok
		}
		return key, true
	}
	key.peer = to.ip.String()
	switch s.proto {
	case "icmp", "icmpv6", "raw":
		return key, true
	case "":
		key.proto = "tcp"
	case "unix":
		return key, false
	}
	key.port = to.port
	// glibc sorts addresses by connecting to port 0 of them.
	return key, to.port != 0
}

func (t *tracer) connect(p *process, s *socket, args []string, res result) {
	if len(args) < 2 {
		return
	}
	to, ok := parseAddress(args[1])
	if !ok {
		return
	}
	if to.unix && !strings.HasPrefix(to.path, "@") && (res.errno == "ENOENT" || res.errno == "ENOTDIR") {
		t.notFound(p, t.resolve(p, "", to.path), "connect", res)
		return
	}
	if res.errno == "EISCONN" {
		t.settle(s, profile.ResultEstablished)
		return
	}
	key, ok := t.edgeTo(p, s, to)
	if !ok {
		return
	}
	if s.edge != nil && s.edgeKey == key {
		if res.ok() {
			t.settle(s, profile.ResultEstablished)
		} else if result := resultOf(res.errno); result != "" {
			t.settle(s, result)
		}
		return
	}
	s.peer, s.edgeKey = to, key
	s.edge = nil
	switch result := resultOf(res.errno); {
	case res.ok() && key.proto == "udp":
		s.edge = t.attempt(key, "", profile.ResultProbeOnly)
	case res.ok():
		t.attempt(key, profile.ResultEstablished, "")
	case result != "":
		t.attempt(key, result, "")
	default: // EINPROGRESS, interrupted, or not known
		s.edge = t.attempt(key, "", profile.ResultInProgress)
	}
}

// resultOf is the result of a connection that failed, or "" for errors that
// leave it open.
func resultOf(errno string) string {
	switch errno {
	case "ECONNREFUSED", "ECONNRESET", "111", "104":
		return profile.ResultRefused
	case "ETIMEDOUT", "110":
		return profile.ResultTimeout
	case "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "EAFNOSUPPORT", "113", "101", "100", "112", "99":
		return profile.ResultUnreachable
	case "EACCES", "EPERM", "13", "1":
		return profile.ResultDenied
	default:
		return ""
	}
}

// settle says what became of the connection that a socket is about to make.
func (t *tracer) settle(s *socket, result string) {
	if s.edge != nil {
		s.edge.Settle(result)
		s.edge = nil
	}
}

// socketError handles the value of SO_ERROR, [0] or [ECONNREFUSED].
func (t *tracer) socketError(s *socket, value string) {
	value = strings.Trim(value, "[]")
	if value == "0" {
		if s.proto != "udp" {
			t.settle(s, profile.ResultEstablished)
		}
	} else if result := resultOf(value); result != "" {
		t.settle(s, result)
	}
}

func (t *tracer) bind(p *process, s *socket, args []string, res result) {
	if len(args) < 2 || !res.ok() {
		return
	}
	local, ok := parseAddress(args[1])
	if !ok {
		return
	}
	if local.unix {
		if local.path != "" && !strings.HasPrefix(local.path, "@") {
			if host := t.resolve(p, "", local.path); isPath(host) {
				t.found(p, host, "", profile.AccessCreate)
			}
		}
		return
	}
	s.local, s.bound = local, local.port != 0
	if s.proto == "udp" && s.bound {
		t.listens(p, s, local, false)
	}
}

func (t *tracer) listen(p *process, s *socket, info socketInfo, res result) {
	if !res.ok() {
		return
	}
	defer t.serves(p) // after this call
	if s.proto == "unix" {
		return
	}
	ephemeral := s.fresh && !s.bound
	if info.local.IsValid() {
		s.local = addressOf(info.local)
	}
	if !s.local.ip.IsValid() && !s.fresh {
		return // made out of sight and not described
	}
	t.listens(p, s, s.local, ephemeral)
}

func (t *tracer) listens(p *process, s *socket, local address, ephemeral bool) {
	if !p.inside {
		return
	}
	key := fold.Listen{Proto: s.proto, Port: local.port, Ephemeral: ephemeral, By: p.key, Phase: t.phase, At: t.now}
	if local.ip.IsValid() {
		key.Addr = local.ip.String()
	}
	if key.Proto == "" {
		key.Proto = "tcp"
	}
	if key.Proto != "tcp" && key.Proto != "udp" && key.Proto != "sctp" || key.Port == 0 && !ephemeral {
		return
	}
	t.facts.Listen(key)
}

func (t *tracer) accept(p *process, s *socket, args []string, res result) {
	if !res.ok() {
		return
	}
	t.serves(p)
	own := &socket{proto: s.proto, local: s.local, inbound: true}
	p.files.set(int(res.value), &file{sock: own})
	if s.proto == "unix" {
		return
	}
	info := parseSocketInfo(res.fd)
	if info.local.IsValid() {
		own.local = addressOf(info.local)
	}
	peer := addressOf(info.remote)
	if len(args) > 1 {
		if a, ok := parseAddress(args[1]); ok && !a.unix {
			peer = a
		}
	}
	own.peer = peer
	t.visited(p, own, peer)
}

// visited notes a peer that came to a socket of ours.
func (t *tracer) visited(p *process, s *socket, peer address) {
	if !p.inside || s.local.port == 0 || s.proto == "unix" {
		return
	}
	visit := fold.Accept{Proto: s.proto, Port: s.local.port, By: p.key, Phase: t.phase, At: t.now}
	if visit.Proto == "" {
		visit.Proto = "tcp"
	}
	if visit.Proto != "tcp" && visit.Proto != "udp" && visit.Proto != "sctp" {
		return
	}
	if peer.ip.IsValid() {
		visit.Peer.IP = peer.ip.String()
	}
	t.facts.Accept(visit)
}

// hear notes from whom a bound UDP socket received, so that answers are not
// taken for connections.
func (s *socket) hear(from address) {
	if s.heard == nil {
		s.heard = map[string]bool{}
	}
	if len(s.heard) < maxHeard {
		s.heard[endpoint(from)] = true
	}
}

func (s *socket) hasHeard(from address) bool {
	return len(s.heard) >= maxHeard || s.heard[endpoint(from)]
}

func endpoint(a address) string { return a.ip.String() + " " + strconv.Itoa(a.port) }
