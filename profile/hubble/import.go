package hubble

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const formatName = "hubble"

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:  formatName,
		About: "flows of Cilium's Hubble in JSON",
		Detect: func(head []byte) bool {
			return foreign.AnyShape(head, func(s foreign.Shape) bool {
				return s.Has("flow", "flow.verdict") || s.Has("verdict", "ip", "source", "destination") || s.Has("lost_events", "node_name")
			})
		},
		Import: Import,
	}
}

// recording is what one workload did.
type recording struct {
	facts    *fold.Collector
	workload profile.Workload
	known    fold.Recent[connection, struct{}]
	dns      bool
	unknown  int64 // flows that do not tell their direction
}

// connection tells the flows of one connection from those of others.
type connection struct {
	proto, from, to, verdict string
	fromPort, toPort         foreign.Int
}

// Import reads flows and returns a valid, unbound profile with one source.
func Import(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog(formatName, inputs, opts)
	workloads := foreign.NewContainers(opts, func(foreign.Subject) *recording { return &recording{facts: fold.New(fold.Limits{})} })
	var lost int64
	var usual reader
	err := records.Records(ctx, func(rec foreign.Record) error {
		l, ok := usual.read(rec.Data)
		if !ok {
			l = &line{}
			if err := foreign.DecodeExact(rec.Data, l); err != nil {
				return err
			}
		}
		if l.Lost != nil {
			lost += max(0, int64(l.Lost.Events))
			return nil
		}
		f := &l.flow
		if l.Flow != nil {
			f = l.Flow
		}
		if f.Verdict == "" || f.IP.Source == "" && f.L7 == nil {
			return errFlow
		}
		return foreign.Fatal(take(workloads, f))
	})
	if err != nil {
		return nil, err
	}
	r, subject, err := workloads.Chosen()
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	r.facts.NameLate()
	source := records.Source()
	source.Recorder.Name, source.Recorder.Method = "hubble", "cni"
	subject.Workload.Labels, subject.Container = r.workload.Labels, ""
	if r.workload.Name != "" {
		subject.Workload.Kind, subject.Workload.Name = r.workload.Kind, r.workload.Name
	}
	subject.Image = source.Subject.Image
	source.Subject = subject
	source.Lost = profile.Lost{Known: lost > 0, Events: lost}
	if lost > 0 {
		source.Complete, source.Vouched = false, false
		source.Notes = append(source.Notes, fmt.Sprintf("%d flows were lost", lost))
	}
	source.Observes = append(source.Observes, profile.ObservesConnectTCP, profile.ObservesConnectUDP, profile.ObservesAccept, profile.ObservesIPv6)
	if r.dns {
		source.Observes = append(source.Observes, profile.ObservesDNS)
	}
	source.Notes = append(append(source.Notes, workloads.Notes()...), "flows are of pods: executables and containers are not known")
	if r.unknown > 0 {
		source.Notes = append(source.Notes, fmt.Sprintf("%d flows that do not tell who began them are left out", r.unknown))
	}
	p, err := r.facts.Profile(opts.Name, source, foreign.Images(opts, nil)...)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", formatName, err)
	}
	return p, nil
}

var errFlow = errors.New("it is no flow")

// take folds a flow into the workload at the end where it was observed.
func take(workloads *foreign.Containers[recording], f *flow) error {
	own, egress := &f.Source, true
	switch f.Direction {
	case "INGRESS":
		own, egress = &f.Destination, false
	case "EGRESS":
	default:
		if f.Source.PodName == "" {
			own, egress = &f.Destination, false
		}
	}
	if own.PodName == "" {
		return nil // a node, or the world
	}
	if f.IsReply != nil && *f.IsReply && f.L7 == nil {
		return nil
	}
	r := workloads.Of(own.subject())
	if r == nil {
		return nil
	}
	own.describe(&r.workload)
	if f.L7 != nil {
		r.lookup(f)
		return r.facts.Err()
	}
	r.connect(f, egress)
	return r.facts.Err()
}

func (e *endpoint) subject() foreign.Subject {
	s := foreign.Subject{Namespace: e.Namespace, Pod: e.PodName, Container: e.PodName}
	if len(e.Workloads) > 0 {
		s.Container = e.Workloads[0].Name
	}
	return s
}

func (e *endpoint) describe(w *profile.Workload) {
	if w.Name == "" && len(e.Workloads) > 0 {
		w.Kind, w.Name = e.Workloads[0].Kind, e.Workloads[0].Name
	}
	if w.Labels == nil {
		w.Labels = e.labels()
	}
}

// labels is the labels of the pod, without those that Cilium adds.
func (e *endpoint) labels() map[string]string {
	var out map[string]string
	for _, label := range e.Labels {
		pair, ok := strings.CutPrefix(label, "k8s:")
		if !ok || strings.HasPrefix(pair, "io.cilium.") || strings.HasPrefix(pair, "io.kubernetes.pod.") {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		name, value, _ := strings.Cut(pair, "=")
		out[name] = value
	}
	return out
}

func (e *endpoint) peer(ip string, names []string) profile.Peer {
	p := profile.Peer{IP: ip, Names: names}
	if len(names) > 0 {
		p.NameSource = []string{profile.NameHubble}
	}
	if e.PodName != "" {
		p.K8s = profile.K8s{Namespace: e.Namespace, Kind: "Pod", Name: e.PodName, Labels: e.labels()}
	}
	return p
}

// protocol is the protocol of a flow and its ports.
func (x *l4) protocol() (string, ports) {
	switch {
	case x.TCP != nil:
		return "tcp", *x.TCP
	case x.UDP != nil:
		return "udp", *x.UDP
	case x.SCTP != nil:
		return "sctp", *x.SCTP
	case x.ICMPv4 != nil:
		return "icmp", ports{}
	case x.ICMPv6 != nil:
		return "icmpv6", ports{}
	default:
		return "", ports{}
	}
}

// isRequest reports whether a flow goes from who began it to its peer. Only
// flows that say whether they are a reply, or of which the handshake does, tell.
func (f *flow) isRequest(proto string, p ports) bool {
	switch {
	case f.IsReply != nil:
		return !*f.IsReply
	case proto == "tcp":
		return p.Flags.SYN && !p.Flags.ACK
	default:
		return f.Reason == "NEW"
	}
}

// connect folds a flow of packets.
func (r *recording) connect(f *flow, egress bool) {
	proto, p := f.L4.protocol()
	if proto == "" {
		return
	}
	if !f.isRequest(proto, p) {
		r.unknown++
		return
	}
	result := ""
	switch f.Verdict {
	case "FORWARDED", "REDIRECTED", "TRACED", "AUDIT", "TRANSLATED":
		result = profile.ResultSent
		if proto == "tcp" || proto == "sctp" {
			result = profile.ResultInProgress
		}
	case "DROPPED", "ERROR":
		result = profile.ResultDenied
	default:
		return
	}
	c := connection{proto, f.IP.Source, f.IP.Destination, result, p.Source, p.Destination}
	if _, ok := r.known.Get(c); ok {
		return // observed at another point
	}
	r.known.Put(c, struct{}{})
	at := foreign.Time(f.Time)
	if !egress {
		if result != profile.ResultDenied && p.Destination != 0 {
			r.facts.Accept(fold.Accept{Proto: proto, Port: int(p.Destination), Peer: f.Source.peer(f.IP.Source, f.SourceNames), At: at})
		}
		return
	}
	x := fold.Connect{
		Proto: proto, Port: int(p.Destination), Peer: f.Destination.peer(f.IP.Destination, f.DestinationNames),
		Result: result, Attribution: profile.AttributionPod, At: at,
	}
	if s := f.DestinationService; s.Name != "" {
		x.Via.Service = s.Namespace + "/" + s.Name
	}
	r.facts.Connect(x)
}

// lookup folds a DNS message that the proxy saw.
func (r *recording) lookup(f *flow) {
	if f.L7.DNS == nil {
		return
	}
	for _, kind := range f.L7.DNS.Qtypes {
		r.dns = true
		r.facts.DNS(fold.DNS{Name: f.L7.DNS.Query, Type: strings.ToUpper(kind), Answers: f.L7.DNS.IPs, At: foreign.Time(f.Time)})
	}
}
