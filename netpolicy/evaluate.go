package netpolicy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// packet is one attempt that a policy decides on, after address translation.
type packet struct {
	dir       Direction
	addr      netip.Addr // not valid when only the pod is known, or the source is anyone
	namespace labels.Set // labels of the peer's namespace; nil when the peer is no pod
	pod       labels.Set
	local     bool // the peer is in the policy's own namespace
	end       endpoint
}

// evaluator decides as the API's semantics say: a direction that the policy does
// not restrict is open, in one that it does a packet needs a rule with a
// matching peer and port. Blocks are found by their length, so that a decision
// takes a bounded time for any number of them.
type evaluator struct {
	ingress, egress *ruleSet
}

// ruleSet is one restricted direction.
type ruleSet struct {
	anyone    portSet // of rules without peers
	blocks    map[netip.Prefix][]blockRule
	lengths   []int // of the prefixes in blocks
	selectors []selectorRule
}

type blockRule struct {
	except []netip.Prefix
	ports  portSet
}

type selectorRule struct {
	namespace, pod labels.Selector // nil: not given
	ports          portSet
}

// portSet holds sorted ranges of each protocol.
type portSet struct {
	all    map[string]bool // protocols all of whose ports match
	ranges map[string][][2]uint16
}

func newEvaluator(np *networkingv1.NetworkPolicy) (*evaluator, error) {
	e := &evaluator{}
	for _, t := range np.Spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			e.ingress = newRuleSet()
		case networkingv1.PolicyTypeEgress:
			e.egress = newRuleSet()
		}
	}
	for _, r := range np.Spec.Ingress {
		if err := e.ingress.add(r.Ports, r.From); err != nil {
			return nil, err
		}
	}
	for _, r := range np.Spec.Egress {
		if err := e.egress.add(r.Ports, r.To); err != nil {
			return nil, err
		}
	}
	for _, s := range []*ruleSet{e.ingress, e.egress} {
		if s != nil {
			s.anyone.normalize()
		}
	}
	return e, nil
}

func newRuleSet() *ruleSet {
	return &ruleSet{blocks: map[netip.Prefix][]blockRule{}, anyone: newPortSet()}
}

func (s *ruleSet) add(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) error {
	if s == nil {
		return fmt.Errorf("there are rules of a direction that is not restricted")
	}
	if len(peers) == 0 {
		s.anyone.add(ports)
		return nil
	}
	set := newPortSet()
	set.add(ports)
	set.normalize()
	for _, p := range peers {
		if p.IPBlock != nil {
			if err := s.addBlock(p.IPBlock, set); err != nil {
				return err
			}
			continue
		}
		rule := selectorRule{ports: set}
		var err error
		if rule.pod, err = selector(p.PodSelector); err != nil {
			return err
		}
		if rule.namespace, err = selector(p.NamespaceSelector); err != nil {
			return err
		}
		s.selectors = append(s.selectors, rule)
	}
	return nil
}

func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return nil, nil //nolint:nilnil // no selector is different from one that selects nothing
	}
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return nil, fmt.Errorf("reading selector: %w", err)
	}
	return sel, nil
}

func (s *ruleSet) addBlock(b *networkingv1.IPBlock, set portSet) error {
	cidr, err := netip.ParsePrefix(b.CIDR)
	if err != nil {
		return fmt.Errorf("reading block: %w", err)
	}
	rule := blockRule{ports: set}
	for _, text := range b.Except {
		except, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("reading block: %w", err)
		}
		rule.except = append(rule.except, except.Masked())
	}
	cidr = cidr.Masked()
	s.blocks[cidr] = append(s.blocks[cidr], rule)
	if !slices.Contains(s.lengths, cidr.Bits()) {
		s.lengths = append(s.lengths, cidr.Bits())
	}
	return nil
}

func newPortSet() portSet {
	return portSet{all: map[string]bool{}, ranges: map[string][][2]uint16{}}
}

// add reads the ports of a rule. Named ports match nothing: what they mean is
// known only inside a cluster.
func (s portSet) add(ports []networkingv1.NetworkPolicyPort) {
	for _, p := range ports {
		proto := protoTCP
		if p.Protocol != nil {
			proto = string(*p.Protocol)
		}
		switch {
		case p.Port == nil:
			s.all[proto] = true
		case p.Port.Type == intstr.Int:
			first := uint16(p.Port.IntVal)
			last := first
			if p.EndPort != nil {
				last = uint16(*p.EndPort)
			}
			s.ranges[proto] = append(s.ranges[proto], [2]uint16{first, last})
		}
	}
	if len(ports) == 0 {
		s.all[protoTCP], s.all[protoUDP], s.all[protoSCTP] = true, true, true
	}
}

// normalize makes the ranges fit for [portSet.has].
func (s portSet) normalize() {
	for proto := range s.ranges {
		slices.SortFunc(s.ranges[proto], func(a, b [2]uint16) int { return cmp.Compare(a[0], b[0]) })
		s.ranges[proto] = mergeRanges(s.ranges[proto])
	}
}

// mergeRanges joins ranges that overlap; they come sorted.
func mergeRanges(in [][2]uint16) [][2]uint16 {
	out := in[:0]
	for _, r := range in {
		if n := len(out); n > 0 && r[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s portSet) has(e endpoint) bool {
	if s.all[e.proto] {
		return true
	}
	list := s.ranges[e.proto]
	i, found := slices.BinarySearchFunc(list, e.port, func(r [2]uint16, port uint16) int { return cmp.Compare(r[0], port) })
	return found || i > 0 && e.port <= list[i-1][1]
}

// allows reports whether the policy lets p pass.
func (e *evaluator) allows(p packet) bool {
	s := e.egress
	if p.dir == Ingress {
		s = e.ingress
	}
	if s == nil {
		return true
	}
	return s.anyone.has(p.end) || s.byBlock(p) || s.bySelector(p)
}

func (s *ruleSet) byBlock(p packet) bool {
	if !p.addr.IsValid() {
		return false
	}
	for _, bits := range s.lengths {
		prefix, err := p.addr.Prefix(bits)
		if err != nil {
			continue // of the other family
		}
		for _, rule := range s.blocks[prefix] {
			out := slices.ContainsFunc(rule.except, func(x netip.Prefix) bool { return x.Contains(p.addr) })
			if !out && rule.ports.has(p.end) {
				return true
			}
		}
	}
	return false
}

func (s *ruleSet) bySelector(p packet) bool {
	if p.namespace == nil {
		return false
	}
	return slices.ContainsFunc(s.selectors, func(r selectorRule) bool {
		namespace := p.local
		if r.namespace != nil {
			namespace = r.namespace.Matches(p.namespace)
		}
		return namespace && (r.pod == nil || r.pod.Matches(p.pod)) && r.ports.has(p.end)
	})
}
