package drift

import (
	"fmt"
	"slices"
	"sync/atomic"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// Policies are the network policies of a cluster that are about one workload.
// They add up: what any of them allows passes, in a direction that any of them
// restricts; a direction that none restricts is open.
type Policies struct {
	names, byName []string
	list          []*evaluate.Evaluator
	looked        atomic.Int64
}

// Names are namespace/name of those that are about the workload, sorted.
func (p *Policies) Names() []string { return slices.Sorted(slices.Values(p.names)) }

// ByName are those of them that call ports of the workload by name, sorted. Which
// numbers these are is not known, so they open none.
func (p *Policies) ByName() []string { return slices.Sorted(slices.Values(p.byName)) }

// Looked implements [Policy]. Each policy that is asked counts as a rule.
func (p *Policies) Looked() int64 { return p.looked.Load() }

// Allows implements [Policy].
func (p *Policies) Allows(q evaluate.Packet) bool {
	restricted := false
	for _, e := range p.list {
		if !e.Restricts(q.Direction) {
			continue
		}
		restricted = true
		before := e.Looked()
		ok := e.Allows(q)
		p.looked.Add(1 + e.Looked() - before)
		if ok {
			return true
		}
	}
	return !restricted
}

// Add takes a NetworkPolicy of the core API in JSON or YAML, if it is about the
// pods of a hint. A policy without a namespace is taken to be in that of the
// workload.
func (p *Policies) Add(data []byte, w netpolicy.Workload) error {
	np := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict(data, np); err != nil {
		return fmt.Errorf("reading network policy: %w", err)
	}
	if np.Namespace != "" && w.Namespace != "" && np.Namespace != w.Namespace {
		return nil
	}
	sel, err := metav1.LabelSelectorAsSelector(&np.Spec.PodSelector)
	if err != nil {
		return fmt.Errorf("reading network policy %q: %w", np.Name, err)
	}
	if !sel.Matches(labels.Set(w.PodSelector)) {
		return nil
	}
	if len(np.Spec.PolicyTypes) == 0 { // as the API server fills it in
		np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(np.Spec.Egress) > 0 {
			np.Spec.PolicyTypes = append(np.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	// Rules of a direction that the types do not name are there for nothing.
	if !slices.Contains(np.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
		np.Spec.Ingress = nil
	}
	if !slices.Contains(np.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) {
		np.Spec.Egress = nil
	}
	e, err := evaluate.Core(np)
	if err != nil {
		return fmt.Errorf("reading network policy %q: %w", np.Name, err)
	}
	p.list = append(p.list, e)
	p.names = append(p.names, np.Namespace+"/"+np.Name)
	if slices.ContainsFunc(np.Spec.Ingress, namesPort) {
		p.byName = append(p.byName, np.Namespace+"/"+np.Name)
	}
	return nil
}

func namesPort(r networkingv1.NetworkPolicyIngressRule) bool {
	return slices.ContainsFunc(r.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port != nil && p.Port.Type == intstr.String })
}
