package trace

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// Kinds of events, as bpf/event.h has them.
const (
	eventExec    = 1
	eventPath    = 2
	eventFD      = 3
	eventConnect = 4
	eventBind    = 5
	eventListen  = 6
	eventAccept  = 7
	eventSent    = 8
	eventHeard   = 9
	eventData    = 10
	eventTCP     = 11
	eventCap     = 12
)

// Bits of event.arg above the number of the argument.
const (
	argURing    = 0x08
	argNameless = 0x10
	argBaseCut  = 0x20
	argFullCut  = 0x40
	argOut      = 0x80
)

const (
	headSize   = 96
	socketSize = 48
)

// event is an event of the kernel side, see struct head in bpf/event.h.
type event struct {
	key, exe, aux uint64
	dev           uint32
	tgid          uint32
	ret           int32
	mode, flags   uint32
	epoch         uint32
	nr            uint16
	kind, arg     uint8

	text string // as requested; data of a socket
	base []byte // the directory that text is relative to, a walk
	full []byte // the resolved object, a walk
	rest []byte // of executions: interpreter, NUL, arguments

	sock socket
}

// socket is the socket of an event.
type socket struct {
	family, kind, protocol uint16
	state, locks           uint8
	local, remote          netip.AddrPort
}

var errEvent = errors.New("an event of the kernel side that makes no sense")

// decode reads an event from the ring. The event refers to raw.
func decode(raw []byte) (event, error) {
	if len(raw) < headSize {
		return event{}, errEvent
	}
	le := binary.LittleEndian
	e := event{
		key: le.Uint64(raw[8:]), exe: le.Uint64(raw[16:]), aux: le.Uint64(raw[24:]),
		dev: le.Uint32(raw[48:]), tgid: le.Uint32(raw[64:]), ret: int32(le.Uint32(raw[68:])),
		mode: le.Uint32(raw[72:]), flags: le.Uint32(raw[76:]), epoch: le.Uint32(raw[80:]),
		nr: le.Uint16(raw[84:]), kind: raw[86], arg: raw[87],
	}
	var lengths [4]int
	for i := range lengths {
		lengths[i] = int(le.Uint16(raw[88+2*i:]))
	}
	data := raw[headSize:]
	if e.kind >= eventConnect && e.kind <= eventTCP {
		if len(data) < socketSize {
			return event{}, errEvent
		}
		e.sock = decodeSocket(data)
		data = data[socketSize:]
	}
	if lengths[0]+lengths[1]+lengths[2]+lengths[3] > len(data) {
		return event{}, errEvent
	}
	take := func(n int) []byte {
		part := data[:n]
		data = data[n:]
		return part
	}
	e.text = string(take(lengths[0]))
	if e.kind == eventExec || e.kind == eventPath {
		if len(data) == 0 || data[0] != 0 {
			return event{}, errEvent
		}
		data = data[1:]
	}
	if lengths[1]+lengths[2]+lengths[3] > len(data) {
		return event{}, errEvent
	}
	e.rest = take(lengths[3])
	e.base = take(lengths[1])
	e.full = take(lengths[2])
	return e, nil
}

// decodeSocket reads struct net.
func decodeSocket(raw []byte) socket {
	le := binary.LittleEndian
	s := socket{
		family: le.Uint16(raw[0:]), kind: le.Uint16(raw[2:]), protocol: le.Uint16(raw[4:]), state: raw[10], locks: raw[11],
	}
	s.local = endpoint(s.family, raw[16:32], le.Uint16(raw[6:]))
	s.remote = endpoint(s.family, raw[32:48], le.Uint16(raw[8:]))
	return s
}

const (
	familyUnix = 1
	familyIPv4 = 2
	familyIPv6 = 10
)

// endpoint makes an address of the 16 bytes that the kernel side keeps for one.
func endpoint(family uint16, raw []byte, port uint16) netip.AddrPort {
	switch family {
	case familyIPv4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw)), port)
	case familyIPv6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw)).Unmap(), port)
	default:
		return netip.AddrPort{}
	}
}

// walked makes a path of names, leaf first, with a NUL after each.
func walked(names []byte) string {
	if len(names) == 0 {
		return "/"
	}
	parts := strings.Split(strings.TrimSuffix(string(names), "\x00"), "\x00")
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}

// join makes a string that a program asked for absolute. Dots and doubled
// slashes go, but ".." stays: what it means is for the image to say.
func join(dir, text string) string {
	if !strings.HasPrefix(text, "/") {
		text = dir + "/" + text
	}
	parts := slices.DeleteFunc(strings.Split(text, "/"), func(s string) bool { return s == "" || s == "." })
	return "/" + strings.Join(parts, "/")
}
