package trace

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// adopted is the bit of ids of programs that ran before the recording.
const adopted = 1 << 63

// adoptProgram notes a program that ran before the recording, and gives its id.
func (f *folder) adoptProgram(exe string, argv []string, parent string) uint64 {
	x := fold.Exec{
		Path: profile.Path(exe), As: profile.Applet(profile.Path(exe), titleless(argv[0])), Parent: parent,
		Origin: profile.OriginUnknown, Layer: f.layer(exe, f.inImage(exe)), Loader: profile.Path(f.loaderOf(exe)),
	}
	if f.opts.Argv {
		x.Command = f.redactor.line(argv)
	}
	entry := f.facts.Exec(x)
	id := adopted | uint64(len(f.programs))
	f.remember(id, program{key: entry.Key()})
	return id
}

// titleless is argv[0], or "" where the program wrote a title over it, such as
// "nginx: master process".
func titleless(argv0 string) string {
	if strings.ContainsAny(argv0, ": ") {
		return ""
	}
	return argv0
}

// parentOf is the parent in a file /proc/PID/stat: the second field after the
// name in parentheses.
func parentOf(stat string) int {
	_, rest, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	pid, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return pid
}

// mapped is the files in a file /proc/PID/maps, and how they are mapped.
func mapped(maps string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		at := strings.IndexByte(line, '/')
		if len(fields) < 6 || at < 0 {
			continue
		}
		path := strings.TrimSuffix(line[at:], "\n")
		if strings.HasSuffix(path, " (deleted)") || strings.HasPrefix(path, "/memfd:") || !strings.HasPrefix(fields[5], "/") {
			continue
		}
		if strings.Contains(fields[1], "x") {
			out[path] = profile.AccessMmapExec
		} else if out[path] == "" {
			out[path] = profile.AccessMmap
		}
	}
	return out
}

// openSocket is a line of /proc/PID/net/tcp and the like.
type openSocket struct {
	proto         string
	local, remote netip.AddrPort
	listening     bool
	connecting    bool // nobody has answered yet
	inode         string
}

// socketTable reads such a file: addresses are hexadecimal words of four bytes in
// the machine's order, ports are hexadecimal, the state 0A is listening, 02 is
// connecting and 07, of UDP, not connected.
func socketTable(text, table string) []openSocket {
	var out []openSocket
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 10 || !strings.HasSuffix(fields[0], ":") {
			continue
		}
		s := openSocket{proto: strings.TrimSuffix(table, "6"), inode: fields[9]}
		s.listening = s.proto == "tcp" && fields[3] == "0A" || s.proto == "udp" && fields[3] == "07"
		s.connecting = s.proto == "tcp" && fields[3] == "02"
		var ok, also bool
		s.local, ok = hexEndpoint(fields[1])
		s.remote, also = hexEndpoint(fields[2])
		if ok && also {
			out = append(out, s)
		}
	}
	return out
}

func hexEndpoint(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	raw, hexErr := hex.DecodeString(host)
	if err != nil || hexErr != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.LittleEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}

// adoptSockets notes the sockets that a process has open, by their inodes.
func (f *folder) adoptSockets(all []openSocket, inodes map[string]bool, e event) {
	ours := map[string]bool{}
	for _, s := range all {
		if s.listening {
			ours[s.proto+strconv.Itoa(int(s.local.Port()))] = true
		}
	}
	for _, s := range all {
		if !inodes[s.inode] {
			continue
		}
		by, port := f.by(e), int(s.local.Port())
		result := profile.ResultEstablished
		if s.connecting {
			result = profile.ResultInProgress
		}
		if !s.listening && s.remote.Port() != 0 {
			f.alreadyOpen[s.inode] = true
		}
		switch {
		case s.listening:
			f.facts.Listen(fold.Listen{Proto: s.proto, Addr: s.local.Addr().String(), Port: port, By: by})
		case s.remote.Port() == 0:
		case ours[s.proto+strconv.Itoa(port)]:
			f.facts.Accept(fold.Accept{Proto: s.proto, Port: port, Peer: profile.Peer{IP: s.remote.Addr().String()}, By: by})
		default:
			f.facts.Connect(fold.Connect{
				Proto: s.proto, Port: int(s.remote.Port()), Peer: profile.Peer{IP: s.remote.Addr().String()}, By: by,
				Result: result, AlreadyOpen: true,
			})
		}
	}
}
