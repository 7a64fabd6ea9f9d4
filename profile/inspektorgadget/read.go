package inspektorgadget

import (
	"strings"

	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/internal/scan"
)

// reader reads records of the usual form, with little that is made anew. What it
// does not take is for [foreign.DecodeExact], which finds the same in what it
// does take.
type reader struct {
	scan.Scanner
	record     record
	processes  scan.Memo[proc]
	containers scan.Memo[container]
	pods       scan.Memo[pod]

	hasProc, hasRuntime, hasK8s bool // of the record
}

// read gives a record that is valid until the next one, and whether it was
// taken.
func (r *reader) read(data []byte) (*record, bool) {
	r.Reset(data)
	r.record = record{}
	r.hasProc, r.hasRuntime, r.hasK8s = false, false, false
	scan.Struct(&r.Scanner, r, &r.record, (*reader).member)
	return &r.record, r.Done()
}

func (r *reader) number() foreign.Int { return foreign.Int(r.Int()) }

// member reads what records of all gadgets have, and for trace_open.
func (r *reader) member(to *record) {
	switch string(r.Name()) {
	case "timestamp":
		r.stamp(&to.Timestamp)
	case "timestamp_raw":
		to.TimestampRaw = r.number()
	case "proc":
		scan.Repeated(&r.Scanner, r, &to.Proc, &r.hasProc, &r.processes, (*reader).proc)
	case "runtime":
		scan.Repeated(&r.Scanner, r, &to.Runtime, &r.hasRuntime, &r.containers, (*reader).container)
	case "k8s":
		scan.Repeated(&r.Scanner, r, &to.K8s, &r.hasK8s, &r.pods, (*reader).pod)
	case "error":
		to.Error = r.String()
	case "error_raw":
		to.ErrorRaw = r.number()
	case "fname":
		to.Fname = r.StringPointer()
	case "fpath":
		to.Fpath = r.String()
	case "flags":
		r.text(&to.Flags)
	case "flags_raw":
		to.FlagsRaw = r.number()
	case "mode", "mode_raw", "fd":
		r.Skip()
	default:
		r.execMember(to)
	}
}

// execMember reads what only trace_exec and old gadgets have.
func (r *reader) execMember(to *record) {
	switch string(r.Name()) {
	case "comm":
		to.Comm = r.StringPointer()
	case "pid":
		to.PID = r.number()
	case "uid":
		to.UID = r.number()
	case "err":
		to.Err = r.number()
	case "path":
		to.Path = r.StringPointer()
	case "exepath":
		to.Exepath = r.StringPointer()
	case "file":
		to.File = r.String()
	case "cwd":
		to.Cwd = r.String()
	case "parent_exepath":
		to.ParentExepath = r.String()
	case "args":
		r.text(&to.Args)
	case "upper_layer":
		to.UpperLayer = r.Bool()
	case "from_rootfs":
		to.FromRootfs = r.BoolPointer()
	case "tty":
		to.TTY = r.number()
	default:
		r.networkMember(to)
	}
}

// networkMember reads what only the other gadgets have.
func (r *reader) networkMember(to *record) {
	switch string(r.Name()) {
	case "type":
		to.Type = r.String()
	case "src":
		scan.Pointer(&r.Scanner, r, &to.Src, (*reader).endpoint)
	case "dst":
		scan.Pointer(&r.Scanner, r, &to.Dst, (*reader).endpoint)
	case "addr":
		scan.Pointer(&r.Scanner, r, &to.Addr, (*reader).endpoint)
	case "name":
		to.Name = r.StringPointer()
	case "qtype":
		to.Qtype = r.String()
	case "qr":
		to.Qr = r.StringPointer()
	case "addresses":
		r.text(&to.Addresses)
	case "pkt_type":
		to.PktType = r.String()
	case "cap":
		to.Cap = r.StringPointer()
	case "capable":
		to.Capable = r.Bool()
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

// text reads a string, or a list of strings.
func (r *reader) text(t *text) {
	t.given = true
	switch r.Peek() {
	case '"':
		t.s = r.String()
	case '[':
		var words []string
		for more := r.Array(); more && r.Element(); {
			if r.Peek() != '"' {
				r.Fail()
			}
			words = append(words, r.String())
		}
		t.s = strings.Join(words, "|")
	default:
		r.Fail()
	}
}

func (r *reader) proc(p *proc) {
	switch string(r.Name()) {
	case "comm":
		p.Comm = r.String()
	case "pid":
		p.PID = r.number()
	case "creds":
		scan.Pointer(&r.Scanner, r, &p.Creds, (*reader).creds)
	case "parent":
		scan.Struct(&r.Scanner, r, &p.Parent, (*reader).parent)
	default:
		r.Skip()
	}
}

func (r *reader) creds(c *creds) {
	if string(r.Name()) == "uid" {
		c.UID = r.number()
	} else {
		r.Skip()
	}
}

func (r *reader) parent(p *parent) {
	switch string(r.Name()) {
	case "comm":
		p.Comm = r.String()
	case "pid":
		p.PID = r.number()
	default:
		r.Skip()
	}
}

func (r *reader) container(c *container) {
	switch string(r.Name()) {
	case "containerId":
		c.ContainerID = r.String()
	case "containerName":
		c.ContainerName = r.String()
	case "containerImageName":
		c.ImageName = r.String()
	case "containerImageDigest":
		c.ImageDigest = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) pod(p *pod) {
	switch string(r.Name()) {
	case "namespace":
		p.Namespace = r.String()
	case "podName":
		p.PodName = r.String()
	case "containerName":
		p.ContainerName = r.String()
	case "podLabels":
		p.PodLabels = r.String()
	case "owner":
		scan.Struct(&r.Scanner, r, &p.Owner, (*reader).owner)
	default:
		r.Skip()
	}
}

func (r *reader) owner(o *owner) {
	switch string(r.Name()) {
	case "kind":
		o.Kind = r.String()
	case "name":
		o.Name = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) endpoint(e *endpoint) {
	switch string(r.Name()) {
	case "addr":
		e.Addr = r.String()
	case "port":
		e.Port = r.number()
	case "proto":
		switch r.Peek() {
		case '"':
			e.Proto = protocolOf(r.String())
		case '{', '[':
			r.Fail()
		default:
			e.Proto = protocolOf(string(r.Raw()))
		}
	case "k8s":
		scan.Struct(&r.Scanner, r, &e.K8s, (*reader).object)
	default:
		r.Skip()
	}
}

func (r *reader) object(o *object) {
	switch string(r.Name()) {
	case "kind":
		o.Kind = r.String()
	case "name":
		o.Name = r.String()
	case "namespace":
		o.Namespace = r.String()
	case "labels":
		o.Labels = r.String()
	case "podLabels":
		o.PodLabels = r.String()
	default:
		r.Skip()
	}
}
