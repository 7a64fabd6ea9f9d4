package tetragon

import (
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// Bits of the kernel's masks.
const (
	mayWrite = 2
	mayRead  = 4
	protExec = 4
	atCWD    = -100
)

// function is what a hooked function means.
type function int

const (
	unknownFunction function = iota
	filePermission           // a file, and a mask of MAY_READ, MAY_WRITE
	fileOpen                 // a file that was opened
	fileMap                  // a file, and a protection
	fileExec                 // a program or an interpreter that is executed
	fileRead
	fileWrite
	openCall     // a path, flags, and a result
	statCall     // a path and a result
	readlinkCall // the same
	execCall     // the same
	tcpConnect   // a socket
	addrConnect  // an address
	udpSend      // a socket or an address
	listens      // a socket
	accepts      // a socket
	checksCapability
)

// meaning is what a function means, by its name without the prefixes of system
// calls and security hooks.
func meaning(name string) function {
	for _, prefix := range []string{"__x64_", "__arm64_", "__ia32_", "security_"} {
		name = strings.TrimPrefix(name, prefix)
	}
	switch name {
	case "file_permission":
		return filePermission
	case "file_open", "fd_install":
		return fileOpen
	case "mmap_file":
		return fileMap
	case "bprm_check", "bprm_check_security", "bprm_creds_from_file":
		return fileExec
	case "sys_read", "sys_readv", "sys_pread64":
		return fileRead
	case "sys_write", "sys_writev", "sys_pwrite64", "path_truncate":
		return fileWrite
	case "sys_open", "sys_openat", "sys_openat2", "sys_creat":
		return openCall
	case "sys_stat", "sys_lstat", "sys_newstat", "sys_newlstat", "sys_newfstatat", "sys_statx", "sys_access", "sys_faccessat", "sys_faccessat2":
		return statCall
	case "sys_readlink", "sys_readlinkat":
		return readlinkCall
	case "sys_execve", "sys_execveat":
		return execCall
	case "tcp_connect":
		return tcpConnect
	case "sys_connect", "socket_connect":
		return addrConnect
	case "udp_sendmsg", "udpv6_sendmsg", "ip4_datagram_connect", "ip6_datagram_connect":
		return udpSend
	case "inet_csk_listen_start", "inet_listen", "socket_listen":
		return listens
	case "inet_csk_accept":
		return accepts
	case "cap_capable", "capable":
		return checksCapability
	default:
		return unknownFunction
	}
}

// Understands reports whether events of a function that a TracingPolicy hooks
// are imported.
func Understands(function string) bool { return meaning(function) != unknownFunction }

// function folds an event of a kprobe or a security hook.
func (r *recording) function(by string, a *activity) {
	m := meaning(a.Function)
	switch m {
	case unknownFunction:
		if len(r.unknown) < 1000 {
			r.unknown[a.Function]++
		}
	case filePermission, fileOpen, fileMap, fileExec, fileRead, fileWrite:
		r.fileFunction(by, m, a)
	case openCall, statCall, readlinkCall, execCall:
		r.pathCall(by, m, a)
	case checksCapability:
		r.capability(by, a)
	default:
		r.socketFunction(by, m, a)
	}
}

// fileFunction folds functions that take an open file.
func (r *recording) fileFunction(by string, m function, a *activity) {
	var mask int64
	for i := range a.Args {
		if n, ok := a.Args[i].number(); ok {
			mask = n // the last one: fd_install has the descriptor first
		}
	}
	access := []string{profile.AccessOpen}
	switch m {
	case filePermission:
		access = access[:0]
		if mask&mayWrite != 0 {
			access = append(access, profile.AccessWrite)
		}
		if mask&mayRead != 0 || mask == 0 {
			access = append(access, profile.AccessRead)
		}
		r.kind(a.Policy, profile.ObservesRead, profile.ObservesWrite)
	case fileMap:
		access[0] = profile.AccessMmap
		if mask&protExec != 0 {
			access[0] = profile.AccessMmapExec
		}
		r.kind(a.Policy, profile.ObservesMmap)
	case fileExec:
		access[0] = profile.AccessExec
		r.kind(a.Policy, profile.ObservesExecInterp)
	case fileRead:
		access[0] = profile.AccessRead
	case fileWrite:
		access[0] = profile.AccessWrite
	default:
		r.kind(a.Policy, profile.ObservesOpen, profile.ObservesOpenAll)
	}
	for i := range a.Args {
		for _, f := range []*file{a.Args[i].File, a.Args[i].Path, a.Args[i].Binprm} {
			if f == nil || f.Path == "" {
				continue
			}
			if strings.Contains(f.Flags, "unresolvedPathComponents") {
				r.cut++
				continue
			}
			r.file(by, f.Path, access...)
		}
	}
}

// file notes a path that the kernel resolved. Old versions leave out the slash
// in front.
func (r *recording) file(by, name string, access ...string) {
	if name != "" && !strings.HasPrefix(name, "/") && !strings.Contains(name, ":") {
		name = "/" + name
	}
	p, layer := fold.Path(name)
	if p == "" || layer == profile.LayerMemfd {
		return
	}
	r.facts.File(fold.File{Path: p, Access: access, By: by, Layer: layer, At: r.now})
}

// pathCall folds system calls that take a path as the program spelled it.
func (r *recording) pathCall(by string, m function, a *activity) {
	dir, name, flags := int64(atCWD), "", int64(0)
	for i := range a.Args {
		n, ok := a.Args[i].number()
		switch {
		case a.Args[i].String != nil && name == "":
			name = *a.Args[i].String
		case ok && name == "":
			dir = n
		case ok:
			flags = n
		}
	}
	if name == "" {
		return
	}
	if !strings.HasPrefix(name, "/") {
		if int32(dir) != atCWD || a.Process.CWD == "" { //nolint:gosec // an int of the kernel
			r.cut++
			return
		}
	}
	errno := ""
	failed := false
	if a.Return != nil {
		if n, ok := a.Return.number(); ok && n < 0 {
			errno, failed = fold.Errno(n), true
		}
	}
	access, op := []string{profile.AccessStat}, strings.TrimPrefix(strings.TrimPrefix(a.Function, "__x64_"), "__arm64_")
	switch m {
	case openCall:
		access = fold.Opened(flags)
		r.kind(a.Policy, profile.ObservesOpen, profile.ObservesOpenFailed)
	case readlinkCall:
		access[0] = profile.AccessReadlink
		r.kind(a.Policy, profile.ObservesReadlink)
	case execCall:
		r.kind(a.Policy, profile.ObservesExecFailed)
	default:
		r.kind(a.Policy, profile.ObservesStat)
	}
	p, _ := fold.Path(fold.Join(a.Process.CWD, name))
	switch {
	case fold.IsMissing(errno):
		r.facts.Missing(fold.Missing{Path: p, Errno: errno, Op: strings.TrimPrefix(op, "sys_"), By: by, At: r.now})
	case failed:
		return // it may be there or not
	case a.Return != nil && m != execCall:
		r.facts.File(fold.File{Path: p, Access: access, By: by, At: r.now})
	}
}

func (r *recording) capability(by string, a *activity) {
	result := ""
	if a.Return != nil {
		if n, ok := a.Return.number(); ok {
			result = "granted"
			if n != 0 {
				result = "denied"
			}
		}
	}
	for i := range a.Args {
		if c := a.Args[i].Capability; c != nil {
			r.kind(a.Policy, profile.ObservesCapabilities)
			r.facts.Capability(fold.Capability{Name: c.Name, Result: result, By: by, At: r.now})
		}
	}
}

// socketFunction folds functions that take a socket or an address.
func (r *recording) socketFunction(by string, m function, a *activity) {
	list := a.Args
	if a.Return != nil {
		list = append(list[:len(list):len(list)], *a.Return)
	}
	for i := range list {
		x := &list[i]
		switch {
		case x.Sock != nil:
			r.socket(by, m, a.Policy, x.Sock)
		case x.Sockaddr != nil && (m == addrConnect || m == udpSend):
			proto := "tcp"
			if m == udpSend {
				proto = "udp"
			}
			if x.Sockaddr.Port == 0 || m == addrConnect && len(x.Sockaddr.Addr) == 0 {
				continue
			}
			if m == addrConnect && !knowsProtocol(list) {
				continue // of any protocol: tcp_connect and udp_sendmsg tell more
			}
			r.connect(by, proto, x.Sockaddr.Addr, int(x.Sockaddr.Port))
		case x.SockaddrUn != nil && x.SockaddrUn.Path != "":
			r.kind(a.Policy, profile.ObservesUnix)
			r.facts.Connect(fold.Connect{Proto: "unix", Peer: profile.Peer{Path: profile.Path(x.SockaddrUn.Path)}, By: by, At: r.now})
		}
	}
}

// knowsProtocol reports whether one of the arguments is a socket of TCP.
func knowsProtocol(list []arg) bool {
	for i := range list {
		if s := list[i].Sock; s != nil && s.Protocol == "IPPROTO_TCP" {
			return true
		}
	}
	return false
}

func (r *recording) socket(by string, m function, policy string, s *sock) {
	proto := "tcp"
	if s.Protocol == "IPPROTO_UDP" || m == udpSend {
		proto = "udp"
	}
	switch m {
	case tcpConnect:
		r.kind(policy, profile.ObservesConnectTCP, profile.ObservesIPv6, profile.ObservesAttribution)
		r.connect(by, proto, s.Daddr, int(s.Dport))
	case udpSend:
		r.kind(policy, profile.ObservesConnectUDP, profile.ObservesIPv6, profile.ObservesAttribution)
		r.connect(by, proto, s.Daddr, int(s.Dport))
	case listens:
		r.kind(policy, profile.ObservesListen, profile.ObservesIPv6, profile.ObservesAttribution)
		if s.Sport > 0 {
			r.facts.Listen(fold.Listen{Proto: proto, Addr: s.Saddr, Port: int(s.Sport), By: by, At: r.now})
		}
	case accepts:
		r.kind(policy, profile.ObservesAccept, profile.ObservesIPv6, profile.ObservesAttribution)
		if s.Sport > 0 {
			r.facts.Accept(fold.Accept{Proto: proto, Port: int(s.Sport), Peer: profile.Peer{IP: s.Daddr}, By: by, At: r.now})
		}
	default:
	}
}

// connect notes a connection of which the end is not in the export.
func (r *recording) connect(by, proto, ip string, port int) {
	if port == 0 || ip == "" || ip == "0.0.0.0" || ip == "::" {
		return // a socket that is not connected
	}
	result := ""
	if proto == "udp" {
		result = profile.ResultSent
	}
	r.facts.Connect(fold.Connect{Proto: proto, Peer: profile.Peer{IP: ip}, Port: port, By: by, Result: result, At: r.now})
}
