package netpolicy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Keys of annotations.
const (
	annotationDomain = "lathe.dev/"
	annotationImage  = annotationDomain + "image"
	annotationSource = annotationDomain + "source"
	annotationFrom   = annotationDomain + "profile"
	annotationHint   = annotationDomain + "hint"
	annotationRule   = annotationDomain + "rule."
	annotationRest   = annotationDomain + "rules-not-annotated"
)

const (
	maxRuleLine       = 200       // bytes of the annotation of a rule
	maxAnnotated      = 64 << 10  // bytes of all of these; a server takes 256 KiB in all
	maxAnnotationSize = 256 << 10 // what a server takes
	maxSize           = 60_000    // address blocks and ports; a real server was seen to take as many blocks
	maxCiliumSize     = 1_000_000 // the same in Cilium's form, with names, and peers repeated for many ports

	// namespaceLabel is on every namespace and holds its name.
	namespaceLabel = "kubernetes.io/metadata.name"
)

// NetworkPolicy renders the hint for the core API. It reports false when there
// is no policy to be made: see [Hint.YAML], whose errors say why.
func (h *Hint) NetworkPolicy() (*networkingv1.NetworkPolicy, bool) {
	if h.unusable() != nil {
		return nil, false
	}
	sum, err := h.digest()
	if err != nil {
		return nil, false
	}
	return h.render(sum), true
}

// unusable says why no policy can be made of h.
func (h *Hint) unusable() error {
	if len(h.Workload.PodSelector) == 0 {
		return ErrNoSelector
	}
	if len(h.PolicyTypes) == 0 {
		return ErrNoDirection
	}
	if h.Workload.HostNetwork {
		return ErrHostNetwork
	}
	if missing := h.Workload.Missing(); len(missing) > 0 && !h.Workload.Partial {
		return fmt.Errorf("%w: nothing is known of %s", ErrPartial, some(missing, shownPerWarning))
	}
	n := 0
	for _, r := range h.Rules {
		n += len(r.Peer.CIDRs) + len(r.Ports)
	}
	if n > maxSize {
		return fmt.Errorf("%w: %d address blocks and ports, at most %d", ErrTooLarge, n, maxSize)
	}
	return nil
}

// digest is that of hint.json.
func (h *Hint) digest() (string, error) {
	data, err := h.JSON()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return digestPrefix + hex.EncodeToString(sum[:]), nil
}

// render makes the policy object, whatever the workload's selector is.
func (h *Hint) render(sum string) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        h.Workload.Name,
			Namespace:   h.Workload.Namespace,
			Annotations: h.annotations(sum),
		},
		Spec: networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: maps.Clone(h.Workload.PodSelector)}},
	}
	for _, d := range h.PolicyTypes {
		switch d {
		case Ingress:
			np.Spec.PolicyTypes = append(np.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
			np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{}
			for _, r := range h.Allows(d) {
				np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{Ports: renderPorts(r.Ports), From: renderPeer(r.Peer, h.Workload.Namespace)})
			}
		case Egress:
			np.Spec.PolicyTypes = append(np.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
			np.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{}
			for _, r := range h.Allows(d) {
				np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{Ports: renderPorts(r.Ports), To: renderPeer(r.Peer, h.Workload.Namespace)})
			}
		}
	}
	return np
}

// renderPeer is empty for [PeerAny], which the API takes as everyone. Pods of the
// policy's own namespace need no selector for it.
func renderPeer(p Peer, own string) []networkingv1.NetworkPolicyPeer {
	if p.Namespace != "" {
		peer := networkingv1.NetworkPolicyPeer{}
		if len(p.PodSelector) > 0 {
			peer.PodSelector = &metav1.LabelSelector{MatchLabels: maps.Clone(p.PodSelector)}
		}
		if p.Namespace != own || peer.PodSelector == nil {
			peer.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{namespaceLabel: p.Namespace}}
		}
		return []networkingv1.NetworkPolicyPeer{peer}
	}
	var peers []networkingv1.NetworkPolicyPeer
	except := exceptsOf(&p)
	for i, cidr := range p.CIDRs {
		peers = append(peers, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: cidr, Except: except[i]}})
	}
	return peers
}

func renderPorts(list []Port) []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	for _, p := range list {
		proto, port := corev1.Protocol(p.Protocol), intstr.FromInt32(p.Port)
		if p.Name != "" {
			port = intstr.FromString(p.Name)
		}
		np := networkingv1.NetworkPolicyPort{Protocol: &proto, Port: &port}
		if p.EndPort != 0 {
			end := p.EndPort
			np.EndPort = &end
		}
		out = append(out, np)
	}
	return out
}

// annotations bind the policy to what it was made of, and say in one short line
// why each rule is there, up to a bound.
func (h *Hint) annotations(sum string) map[string]string {
	notes := map[string]string{annotationHint: sum}
	for key, value := range map[string]string{
		annotationImage:  h.Image.Hardened,
		annotationSource: h.Image.Source,
		annotationFrom:   h.Profile.Digest,
	} {
		if value != "" {
			notes[key] = value
		}
	}
	size := 0
	for i, r := range h.Rules {
		key, line := annotationRule+r.ID, r.line()
		if size += len(key) + len(line); size > maxAnnotated {
			notes[annotationRest] = fmt.Sprint(len(h.Rules) - i)
			break
		}
		notes[key] = line
	}
	return notes
}

// line says in a few words what r allows and for whom.
func (r Rule) line() string {
	keys := make([]string, 0, len(r.Evidence.Executables))
	for _, e := range r.Evidence.Executables {
		keys = append(keys, e.Key)
	}
	who := "unknown executables"
	if len(keys) > 0 {
		who = some(keys, 2)
	}
	return inline(fmt.Sprintf("%s %s for %s", r.Peer.short(), portList(r.Ports, 4), who), maxRuleLine)
}

// short names a peer.
func (p Peer) short() string {
	switch {
	case len(p.Names) > 0 && p.Kind != PeerClusterDNS:
		return some(p.Names, 1)
	case len(p.PodSelector) > 0 && p.Kind != PeerClusterDNS:
		return p.Namespace + "/" + labelText(p.PodSelector)
	case len(p.CIDRs) > 0:
		return some(p.CIDRs, 2)
	}
	return string(p.Kind)
}

func portList(list []Port, n int) string {
	words := make([]string, 0, len(list))
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.ReplaceAll(some(words, n), ", ", ",")
}
