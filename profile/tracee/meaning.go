package tracee

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const protExec = 4

// use folds an event of an executable.
type use func(r *recording, e *event, by string)

// Understands reports whether events of a name are imported.
func Understands(name string) bool { return name == "sched_process_exec" || meaning(name) != nil }

// meaning is what events of a name mean, or nil.
func meaning(name string) use {
	switch name {
	case "security_file_open":
		return opened
	case "shared_object_loaded":
		return fileUse(profile.ObservesMmap, profile.AccessMmapExec)
	case "security_mmap_file":
		return mapped
	case "security_bprm_check":
		return fileUse("", profile.AccessExec)
	case "open", "openat", "openat2", "creat":
		return called(profile.ObservesOpenFailed, "")
	case "stat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2":
		return called(profile.ObservesStat, profile.AccessStat)
	case "readlink", "readlinkat":
		return called(profile.ObservesReadlink, profile.AccessReadlink)
	case "execve", "execveat":
		return called(profile.ObservesExecFailed, "")
	case "security_socket_connect":
		return connected
	case "security_socket_bind":
		return bound
	case "security_socket_listen":
		return listened
	case "net_flow_tcp_begin":
		return flowed
	case "net_packet_dns_request":
		return asked
	case "net_packet_dns_response":
		return answered
	case "cap_capable":
		return capable
	default:
		return nil
	}
}

func opened(r *recording, e *event, by string) {
	r.kinds[profile.ObservesOpen], r.kinds[profile.ObservesOpenAll] = true, true
	p, layer := r.path(e.text("pathname"))
	if p == "" || layer == profile.LayerMemfd {
		return
	}
	via, _ := r.path(e.text("syscall_pathname"))
	access := fold.OpenedBy(e.text("flags"))
	if n, ok := e.number("flags"); ok {
		access = fold.Opened(n)
	}
	r.facts.File(fold.File{Path: p, Via: via, Access: access, By: by, Layer: layer, At: e.Timestamp.Time})
}

func fileUse(observes, access string) use {
	return func(r *recording, e *event, by string) {
		if observes != "" {
			r.kinds[observes] = true
		}
		p, layer := r.path(e.text("pathname"))
		if p != "" && layer != profile.LayerMemfd {
			r.facts.File(fold.File{Path: p, Access: []string{access}, By: by, Layer: layer, At: e.Timestamp.Time})
		}
	}
}

func mapped(r *recording, e *event, by string) {
	access := profile.AccessMmap
	if n, ok := e.number("prot"); ok && n&protExec != 0 || strings.Contains(e.text("prot"), "PROT_EXEC") {
		access = profile.AccessMmapExec
	}
	fileUse(profile.ObservesMmap, access)(r, e, by)
}

// called folds a system call with a path as the program spelled it. Of opens and
// executions only failures count here: the others have events of their own.
func called(observes, access string) use {
	return func(r *recording, e *event, by string) {
		r.kinds[observes] = true
		p, _ := r.path(e.text("pathname"))
		result, ok := e.number("returnValue")
		switch {
		case p == "" || !ok:
			return
		case result >= 0 && access != "":
			r.facts.File(fold.File{Path: p, Access: []string{access}, By: by, At: e.Timestamp.Time})
		case fold.IsMissing(fold.Errno(result)) && result < 0:
			r.facts.Missing(fold.Missing{Path: p, Errno: fold.Errno(result), Op: e.Name, By: by, At: e.Timestamp.Time})
		}
	}
}

func connected(r *recording, e *event, by string) {
	d := e.get("remote_addr")
	if d == nil || d.Sockaddr == nil {
		return
	}
	x := fold.Connect{Proto: "tcp", By: by, At: e.Timestamp.Time}
	if d.Sockaddr.SunPath != "" {
		r.kinds[profile.ObservesUnix] = true
		x.Proto, x.Peer.Path = "unix", profile.Path(d.Sockaddr.SunPath)
		r.facts.Connect(x)
		return
	}
	r.kinds[profile.ObservesConnectTCP], r.kinds[profile.ObservesIPv6], r.kinds[profile.ObservesAttribution] = true, true, true
	if kind := e.text("type"); strings.Contains(kind, "DGRAM") {
		x.Proto, x.Result = "udp", profile.ResultProbeOnly
	}
	if n, ok := e.number("type"); ok && n == 2 {
		x.Proto, x.Result = "udp", profile.ResultProbeOnly
	}
	if x.Peer.IP, x.Port = d.Sockaddr.end(); x.Port != 0 {
		r.facts.Connect(x)
	}
}

// bound folds a bound socket of UDP; those of TCP listen later.
func bound(r *recording, e *event, by string) {
	d := e.get("local_addr")
	if n, ok := e.number("protocol"); !ok || n != 17 || d == nil || d.Sockaddr == nil {
		return
	}
	if ip, port := d.Sockaddr.end(); port != 0 {
		r.facts.Listen(fold.Listen{Proto: "udp", Addr: ip, Port: port, By: by, At: e.Timestamp.Time})
	}
}

func listened(r *recording, e *event, by string) {
	d := e.get("local_addr")
	if d == nil || d.Sockaddr == nil || d.Sockaddr.SunPath != "" {
		return
	}
	r.kinds[profile.ObservesListen], r.kinds[profile.ObservesAttribution] = true, true
	if ip, port := d.Sockaddr.end(); port != 0 {
		r.facts.Listen(fold.Listen{Proto: "tcp", Addr: ip, Port: port, By: by, At: e.Timestamp.Time})
	}
}

// flowed folds the begin of a TCP flow.
func flowed(r *recording, e *event, by string) {
	r.kinds[profile.ObservesConnectTCP], r.kinds[profile.ObservesAccept] = true, true
	r.kinds[profile.ObservesIPv6], r.kinds[profile.ObservesAttribution] = true, true
	from, _ := e.number("src_port")
	to, _ := e.number("dst_port")
	direction := e.text("conn_direction")
	peer := profile.Peer{IP: e.text("dst"), Names: e.get("dst_dns").list()}
	if direction == "incoming" {
		peer = profile.Peer{IP: e.text("src"), Names: e.get("src_dns").list()}
	}
	if len(peer.Names) > 0 {
		peer.NameSource = []string{profile.NameNodeCache}
	}
	switch {
	case from == 0 || to == 0:
		return
	case direction == "incoming":
		r.facts.Accept(fold.Accept{Proto: "tcp", Port: int(to), Peer: peer, By: by, At: e.Timestamp.Time})
	case direction == "outgoing":
		r.facts.Connect(fold.Connect{Proto: "tcp", Port: int(to), Peer: peer, By: by, Result: profile.ResultInProgress, At: e.Timestamp.Time})
	}
}

type dnsQuestion struct {
	Query string `json:"query"`
	Type  string `json:"query_type"`
}

func asked(r *recording, e *event, by string) {
	r.kinds[profile.ObservesDNS] = true
	d := e.get("dns_questions")
	if d == nil {
		return
	}
	var list []dnsQuestion
	decodeList(d.Questions, "questions", &list)
	for _, q := range list {
		r.facts.DNS(fold.DNS{Name: q.Query, Type: strings.ToUpper(q.Type), By: by, At: e.Timestamp.Time})
	}
}

func answered(r *recording, e *event, by string) {
	r.kinds[profile.ObservesDNS] = true
	d := e.get("dns_response")
	if d == nil {
		d = e.get("dns_responses")
	}
	if d == nil {
		return
	}
	var list []struct {
		Query   dnsQuestion `json:"query_data"`
		Asked   dnsQuestion `json:"query"`
		Answers []struct {
			Answer string `json:"answer"`
		} `json:"dns_answer"`
		More []struct {
			Answer string `json:"answer"`
		} `json:"answers"`
	}
	decodeList(d.Responses, "responses", &list)
	for _, response := range list {
		q := response.Query
		if q.Query == "" {
			q = response.Asked
		}
		x := fold.DNS{Name: q.Query, Type: strings.ToUpper(q.Type), By: by, At: e.Timestamp.Time}
		for _, a := range append(response.Answers, response.More...) {
			x.Answers = append(x.Answers, a.Answer)
		}
		r.facts.DNS(x)
	}
}

// decodeList decodes an array, or one wrapped in an object. What is neither
// stays empty.
func decodeList[T any](value jsontext.Value, name string, list *[]T) {
	if len(value) == 0 || foreign.DecodeExact(value, list) == nil {
		return
	}
	var wrapped map[string]jsontext.Value
	if foreign.DecodeExact(value, &wrapped) == nil && foreign.DecodeExact(wrapped[name], list) != nil {
		*list = nil
	}
}

func capable(r *recording, e *event, by string) {
	r.kinds[profile.ObservesCapabilities] = true
	x := fold.Capability{Name: e.text("cap"), By: by, At: e.Timestamp.Time}
	if n, ok := e.number("returnValue"); ok {
		x.Result = "granted"
		if n != 0 {
			x.Result = "denied"
		}
	}
	if x.Name != "" {
		r.facts.Capability(x)
	}
}
