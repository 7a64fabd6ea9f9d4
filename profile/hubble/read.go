package hubble

import (
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/internal/scan"
)

// reader reads lines of the usual form, with little that is made anew. What it
// does not take is for [foreign.DecodeExact], which finds the same in what it
// does take.
type reader struct {
	scan.Scanner
	line      line
	flow      flow
	endpoints scan.Memo[endpoint]

	hasFlow, hasSource, hasDestination bool // of the line
}

// read gives a line that is valid until the next one, and whether it was taken.
func (r *reader) read(data []byte) (*line, bool) {
	r.Reset(data)
	r.line = line{}
	r.hasFlow, r.hasSource, r.hasDestination = false, false, false
	scan.Struct(&r.Scanner, r, &r.line, (*reader).member)
	return &r.line, r.Done()
}

func (r *reader) number() foreign.Int { return foreign.Int(r.Int()) }

func (r *reader) member(l *line) {
	switch string(r.Name()) {
	case "flow":
		if r.hasFlow {
			r.Fail()
			return
		}
		r.hasFlow = true
		r.flow = flow{}
		l.Flow = &r.flow
		scan.Struct(&r.Scanner, r, l.Flow, (*reader).flowMember)
	case "lost_events":
		scan.Pointer(&r.Scanner, r, &l.Lost, (*reader).lost)
	default:
		r.flowMember(&l.flow)
	}
}

func (r *reader) lost(l *lost) {
	if string(r.Name()) == "num_events_lost" {
		l.Events = r.number()
	} else {
		r.Skip()
	}
}

func (r *reader) flowMember(f *flow) {
	switch string(r.Name()) {
	case "time":
		f.Time = r.String()
	case "verdict":
		f.Verdict = r.String()
	case "IP":
		scan.Struct(&r.Scanner, r, &f.IP, (*reader).ends)
	case "l4":
		scan.Struct(&r.Scanner, r, &f.L4, (*reader).l4)
	case "source":
		scan.Repeated(&r.Scanner, r, &f.Source, &r.hasSource, &r.endpoints, (*reader).endpoint)
	case "destination":
		scan.Repeated(&r.Scanner, r, &f.Destination, &r.hasDestination, &r.endpoints, (*reader).endpoint)
	case "source_names":
		f.SourceNames = r.Strings()
	case "destination_names":
		f.DestinationNames = r.Strings()
	case "destination_service":
		scan.Struct(&r.Scanner, r, &f.DestinationService, (*reader).service)
	case "l7":
		scan.Pointer(&r.Scanner, r, &f.L7, (*reader).l7)
	case "traffic_direction":
		f.Direction = r.String()
	case "is_reply":
		f.IsReply = r.BoolPointer()
	case "trace_reason":
		f.Reason = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) ends(e *ends) {
	switch string(r.Name()) {
	case "source":
		e.Source = r.String()
	case "destination":
		e.Destination = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) service(s *service) {
	switch string(r.Name()) {
	case "name":
		s.Name = r.String()
	case "namespace":
		s.Namespace = r.String()
	default:
		r.Skip()
	}
}

func (r *reader) l7(l *l7) {
	switch string(r.Name()) {
	case "type":
		l.Type = r.String()
	case "dns":
		scan.Pointer(&r.Scanner, r, &l.DNS, (*reader).dns)
	default:
		r.Skip()
	}
}

func (r *reader) dns(d *dns) {
	switch string(r.Name()) {
	case "query":
		d.Query = r.String()
	case "ips":
		d.IPs = r.Strings()
	case "qtypes":
		d.Qtypes = r.Strings()
	default:
		r.Skip()
	}
}

func (r *reader) l4(l *l4) {
	switch string(r.Name()) {
	case "TCP":
		scan.Pointer(&r.Scanner, r, &l.TCP, (*reader).ports)
	case "UDP":
		scan.Pointer(&r.Scanner, r, &l.UDP, (*reader).ports)
	case "SCTP":
		scan.Pointer(&r.Scanner, r, &l.SCTP, (*reader).ports)
	case "ICMPv4":
		scan.Pointer(&r.Scanner, r, &l.ICMPv4, (*reader).nothing)
	case "ICMPv6":
		scan.Pointer(&r.Scanner, r, &l.ICMPv6, (*reader).nothing)
	default:
		r.Skip()
	}
}

func (r *reader) nothing(*struct{}) { r.Skip() }

func (r *reader) ports(p *ports) {
	switch string(r.Name()) {
	case "source_port":
		p.Source = r.number()
	case "destination_port":
		p.Destination = r.number()
	case "flags":
		scan.Struct(&r.Scanner, r, &p.Flags, (*reader).flags)
	default:
		r.Skip()
	}
}

func (r *reader) flags(f *flags) {
	switch string(r.Name()) {
	case "SYN":
		f.SYN = r.Bool()
	case "ACK":
		f.ACK = r.Bool()
	default:
		r.Skip()
	}
}

func (r *reader) endpoint(e *endpoint) {
	switch string(r.Name()) {
	case "namespace":
		e.Namespace = r.String()
	case "labels":
		e.Labels = r.Strings()
	case "pod_name":
		e.PodName = r.String()
	case "workloads":
		e.Workloads = []workload{}
		for more := r.Array(); more && r.Element(); {
			e.Workloads = append(e.Workloads, workload{})
			scan.Struct(&r.Scanner, r, &e.Workloads[len(e.Workloads)-1], (*reader).workload)
		}
	default:
		r.Skip()
	}
}

func (r *reader) workload(w *workload) {
	switch string(r.Name()) {
	case "name":
		w.Name = r.String()
	case "kind":
		w.Kind = r.String()
	default:
		r.Skip()
	}
}
