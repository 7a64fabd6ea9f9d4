package tracee

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/internal/scan"
)

// reader reads events of the usual form, with little that is made anew. What it
// does not take is for [foreign.DecodeExact], which finds the same in what it
// does take.
type reader struct {
	scan.Scanner
	event      event
	data       []datum
	processes  scan.Memo[process]
	containers scan.Memo[container]
	pods       scan.Memo[k8s]

	hasProcess, hasContainer, hasK8s bool // of the event
}

// read gives an event that is valid until the next one, and whether it was
// taken.
func (r *reader) read(data []byte) (*event, bool) {
	r.Reset(data)
	r.event = event{}
	r.hasProcess, r.hasContainer, r.hasK8s = false, false, false
	scan.Struct(&r.Scanner, r, &r.event, (*reader).member)
	return &r.event, r.Done()
}

func (r *reader) number() foreign.Int { return foreign.Int(r.Int()) }

func (r *reader) member(e *event) {
	switch string(r.Name()) {
	case "timestamp":
		r.stamp(&e.Timestamp)
	case "name":
		e.Name = r.String()
	case "eventName":
		e.EventName = r.String()
	case "workload":
		scan.Struct(&r.Scanner, r, &e.Workload, (*reader).workload)
	case "data":
		e.Data = append(r.data[:0], datum{})[:0]
		for more := r.Array(); more && r.Element(); {
			e.Data = append(e.Data, datum{})
			scan.Struct(&r.Scanner, r, &e.Data[len(e.Data)-1], (*reader).datum)
		}
		r.data = e.Data
	default:
		r.Skip()
	}
}

func (r *reader) stamp(s *stamp) {
	if r.Peek() == '"' {
		s.Time = foreign.TimeText(r.Text())
	} else {
		s.Time = foreign.Nanoseconds(r.Int())
	}
}

func (r *reader) workload(w *workload) {
	switch string(r.Name()) {
	case "process":
		scan.Repeated(&r.Scanner, r, &w.Process, &r.hasProcess, &r.processes, (*reader).process)
	case "container":
		scan.Repeated(&r.Scanner, r, &w.Container, &r.hasContainer, &r.containers, (*reader).container)
	case "k8s":
		scan.Repeated(&r.Scanner, r, &w.K8s, &r.hasK8s, &r.pods, (*reader).k8s)
	default:
		r.Skip()
	}
}

func (r *reader) process(p *process) {
	switch string(r.Name()) {
	case "thread":
		scan.Struct(&r.Scanner, r, &p.Thread, (*reader).thread)
	case "unique_id":
		p.UniqueID = r.number()
	case "pid":
		p.PID = r.number()
	case "host_pid":
		p.HostPID = r.number()
	case "real_user":
		scan.Pointer(&r.Scanner, r, &p.RealUser, (*reader).user)
	case "executable":
		scan.Struct(&r.Scanner, r, &p.Executable, (*reader).executable)
	case "ancestors":
		p.Ancestors = []ancestor{}
		for more := r.Array(); more && r.Element(); {
			p.Ancestors = append(p.Ancestors, ancestor{})
			scan.Struct(&r.Scanner, r, &p.Ancestors[len(p.Ancestors)-1], (*reader).ancestor)
		}
	default:
		r.Skip()
	}
}

func (r *reader) thread(t *thread) {
	if string(r.Name()) == "unique_id" {
		t.UniqueID = r.number()
	} else {
		r.Skip()
	}
}

func (r *reader) user(u *user) {
	if string(r.Name()) == "id" {
		u.ID = r.number()
	} else {
		r.Skip()
	}
}

func (r *reader) executable(e *executable) {
	if string(r.Name()) == "path" {
		e.Path = r.String()
	} else {
		r.Skip()
	}
}

func (r *reader) ancestor(a *ancestor) {
	switch string(r.Name()) {
	case "unique_id":
		a.UniqueID = r.number()
	case "host_pid":
		a.HostPID = r.number()
	case "pid":
		a.PID = scan.IntPointer[foreign.Int](&r.Scanner)
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
	case "image":
		scan.Struct(&r.Scanner, r, &c.Image, (*reader).image)
	case "started":
		c.Started = r.BoolPointer()
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
	case "repo_digests":
		i.RepoDigests = r.Strings()
	default:
		r.Skip()
	}
}

func (r *reader) k8s(k *k8s) {
	switch string(r.Name()) {
	case "pod":
		scan.Struct(&r.Scanner, r, &k.Pod, (*reader).pod)
	case "namespace":
		scan.Struct(&r.Scanner, r, &k.Namespace, (*reader).namespace)
	default:
		r.Skip()
	}
}

func (r *reader) pod(p *pod) {
	switch string(r.Name()) {
	case "name":
		p.Name = r.String()
	case "labels":
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		for more := r.Object(); more && r.Member(); {
			name := string(r.Name())
			p.Labels[name] = r.String()
		}
	default:
		r.Skip()
	}
}

func (r *reader) namespace(n *namespace) {
	if string(r.Name()) == "name" {
		n.Name = r.String()
	} else {
		r.Skip()
	}
}

func (r *reader) datum(d *datum) {
	switch string(r.Name()) {
	case "name":
		d.Name = r.String()
	case "str":
		d.Str = r.StringPointer()
	case "int32":
		d.Int32 = scan.IntPointer[foreign.Int](&r.Scanner)
	case "uint32":
		d.Uint32 = scan.IntPointer[foreign.Int](&r.Scanner)
	case "int64":
		d.Int64 = scan.IntPointer[foreign.Int](&r.Scanner)
	case "uint64":
		d.Uint64 = scan.IntPointer[foreign.Int](&r.Scanner)
	case "str_array":
		d.StrArray = jsontext.Value(r.Raw())
	case "sockaddr":
		scan.Pointer(&r.Scanner, r, &d.Sockaddr, (*reader).sockaddr)
	case "dns_questions":
		d.Questions = jsontext.Value(r.Raw())
	case "dns_responses":
		d.Responses = jsontext.Value(r.Raw())
	default:
		r.Skip()
	}
}

func (r *reader) sockaddr(s *sockaddr) {
	switch string(r.Name()) {
	case "sa_family":
		s.Family = r.String()
	case "sun_path":
		s.SunPath = r.String()
	case "sin_addr":
		s.SinAddr = r.String()
	case "sin_port":
		s.SinPort = r.number()
	case "sin6_addr":
		s.Sin6Addr = r.String()
	case "sin6_port":
		s.Sin6Port = r.number()
	default:
		r.Skip()
	}
}
