package evaluate

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/lathe-build/lathe/netpolicy/cilium"
)

// Cilium reads a CiliumNetworkPolicy that [cilium.Policy.Validate] accepts; any
// other is an error. What may be asked of a name server is not looked at.
func Cilium(p *cilium.Policy) (*Evaluator, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	e := &Evaluator{}
	if p.Spec.EnableDefaultDeny.Ingress {
		e.ingress = newRuleSet()
	}
	if p.Spec.EnableDefaultDeny.Egress {
		e.egress = newRuleSet()
	}
	for _, r := range p.Spec.Ingress {
		set := ciliumPorts(r.ToPorts)
		if err := e.ingress.addCilium(r.FromEndpoints, r.FromCIDR, r.FromCIDRSet, r.FromEntities, set); err != nil {
			return nil, err
		}
	}
	for _, r := range p.Spec.Egress {
		set := ciliumPorts(r.ToPorts)
		if err := e.egress.addCilium(r.ToEndpoints, r.ToCIDR, r.ToCIDRSet, r.ToEntities, set); err != nil {
			return nil, err
		}
		for _, n := range r.ToFQDNs {
			if n.MatchName != "" {
				e.egress.names[n.MatchName] = append(e.egress.names[n.MatchName], set)
			} else {
				e.egress.patterns = append(e.egress.patterns, patternRule{n, set})
			}
		}
	}
	e.ingress.index()
	e.egress.index()
	return e, nil
}

func ciliumPorts(rules []cilium.PortRule) portSet {
	set := newPortSet()
	set.addCilium(rules)
	set.normalize()
	return set
}

func (s *ruleSet) addCilium(pods []cilium.Selector, cidrs []string, sets []cilium.CIDRBlock, entities []string, ports portSet) error {
	s.apart = true
	for _, sel := range pods {
		rule, must := selectorRule{ports: ports}, map[string]string{}
		for k, v := range sel.MatchLabels {
			if k == cilium.NamespaceLabel {
				rule.in = v
				continue
			}
			must[strings.TrimPrefix(k, cilium.LabelPrefix)] = v
		}
		rule.pod = labels.SelectorFromSet(must)
		s.pods.Add("", must, rule)
	}
	for _, c := range cidrs {
		if err := s.addBlock(c, nil, ports); err != nil {
			return err
		}
	}
	for _, b := range sets {
		if err := s.addBlock(b.CIDR, b.Except, ports); err != nil {
			return err
		}
	}
	for _, e := range entities {
		s.entities[e] = append(s.entities[e], ports)
	}
	return nil
}
