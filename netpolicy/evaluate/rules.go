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
	anyone   portSet // of rules without peers
	blocks   Blocks[blockRule]
	apart    bool // blocks are not about pods and entities
	pods     Selectors[selectorRule]
	entities map[string][]portSet
	names    map[string][]portSet
	patterns []patternRule
}

type blockRule struct {
	except *Blocks[struct{}] // nil where none are
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
	return &ruleSet{anyone: newPortSet(), entities: map[string][]portSet{}, names: map[string][]portSet{}}
}

// index makes the rules that were added found.
func (s *ruleSet) index() {
	if s != nil {
		s.anyone.normalize()
		s.pods.Index()
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
		if rule.except == nil {
			rule.except = &Blocks[struct{}]{}
		}
		rule.except.Add(except, struct{}{})
	}
	s.blocks.Add(block, rule)
	return nil
}

// query is a packet, and how many rules were looked at for it.
type query struct {
	Packet
	looked int64
}

func (s *ruleSet) allows(q *query) bool {
	return s.anyone.has(q.Packet) || s.byBlock(q) || s.bySelector(q) || s.byEntity(q) || s.byName(q)
}

func (s *ruleSet) byBlock(q *query) bool {
	if !q.Addr.IsValid() || s.apart && (q.Pod != nil || len(q.Entities) > 0) {
		return false
	}
	for rule := range s.blocks.Holding(q.Addr) {
		q.looked++
		if rule.ports.has(q.Packet) && (rule.except == nil || !rule.except.Hold(q.Addr)) {
			return true
		}
	}
	return false
}

func (s *ruleSet) bySelector(q *query) bool {
	if q.Pod == nil {
		return false
	}
	for rule := range s.pods.Of("", q.Pod.Labels) {
		q.looked++
		if rule.fits(q.Packet) {
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
	return namespace && r.ports.has(p) && (r.pod == nil || r.pod.Matches(p.Pod.Labels))
}

func (s *ruleSet) byEntity(q *query) bool {
	for _, e := range append(slices.Clone(q.Entities), cilium.EntityAll) {
		if q.hasAny(s.entities[e]) {
			return true
		}
	}
	return false
}

func (q *query) hasAny(sets []portSet) bool {
	for _, set := range sets {
		q.looked++
		if set.has(q.Packet) {
			return true
		}
	}
	return false
}

func (s *ruleSet) byName(q *query) bool {
	if q.Pod != nil || len(q.Entities) > 0 {
		return false // names give addresses, which are not about these
	}
	for _, name := range q.Names {
		if q.hasAny(s.names[name]) {
			return true
		}
		for _, r := range s.patterns {
			q.looked++
			if r.ports.has(q.Packet) && r.name.Matches(name) {
				return true
			}
		}
	}
	return false
}
