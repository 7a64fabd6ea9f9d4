package trace

import (
	"net/netip"
	"time"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

const (
	sockStream  = 1
	sockRaw     = 3
	portLocked  = 8
	established = 1
	dnsPort     = 53

	protocolICMP   = 1
	protocolICMPv6 = 58
	protocolMPTCP  = 262 // TCP to everybody who looks on
)

// Error numbers of connections, the same on amd64 and arm64.
const (
	errnoInterrupted = 4
	errnoInProgress  = 115
	errnoAlready     = 114
	errnoConnected   = 106
)

type edgeKey struct {
	exe, epoch uint64
	proto      string
	peer       netip.AddrPort
}

// network notes an event of a socket.
func (f *folder) network(e event) {
	if e.sock.family == familyUnix {
		f.unix(e)
		return
	}
	proto := protoOf(e.sock)
	if proto == "" {
		return
	}
	switch e.kind {
	case eventConnect:
		f.connect(e, proto)
	case eventTCP:
		f.settled(e, proto)
	case eventSent:
		f.sent(e, proto)
	case eventBind:
		if e.sock.locks&portLocked != 0 {
			f.listens(e, proto)
		}
	case eventListen:
		f.listens(e, proto)
	case eventAccept, eventHeard:
		f.accepted(e, proto)
	case eventData:
		f.data(e)
	}
}

func protoOf(s socket) string {
	if s.kind == sockRaw && s.protocol != protocolICMP && s.protocol != protocolICMPv6 {
		return "raw"
	}
	if s.protocol == protocolMPTCP {
		return "tcp"
	}
	return fold.Proto(int(s.protocol))
}

func hasPorts(proto string) bool { return proto == "tcp" || proto == "udp" || proto == "sctp" }

// edge makes the observation of a peer; ok is false for peers that say nothing.
// glibc sorts addresses by connecting to port 0 of them.
func (f *folder) edge(e event, proto string) (fold.Connect, bool) {
	peer := e.sock.remote
	x := fold.Connect{Proto: proto, Peer: profile.Peer{IP: peer.Addr().String()}, By: f.by(e), Phase: f.phase(e)}
	if hasPorts(proto) {
		x.Port = int(peer.Port())
	}
	return x, peer.IsValid() && (!hasPorts(proto) || x.Port != 0)
}

func keyOf(e event, proto string) edgeKey {
	return edgeKey{e.exe, uint64(e.epoch), proto, e.sock.remote}
}

// connect notes a call of connect.
func (f *folder) connect(e event, proto string) {
	x, ok := f.edge(e, proto)
	if !ok {
		return
	}
	key := keyOf(e, proto)
	before, known := f.pending[key]
	result := resultOf(-e.ret)
	switch {
	case e.ret == 0 && proto != "tcp" && proto != "sctp":
		x.Unless = profile.ResultProbeOnly
	case e.ret == 0 || -e.ret == errnoConnected:
		x.Result = profile.ResultEstablished
	case result != "":
		x.Result = result
	case -e.ret != errnoInProgress && -e.ret != errnoInterrupted && -e.ret != errnoAlready:
		return
	}
	if known && (x.Result == "" || x.Result == before.result) {
		return // its end was seen, or is awaited
	}
	edge := f.facts.Connect(x)
	f.counted(e, edge.Again)
	if !known && x.Result == "" {
		f.await(key, attempt{edge: edge})
	}
}

// attempt is a connection under way, or its end.
type attempt struct {
	edge   *fold.Edge
	result string
}

func (f *folder) await(key edgeKey, a attempt) {
	if _, ok := f.pending[key]; !ok && len(f.pending) >= maxPending {
		f.overflown++
		return
	}
	f.pending[key] = a
}

// settle says what became of a connection under way, and whether there was one.
func (f *folder) settle(key edgeKey, result string) bool {
	a := f.pending[key]
	f.await(key, attempt{result: result})
	if a.edge != nil {
		a.edge.Settle(result)
	}
	return a.edge != nil
}

// settled notes what became of a TCP connection.
func (f *folder) settled(e event, proto string) {
	x, ok := f.edge(e, proto)
	if !ok {
		return
	}
	result := profile.ResultEstablished
	if e.sock.state != established {
		if result = resultOf(-e.ret); result == "" {
			return // given up by the program
		}
	}
	if !f.settle(keyOf(e, proto), result) {
		x.Result = result
		f.counted(e, f.facts.Connect(x).Again)
	}
}

// sent notes a packet, or that it could not be sent.
func (f *folder) sent(e event, proto string) {
	x, ok := f.edge(e, proto)
	if !ok {
		return
	}
	x.Result = profile.ResultSent
	if e.ret < 0 {
		if x.Result = resultOf(-e.ret); x.Result == "" {
			return
		}
	}
	if !f.settle(keyOf(e, proto), x.Result) {
		f.counted(e, f.facts.Connect(x).Again)
	}
}

// resultOf is the result of a connection that failed, or "" for errors that
// leave it open.
func resultOf(errno int32) string {
	switch errno {
	case 111, 104: // refused, reset
		return profile.ResultRefused
	case 110:
		return profile.ResultTimeout
	case 97, 99, 100, 101, 112, 113: // no such family or address, network or host down or unreachable
		return profile.ResultUnreachable
	case 1, 13:
		return profile.ResultDenied
	default:
		return ""
	}
}

func (f *folder) listens(e event, proto string) {
	if !hasPorts(proto) {
		return
	}
	f.facts.Listen(fold.Listen{
		Proto: proto, Addr: e.sock.local.Addr().String(), Port: int(e.sock.local.Port()),
		Ephemeral: e.sock.locks&portLocked == 0, By: f.by(e), Phase: f.phase(e),
	})
}

func (f *folder) accepted(e event, proto string) {
	if !hasPorts(proto) || e.sock.local.Port() == 0 {
		return
	}
	f.facts.Accept(fold.Accept{
		Proto: proto, Port: int(e.sock.local.Port()), Peer: profile.Peer{IP: e.sock.remote.Addr().String()},
		By: f.by(e), Phase: f.phase(e),
	})
}

// unix notes a call that names a unix socket.
func (f *folder) unix(e event) {
	if e.text == "" {
		return
	}
	name := cutNUL(e.text)
	abstract := e.text[0] == 0
	if abstract {
		name = "@" + cutNUL(e.text[1:])
	} else {
		name = join(walked(e.base), name)
	}
	switch {
	case e.kind == eventBind && !abstract:
		f.found(name, "", e, profile.AccessCreate)
	case e.kind == eventConnect && !abstract && isMissing(errnoName(-e.ret)):
		f.facts.Missing(fold.Missing{Path: profile.Path(name), Errno: errnoName(-e.ret), Op: "connect", By: f.by(e)})
	case e.kind == eventConnect:
		x := fold.Connect{Proto: "unix", Peer: profile.Peer{Path: profile.Path(name)}, By: f.by(e), Phase: f.phase(e)}
		x.Result = profile.ResultEstablished
		if e.ret < 0 {
			if x.Result = resultOf(-e.ret); x.Result == "" {
				x.Result = profile.ResultInProgress
			}
		}
		f.counted(e, f.facts.Connect(x).Again)
	}
}

func cutNUL(s string) string {
	for i := range len(s) {
		if s[i] == 0 {
			return s[:i]
		}
	}
	return s
}

// timeless is the time of observations that are sent once: the time of the
// first one would be taken for that of the last as well.
func timeless() time.Time { return time.Time{} }
