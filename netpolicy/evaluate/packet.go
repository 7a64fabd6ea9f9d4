package evaluate

import (
	"net/netip"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/labels"
)

// Direction of a connection, seen from the workload.
type Direction string

// The two directions.
const (
	Ingress Direction = "ingress"
	Egress  Direction = "egress"
)

// Protocols of ports.
const (
	TCP  = "TCP"
	UDP  = "UDP"
	SCTP = "SCTP"
)

// Packet is one attempt that a policy decides on. What is not known of the peer
// is empty.
type Packet struct {
	Direction Direction
	Addr      netip.Addr // of the peer
	Names     []string   // whose answer the address was
	Entities  []string   // Cilium's words for what the peer is
	Pod       *Pod       // the peer, where it is a pod
	Protocol  string     // TCP, UDP or SCTP
	Port      uint16     // of who is connected to
}

// Pod is what a policy knows of a pod.
type Pod struct {
	Namespace       string
	NamespaceLabels labels.Set
	Labels          labels.Set
	Local           bool // it is in the policy's own namespace
	// Ports are the container ports that have a name, by protocol/name.
	Ports map[string]uint16
}

// Evaluator answers for one policy. It is safe for concurrent use.
type Evaluator struct {
	ingress, egress *ruleSet
	looked          atomic.Int64
}

// Looked is how many rules all answers so far had to look at: few for each,
// unless many rules are for one block, one name or the same labels.
func (e *Evaluator) Looked() int64 { return e.looked.Load() }

// Restricts reports whether the policy restricts direction d.
func (e *Evaluator) Restricts(d Direction) bool { return e.rules(d) != nil }

func (e *Evaluator) rules(d Direction) *ruleSet {
	if d == Ingress {
		return e.ingress
	}
	return e.egress
}

// Allows reports whether the policy lets p pass.
func (e *Evaluator) Allows(p Packet) bool {
	s := e.rules(p.Direction)
	if s == nil {
		return true
	}
	q := query{Packet: p}
	ok := s.allows(&q)
	e.looked.Add(q.looked)
	return ok
}
