package netpolicy

import (
	"bytes"
	"fmt"
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
// [ErrTooLarge], and [ErrSelfCheck].
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

// consistent asks the policy of a hint, whoever wrote it, about what the hint
// itself lists: every rule's peers are allowed and what was left out is denied,
// unless a rule is for it.
func (h *Hint) consistent(form Form) error {
	e, err := h.evaluator(form)
	if err != nil {
		return err
	}
	for _, r := range h.Rules {
		for _, p := range h.packets(r.Direction, r.Peer, r.Ports) {
			if !e.Allows(p) {
				return fmt.Errorf("%w: rule %s does not allow %s", ErrSelfCheck, r.ID, packetText(p))
			}
		}
	}
	for _, list := range [][]Omission{h.Tightened, h.Foreign, h.Omitted} {
		for _, o := range list {
			if !h.Restricts(o.Direction) {
				continue
			}
			for _, p := range h.packets(o.Direction, o.Peer, o.Ports) {
				p.Names = nil
				if e.Allows(p) && !h.covers(p) {
					return fmt.Errorf("%w: %s %s is allowed although it was left out (%s)", ErrSelfCheck, p.Direction, packetText(p), clip(o.Reason, maxShown))
				}
			}
		}
	}
	return nil
}

// covers reports whether some rule of the hint is meant for p.
func (h *Hint) covers(p evaluate.Packet) bool {
	end := endpoint{p.Protocol, p.Port}
	for _, r := range h.Rules {
		if r.Direction != p.Direction || !holds(r.Ports, end) {
			continue
		}
		switch {
		case r.Peer.Kind == PeerAny:
			return true
		case p.Addr.IsValid() && inBlocks(r.Peer, p.Addr):
			return true
		case p.Pod != nil && r.Peer.Namespace == p.Pod.Namespace && hasAll(p.Pod.Labels, r.Peer.PodSelector):
			return true
		}
	}
	return false
}

// packets are attempts to the first address, or a pod, of a peer at the ends of
// its ports.
func (h *Hint) packets(d Direction, peer Peer, ports []Port) []evaluate.Packet {
	var list []evaluate.Packet
	for _, port := range ports {
		for _, n := range []int32{port.Port, max(port.Port, port.EndPort)} {
			p := evaluate.Packet{Direction: d, Protocol: port.Protocol, Port: uint16(n), Names: fewNames(peer.Names), Entities: entities(peer.Kind)} //nolint:gosec // a port
			switch {
			case peer.Namespace != "":
				p.Pod = &evaluate.Pod{
					Namespace: peer.Namespace, NamespaceLabels: labels.Set{namespaceLabel: peer.Namespace}, Labels: peer.PodSelector,
					Local: peer.Namespace == h.Workload.Namespace, Ports: map[string]uint16{port.Protocol + "/" + port.Name: uint16(n)}, //nolint:gosec // a port
				}
			case len(peer.CIDRs) > 0:
				addrs := firstOf(peer)
				if len(addrs) == 0 {
					continue
				}
				p.Addr = addrs[0]
			case d == Egress:
				continue // of names alone nothing can be asked
			}
			list = append(list, p)
		}
	}
	return list
}
