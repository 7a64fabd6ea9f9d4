package evaluate

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/lathe-build/lathe/netpolicy/cilium"
)

// ruleSet is one restricted direction.
type ruleSet struct {
	anyone    portSet // of rules without peers
	blocks    map[netip.Prefix][]blockRule
	lengths   []int // of the prefixes in blocks
	apart     bool  // blocks are not about pods and entities
	byLabel   map[string][]selectorRule
	selectors []selectorRule // that no label finds
	entities  map[string][]portSet
	names     map[string][]portSet
	patterns  []patternRule
}

type blockRule struct {
	except []netip.Prefix
	ports  portSet
}

// selectorRule selects pods. A nil selector was not given.
type selectorRule struct {
	namespace, pod labels.Selector
	in             string // the namespace's name; "" where it does not matter
	ports          portSet
}

type patternRule struct {
	name  cilium.Name
	ports portSet
}

func newRuleSet() *ruleSet {
	return &ruleSet{
		anyone: newPortSet(), blocks: map[netip.Prefix][]blockRule{}, byLabel: map[string][]selectorRule{},
		entities: map[string][]portSet{}, names: map[string][]portSet{},
	}
}

func (s *ruleSet) addBlock(cidr string, excepts []string, set portSet) error {
	block, err := netip.ParsePrefix(cidr)
	if err != nil {
		return fmt.Errorf("reading block: %w", err)
	}
	rule := blockRule{ports: set}
	for _, text := range excepts {
		except, err := netip.ParsePrefix(text)
		if err != nil {
			return fmt.Errorf("reading block: %w", err)
		}
		rule.except = append(rule.except, except.Masked())
	}
	block = block.Masked()
	s.blocks[block] = append(s.blocks[block], rule)
	if !slices.Contains(s.lengths, block.Bits()) {
		s.lengths = append(s.lengths, block.Bits())
	}
	return nil
}

// addSelector keeps a rule under one of the labels that its pods must have, so
// that it is found by them.
func (s *ruleSet) addSelector(r selectorRule, must map[string]string) {
	best := ""
	for k, v := range must {
		if label := k + "=" + v; best == "" || label < best {
			best = label
		}
	}
	if best == "" {
		s.selectors = append(s.selectors, r)
		return
	}
	s.byLabel[best] = append(s.byLabel[best], r)
}

func (s *ruleSet) byBlock(p Packet) bool {
	if !p.Addr.IsValid() || s.apart && (p.Pod != nil || len(p.Entities) > 0) {
		return false
	}
	for _, bits := range s.lengths {
		prefix, err := p.Addr.Prefix(bits)
		if err != nil {
			continue // of the other family
		}
		for _, rule := range s.blocks[prefix] {
			out := slices.ContainsFunc(rule.except, func(x netip.Prefix) bool { return x.Contains(p.Addr) })
			if !out && rule.ports.has(p) {
				return true
			}
		}
	}
	return false
}

func (s *ruleSet) bySelector(p Packet) bool {
	if p.Pod == nil {
		return false
	}
	fits := func(r selectorRule) bool { return r.fits(p) }
	if slices.ContainsFunc(s.selectors, fits) {
		return true
	}
	for k, v := range p.Pod.Labels {
		if slices.ContainsFunc(s.byLabel[k+"="+v], fits) {
			return true
		}
	}
	return false
}

func (r selectorRule) fits(p Packet) bool {
	namespace := p.Pod.Local
	switch {
	case r.namespace != nil:
		namespace = r.namespace.Matches(p.Pod.NamespaceLabels)
	case r.in != "":
		namespace = p.Pod.Namespace == r.in
	}
	return namespace && (r.pod == nil || r.pod.Matches(p.Pod.Labels)) && r.ports.has(p)
}

func (s *ruleSet) byEntity(p Packet) bool {
	for _, e := range append(slices.Clone(p.Entities), cilium.EntityAll) {
		if slices.ContainsFunc(s.entities[e], func(set portSet) bool { return set.has(p) }) {
			return true
		}
	}
	return false
}

func (s *ruleSet) byName(p Packet) bool {
	if p.Pod != nil || len(p.Entities) > 0 {
		return false // names give addresses, which are not about these
	}
	for _, name := range p.Names {
		if slices.ContainsFunc(s.names[name], func(set portSet) bool { return set.has(p) }) {
			return true
		}
		if slices.ContainsFunc(s.patterns, func(r patternRule) bool { return r.name.Matches(name) && r.ports.has(p) }) {
			return true
		}
	}
	return false
}
