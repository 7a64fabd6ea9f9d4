package tetragon

import (
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/internal/scan"
)

// reader reads events of the usual form, with little that is made anew. What it
// does not take is for [foreign.DecodeExact], which finds the same in what it
// does take.
type reader struct {
	scan.Scanner
	event     event
	activity  activity
	args      []arg
	processes scan.Memo[process]

	hasProcess, hasParent bool // of the activity
}

// read gives an event that is valid until the next one, and whether it was
// taken.
func (r *reader) read(data []byte) (*event, bool) {
	r.Reset(data)
	r.event = event{}
	for more := r.Object(); more && r.Member(); {
		r.member(&r.event)
	}
	return &r.event, r.Done()
}

func (r *reader) member(e *event) {
	switch string(r.Name()) {
	case "process_exec":
		e.Exec = r.only()
	case "process_exit":
		e.Exit = r.only()
	case "process_kprobe":
		e.Kprobe = r.only()
	case "process_lsm":
		e.LSM = r.only()
	case "process_tracepoint":
		e.Tracepoint = r.only()
	case "process_uprobe":
		e.Uprobe = r.only()
	case "process_loader":
		e.Loader = r.only()
	case "process_connect":
		e.Connect = r.only()
	case "process_listen":
		e.Listen = r.only()
	case "rate_limit_info":
		scan.Pointer(&r.Scanner, r, &e.RateLimit, (*reader).rateLimit)
	case "time":
		e.Time = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) number() foreign.Int { return foreign.Int(r.Int()) }

func (r *reader) rateLimit(l *rateLimit) {
	if string(r.Name()) == "number_of_dropped_process_events" {
		l.Dropped = r.number()
	} else {
		r.Skip()
	}
}

// only reads the activity of an event that has no other.
func (r *reader) only() *activity {
	if _, other := r.event.activity(); other != nil || r.event.Exit != nil {
		r.Fail()
		return nil
	}
	a := &r.activity
	*a = activity{}
	r.hasProcess, r.hasParent = false, false
	scan.Struct(&r.Scanner, r, a, (*reader).activityMember)
	return a
}

func (r *reader) activityMember(a *activity) {
	switch string(r.Name()) {
	case "process":
		scan.Repeated(&r.Scanner, r, &a.Process, &r.hasProcess, &r.processes, (*reader).process)
	case "parent":
		scan.Repeated(&r.Scanner, r, &a.Parent, &r.hasParent, &r.processes, (*reader).process)
	case "function_name":
		a.Function = r.String()
	case "policy_name":
		a.Policy = r.String()
	case "args":
		a.Args = append(r.args[:0], arg{})[:0]
		for more := r.Array(); more && r.Element(); {
			a.Args = append(a.Args, arg{})
			scan.Struct(&r.Scanner, r, &a.Args[len(a.Args)-1], (*reader).arg)
		}
		r.args = a.Args
	case "return":
		scan.Pointer(&r.Scanner, r, &a.Return, (*reader).arg)
	case "path":
		a.Path = r.String()
	case "destination_ip":
		a.DestinationIP = r.String()
	case "destination_port":
		a.DestinationPort = r.number()
	case "destination_names":
		a.DestinationNames = r.Strings()
	case "ip":
		a.IP = r.String()
	case "port":
		a.Port = r.number()
	case "protocol":
		a.Protocol = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) process(p *process) {
	switch string(r.Name()) {
	case "uid":
		p.UID = scan.IntPointer[foreign.Int](&r.Scanner)
	case "cwd":
		p.CWD = r.String()
	case "binary":
		p.Binary = r.String()
	case "flags":
		p.Flags = r.String()
	case "start_time":
		p.StartTime = r.String()
	case "docker":
		p.Docker = r.String()
	case "in_init_tree":
		p.InInitTree = r.BoolPointer()
	case "pod":
		scan.Struct(&r.Scanner, r, &p.Pod, (*reader).pod)
	case "binary_properties":
		scan.Struct(&r.Scanner, r, &p.Properties, (*reader).properties)
	default:
		r.Skip()
	}
}

func (r *reader) pod(p *pod) {
	switch string(r.Name()) {
	case "namespace":
		p.Namespace = r.String()
	case "name":
		p.Name = r.String()
	case "workload":
		p.Workload = r.String()
	case "workload_kind":
		p.WorkloadKind = r.String()
	case "container":
		scan.Struct(&r.Scanner, r, &p.Container, (*reader).container)
	default:
		r.Skip()
	}
}

func (r *reader) container(c *container) {
	switch string(r.Name()) {
	case "id":
		c.ID = r.String()
	case "name":
		c.Name = r.String()
	case "pid":
		c.PID = r.number()
	case "image":
		scan.Struct(&r.Scanner, r, &c.Image, (*reader).image)
	case "maybe_exec_probe":
		c.MaybeExecProbe = r.Bool()
	default:
		r.Skip()
	}
}

func (r *reader) image(i *image) {
	switch string(r.Name()) {
	case "id":
		i.ID = r.String()
	case "name":
		i.Name = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) properties(p *properties) {
	if string(r.Name()) == "file" {
		scan.Struct(&r.Scanner, r, &p.File, (*reader).program)
	} else {
		r.Skip()
	}
}

func (r *reader) program(p *program) {
	if string(r.Name()) == "path" {
		p.Path = r.String()
	} else {
		r.Skip()
	}
}

func (r *reader) arg(a *arg) {
	switch string(r.Name()) {
	case "file_arg":
		scan.Pointer(&r.Scanner, r, &a.File, (*reader).file)
	case "path_arg":
		scan.Pointer(&r.Scanner, r, &a.Path, (*reader).file)
	case "linux_binprm_arg":
		scan.Pointer(&r.Scanner, r, &a.Binprm, (*reader).file)
	case "sock_arg":
		scan.Pointer(&r.Scanner, r, &a.Sock, (*reader).sock)
	case "sockaddr_arg":
		scan.Pointer(&r.Scanner, r, &a.Sockaddr, (*reader).sockaddr)
	case "sockaddrun_arg":
		scan.Pointer(&r.Scanner, r, &a.SockaddrUn, (*reader).file)
	case "int_arg":
		a.Int = scan.IntPointer[foreign.Int](&r.Scanner)
	case "uint_arg":
		a.Uint = scan.IntPointer[foreign.Int](&r.Scanner)
	case "long_arg":
		a.Long = scan.IntPointer[foreign.Int](&r.Scanner)
	case "size_arg":
		a.Size = scan.IntPointer[foreign.Int](&r.Scanner)
	case "string_arg":
		a.String = r.StringPointer()
	case "capability_arg":
		scan.Pointer(&r.Scanner, r, &a.Capability, (*reader).capability)
	default:
		r.Skip()
	}
}

func (r *reader) file(f *file) {
	switch string(r.Name()) {
	case "path":
		f.Path = r.String()
	case "flags":
		f.Flags = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) sock(s *sock) {
	switch string(r.Name()) {
	case "protocol":
		s.Protocol = r.String()
	case "saddr":
		s.Saddr = r.String()
	case "daddr":
		s.Daddr = r.String()
	case "sport":
		s.Sport = r.number()
	case "dport":
		s.Dport = r.number()
	default:
		r.Skip()
	}
}

func (r *reader) sockaddr(s *sockaddr) {
	switch string(r.Name()) {
	case "family":
		s.Family = r.String()
	case "addr":
		s.Addr = r.String()
	case "port":
		s.Port = r.number()
	default:
		r.Skip()
	}
}

func (r *reader) capability(c *capability) {
	if string(r.Name()) == "name" {
		c.Name = r.String()
	} else {
		r.Skip()
	}
}
