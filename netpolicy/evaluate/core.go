package evaluate

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Core reads a policy of the core API. A block or selector that no server takes
// is an error, and so are rules of a direction that is not restricted. The
// policy's types are not defaulted: they must be there.
func Core(np *networkingv1.NetworkPolicy) (*Evaluator, error) {
	e := &Evaluator{}
	for _, t := range np.Spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			e.ingress = newRuleSet()
		case networkingv1.PolicyTypeEgress:
			e.egress = newRuleSet()
		}
	}
	for _, r := range np.Spec.Ingress {
		if err := e.ingress.addCore(r.Ports, r.From); err != nil {
			return nil, err
		}
	}
	for _, r := range np.Spec.Egress {
		if err := e.egress.addCore(r.Ports, r.To); err != nil {
			return nil, err
		}
	}
	e.ingress.index()
	e.egress.index()
	return e, nil
}

func (s *ruleSet) addCore(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) error {
	if s == nil {
		return fmt.Errorf("there are rules of a direction that is not restricted")
	}
	if len(peers) == 0 {
		s.anyone.addCore(ports)
		return nil
	}
	set := newPortSet()
	set.addCore(ports)
	set.normalize()
	for _, p := range peers {
		if p.IPBlock != nil {
			if err := s.addBlock(p.IPBlock.CIDR, p.IPBlock.Except, set); err != nil {
				return err
			}
			continue
		}
		rule := selectorRule{ports: set}
		var must map[string]string
		var err error
		if p.PodSelector != nil {
			must = p.PodSelector.MatchLabels
		}
		if rule.pod, err = selector(p.PodSelector); err != nil {
			return err
		}
		if rule.namespace, err = selector(p.NamespaceSelector); err != nil {
			return err
		}
		s.pods.Add("", must, rule)
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
