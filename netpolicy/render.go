package netpolicy

import (
	"bytes"
	"fmt"
	"iter"
	"slices"

	"github.com/lathe-build/lathe/netpolicy/evaluate"
	"k8s.io/apimachinery/pkg/labels"
)

// Form is a kind of policy that a hint is rendered to.
type Form string

// Forms of policies.
const (
	Core   Form = "core"   // NetworkPolicy of networking.k8s.io/v1
	Cilium Form = "cilium" // CiliumNetworkPolicy of cilium.io/v2
)

// Forms are all of them.
func Forms() []Form { return []Form{Core, Cilium} }

// Render writes the policy of a hint as one YAML document for kubectl, with a
// comment above each rule that says why it is there. It needs the hint and
// nothing else, and gives the same bytes for the same hint. The policy is
// checked before: it must do what the hint says, by the evaluator of its form.
// Errors: [ErrNoSelector], [ErrNoDirection], [ErrHostNetwork], [ErrPartial],
// [ErrTooLarge], [ErrTooComplex], and [ErrSelfCheck].
func Render(h *Hint, form Form) ([]byte, error) {
	if err := h.unusable(); err != nil {
		return nil, fmt.Errorf("rendering network policy: %w", err)
	}
	sum, err := h.digest()
	if err != nil {
		return nil, fmt.Errorf("rendering network policy: %w", err)
	}
	w := &yamlWriter{}
	switch form {
	case Core:
		np := h.render(sum)
		if err := validate(np); err != nil {
			return nil, fmt.Errorf("rendering network policy: %w", err)
		}
		w.core(h, np)
	case Cilium:
		if err := h.ciliumTooLarge(); err != nil {
			return nil, fmt.Errorf("rendering Cilium network policy: %w", err)
		}
		p := h.cilium(sum)
		if err := p.Validate(); err != nil {
			return nil, fmt.Errorf("rendering Cilium network policy: %w", err)
		}
		w.cilium(h, p)
	default:
		return nil, fmt.Errorf("rendering network policy: unknown form %q", clip(string(form), maxShown))
	}
	if err := h.consistent(form); err != nil {
		return nil, fmt.Errorf("rendering network policy: %w", err)
	}
	return bytes.Clone(w.Bytes()), nil
}

// Evaluator answers for the policy that h renders to in a form. Errors are those
// of [Render].
func (h *Hint) Evaluator(form Form) (*evaluate.Evaluator, error) {
	if err := h.unusable(); err != nil {
		return nil, fmt.Errorf("evaluating network policy: %w", err)
	}
	return h.evaluator(form)
}

// evaluator does not look at whether the workload is known.
func (h *Hint) evaluator(form Form) (*evaluate.Evaluator, error) {
	if form == Cilium {
		if err := h.ciliumTooLarge(); err != nil {
			return nil, err
		}
		return evaluate.Cilium(h.cilium(""))
	}
	return evaluate.Core(h.render(""))
}

// HasNames reports whether an external peer has a name: then Cilium's form says
// more than the core one.
func (h *Hint) HasNames() bool {
	form := h.ciliumForm()
	return slices.ContainsFunc(h.Rules, func(r Rule) bool { return len(form.fqdns(r)) > 0 })
}

// sample is the first address, or a pod, of a peer: what is asked about it.
type sample struct {
	packet evaluate.Packet
	pod    bool
	local  bool // in the namespace of the workload
	none   bool // nothing can be asked
}

func (h *Hint) sample(d Direction, peer *Peer) sample {
	s := sample{
		packet: evaluate.Packet{Direction: d, Names: fewNames(peer.Names), Entities: entities(peer.Kind)},
		pod:    peer.Namespace != "", local: peer.Namespace == h.Workload.Namespace,
	}
	switch {
	case s.pod:
		s.packet.Pod = &evaluate.Pod{Namespace: peer.Namespace, NamespaceLabels: labels.Set{namespaceLabel: peer.Namespace}, Labels: peer.PodSelector, Local: s.local}
	case len(peer.CIDRs) > 0:
		addr, ok := blocksOfPeer(peer).first()
		s.packet.Addr, s.none = addr, !ok
	case d == Egress:
		s.none = true // of names alone nothing can be asked
	}
	return s
}

// at is an attempt to a port.
func (s *sample) at(port Port, n int32) evaluate.Packet {
	p := s.packet
	p.Protocol, p.Port = port.Protocol, uint16(n) //nolint:gosec // a port
	if s.pod {
		pod := *p.Pod
		pod.Ports = map[string]uint16{port.Protocol + "/" + port.Name: p.Port}
		p.Pod = &pod
	}
	return p
}

// packets are attempts to the first address, or a pod, of a peer at the ends of
// its ports.
func (h *Hint) packets(d Direction, peer Peer, ports []Port) iter.Seq[evaluate.Packet] {
	s := h.sample(d, &peer)
	return func(yield func(evaluate.Packet) bool) {
		for _, port := range ports {
			for _, n := range slices.Compact([]int32{port.Port, max(port.Port, port.EndPort)}) {
				if s.none || !yield(s.at(port, n)) {
					return
				}
			}
		}
	}
}
