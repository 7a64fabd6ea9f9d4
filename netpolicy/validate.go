package netpolicy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// validate repeats what kube-apiserver 1.36 was seen to refuse, and is stricter
// where a policy that a server accepts is not what anybody means: an empty pod
// selector, and types that are left to a default.
func validate(np *networkingv1.NetworkPolicy) error {
	if msgs := validation.IsDNS1123Subdomain(np.Name); len(msgs) > 0 {
		return fmt.Errorf("metadata.name %q: %s", clip(np.Name, maxShown), msgs[0])
	}
	if np.Namespace != "" {
		if msgs := validation.IsDNS1123Label(np.Namespace); len(msgs) > 0 {
			return fmt.Errorf("metadata.namespace %q: %s", clip(np.Namespace, maxShown), msgs[0])
		}
	}
	if err := validateAnnotations(np.Annotations); err != nil {
		return fmt.Errorf("metadata.annotations: %w", err)
	}
	spec := np.Spec
	if err := validateSelector(&spec.PodSelector, true); err != nil {
		return fmt.Errorf("spec.podSelector: %w", err)
	}
	if err := validateTypes(spec); err != nil {
		return fmt.Errorf("spec.policyTypes: %w", err)
	}
	for i, r := range spec.Ingress {
		if err := validateRule(r.Ports, r.From); err != nil {
			return fmt.Errorf("spec.ingress[%d]: %w", i, err)
		}
	}
	for i, r := range spec.Egress {
		if err := validateRule(r.Ports, r.To); err != nil {
			return fmt.Errorf("spec.egress[%d]: %w", i, err)
		}
		if len(r.To) == 0 {
			return fmt.Errorf("spec.egress[%d]: no peers, which allows every destination", i)
		}
	}
	return nil
}

func validateAnnotations(notes map[string]string) error {
	size := 0
	for _, key := range slices.Sorted(maps.Keys(notes)) {
		if msgs := validation.IsQualifiedName(key); len(msgs) > 0 {
			return fmt.Errorf("%q: %s", clip(key, maxShown), msgs[0])
		}
		size += len(key) + len(notes[key])
	}
	if size > maxAnnotationSize {
		return fmt.Errorf("%d bytes are more than %d", size, maxAnnotationSize)
	}
	return nil
}

func validateTypes(spec networkingv1.NetworkPolicySpec) error {
	if len(spec.PolicyTypes) == 0 {
		return fmt.Errorf("none is given, and the default leaves egress open")
	}
	seen := map[networkingv1.PolicyType]bool{}
	for _, t := range spec.PolicyTypes {
		if t != networkingv1.PolicyTypeIngress && t != networkingv1.PolicyTypeEgress || seen[t] {
			return fmt.Errorf("%q is unknown or repeated", t)
		}
		seen[t] = true
	}
	if len(spec.Ingress) > 0 && !seen[networkingv1.PolicyTypeIngress] || len(spec.Egress) > 0 && !seen[networkingv1.PolicyTypeEgress] {
		return fmt.Errorf("there are rules of a type that is not given")
	}
	return nil
}

// validateSelector refuses selectors that a server does. An empty one selects
// everything, which is never meant where labels is set.
func validateSelector(s *metav1.LabelSelector, labels bool) error {
	if err := checkLabels(s.MatchLabels); err != nil {
		return err
	}
	for _, e := range s.MatchExpressions {
		if _, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}}); err != nil {
			return fmt.Errorf("key %q: %w", clip(e.Key, maxShown), err)
		}
	}
	if labels && len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return fmt.Errorf("it is empty and selects every pod")
	}
	return nil
}

func validateRule(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) error {
	if len(ports) == 0 {
		return fmt.Errorf("no ports, which allows every port")
	}
	for i, p := range ports {
		if err := validatePort(p); err != nil {
			return fmt.Errorf("ports[%d]: %w", i, err)
		}
	}
	for i, p := range peers {
		if err := validatePeer(p); err != nil {
			return fmt.Errorf("peers[%d]: %w", i, err)
		}
	}
	return nil
}

func validatePort(p networkingv1.NetworkPolicyPort) error {
	if p.Protocol != nil && !slices.Contains([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}, *p.Protocol) {
		return fmt.Errorf("protocol %q is not TCP, UDP or SCTP", *p.Protocol)
	}
	switch {
	case p.Port == nil:
		return fmt.Errorf("no port, which allows every port")
	case p.Port.Type == intstr.String:
		if msgs := validation.IsValidPortName(p.Port.StrVal); len(msgs) > 0 {
			return fmt.Errorf("port %q: %s", clip(p.Port.StrVal, maxShown), msgs[0])
		}
		if p.EndPort != nil {
			return fmt.Errorf("endPort beside the named port %q", p.Port.StrVal)
		}
		return nil
	case p.Port.IntVal < 1 || p.Port.IntVal > 65535:
		return fmt.Errorf("port %d is not in 1-65535", p.Port.IntVal)
	}
	if p.EndPort != nil && (*p.EndPort < p.Port.IntVal || *p.EndPort > 65535) {
		return fmt.Errorf("endPort %d is not in %d-65535", *p.EndPort, p.Port.IntVal)
	}
	return nil
}

func validatePeer(p networkingv1.NetworkPolicyPeer) error {
	if p.IPBlock != nil {
		if p.PodSelector != nil || p.NamespaceSelector != nil {
			return fmt.Errorf("ipBlock together with a selector")
		}
		return validateBlock(p.IPBlock)
	}
	if p.PodSelector == nil && p.NamespaceSelector == nil {
		return fmt.Errorf("neither ipBlock nor selector")
	}
	if p.PodSelector != nil {
		if err := validateSelector(p.PodSelector, true); err != nil {
			return fmt.Errorf("podSelector: %w", err)
		}
	}
	if p.NamespaceSelector != nil {
		if err := validateSelector(p.NamespaceSelector, p.PodSelector == nil); err != nil {
			return fmt.Errorf("namespaceSelector: %w", err)
		}
	}
	return nil
}

func validateBlock(b *networkingv1.IPBlock) error {
	outer, err := validateCIDR(b.CIDR)
	if err != nil {
		return fmt.Errorf("ipBlock: %w", err)
	}
	for _, s := range b.Except {
		inner, err := validateCIDR(s)
		if err != nil {
			return fmt.Errorf("ipBlock.except: %w", err)
		}
		if inner.Bits() <= outer.Bits() || !outer.Contains(inner.Addr()) {
			return fmt.Errorf("ipBlock.except %s is not strictly inside %s", inner, outer)
		}
	}
	return nil
}

// validateCIDR takes the one spelling of a prefix that no server refuses.
func validateCIDR(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is no prefix", clip(s, maxShown))
	case p.Addr().Is4In6():
		return p, fmt.Errorf("%q is IPv4 mapped into IPv6", s)
	case p.Masked() != p:
		return p, fmt.Errorf("%q has bits beyond its length", s)
	case p.String() != s:
		return p, fmt.Errorf("%q is not written as %s", s, p)
	}
	return p, nil
}
