package trace

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// raw makes the bytes of an event as the kernel side sends it.
func raw(e event) []byte {
	le := binary.LittleEndian
	out := make([]byte, headSize)
	le.PutUint64(out[8:], e.key)
	le.PutUint64(out[16:], e.exe)
	le.PutUint64(out[24:], e.aux)
	le.PutUint32(out[48:], e.dev)
	le.PutUint32(out[64:], e.tgid)
	le.PutUint32(out[68:], uint32(e.ret))
	le.PutUint32(out[72:], e.mode)
	le.PutUint32(out[76:], e.flags)
	le.PutUint32(out[80:], e.epoch)
	le.PutUint16(out[84:], e.nr)
	out[86], out[87] = e.kind, e.arg
	for i, n := range []int{len(e.text), len(e.base), len(e.full), len(e.rest)} {
		le.PutUint16(out[88+2*i:], uint16(n))
	}
	if e.kind >= eventConnect && e.kind <= eventTCP {
		out = append(out, rawSocket(e.sock)...)
	}
	out = append(out, e.text...)
	if e.kind == eventExec || e.kind == eventPath {
		out = append(out, 0)
	}
	out = append(out, e.rest...)
	out = append(out, e.base...)
	return append(out, e.full...)
}

func rawSocket(s socket) []byte {
	le := binary.LittleEndian
	out := make([]byte, socketSize)
	le.PutUint16(out[0:], s.family)
	le.PutUint16(out[2:], s.kind)
	le.PutUint16(out[4:], s.protocol)
	le.PutUint16(out[6:], s.local.Port())
	le.PutUint16(out[8:], s.remote.Port())
	out[10], out[11] = s.state, s.locks
	for i, a := range []netip.Addr{s.local.Addr(), s.remote.Addr()} {
		switch {
		case !a.IsValid():
		case s.family == familyIPv4:
			four := a.As4()
			copy(out[16+16*i:], four[:])
		default:
			sixteen := a.As16()
			copy(out[16+16*i:], sixteen[:])
		}
	}
	return out
}

// names makes a walk of a path: leaf first, a NUL after each name.
func names(path string) []byte {
	var out []byte
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := len(parts) - 1; i >= 0 && path != "/"; i-- {
		out = append(append(out, parts[i]...), 0)
	}
	return out
}

// nrOf is the number of a system call on amd64.
func nrOf(name string) uint16 {
	for nr, other := range amd64Names() {
		if other == name {
			return uint16(nr)
		}
	}
	return 511
}

// tcp4 and udp4 are sockets to a peer.
func tcp4(remote string) socket {
	return socket{family: familyIPv4, kind: sockStream, protocol: 6, remote: netip.MustParseAddrPort(remote)}
}

func udp4(remote string) socket {
	return socket{family: familyIPv4, kind: 2, protocol: 17, remote: netip.MustParseAddrPort(remote)}
}

// executed is the execution of a program with an id, by the one before it.
func executed(id, parent uint64, path string, argv ...string) event {
	return event{
		kind: eventExec, exe: id, aux: parent, key: id, mode: originChild, text: path, full: names(path),
		rest: []byte(path + "\x00" + strings.Join(argv, "\x00") + "\x00"),
	}
}
