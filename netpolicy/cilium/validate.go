package cilium

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Validate repeats the checks of the server and of Cilium's agent, and refuses
// what they take although nobody means it: a direction that is denied by no
// rule, ports of every peer, and selectors of every pod. Errors name the place.
func (p *Policy) Validate() error {
	if p.APIVersion != APIVersion || p.Kind != Kind {
		return fmt.Errorf("%q %q is no %s of %s", p.APIVersion, p.Kind, Kind, APIVersion)
	}
	if msgs := validation.IsDNS1123Subdomain(p.Metadata.Name); len(msgs) > 0 {
		return fmt.Errorf("metadata.name %.120q: %s", p.Metadata.Name, msgs[0])
	}
	if ns := p.Metadata.Namespace; ns != "" {
		if msgs := validation.IsDNS1123Label(ns); len(msgs) > 0 {
			return fmt.Errorf("metadata.namespace %.120q: %s", ns, msgs[0])
		}
	}
	if err := p.Spec.EndpointSelector.validate(); err != nil {
		return fmt.Errorf("spec.endpointSelector: %w", err)
	}
	if p.Spec.EnableDefaultDeny.Ingress != (len(p.Spec.Ingress) > 0) || p.Spec.EnableDefaultDeny.Egress != (len(p.Spec.Egress) > 0) {
		return fmt.Errorf("spec.enableDefaultDeny: a direction is denied exactly when it has a rule")
	}
	if len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 {
		return fmt.Errorf("spec: no rules, which the agent refuses")
	}
	for i, r := range p.Spec.Ingress {
		if err := r.validate(); err != nil {
			return fmt.Errorf("spec.ingress[%d]: %w", i, err)
		}
	}
	for i, r := range p.Spec.Egress {
		if err := r.validate(); err != nil {
			return fmt.Errorf("spec.egress[%d]: %w", i, err)
		}
	}
	return p.validateNames()
}

// validateNames makes sure that names are learnt: Cilium knows the addresses of
// a name only from the answers that its proxy sees.
func (p *Policy) validateNames() error {
	uses, asks := false, false
	for _, r := range p.Spec.Egress {
		uses = uses || len(r.ToFQDNs) > 0
		for _, ports := range r.ToPorts {
			asks = asks || ports.Rules != nil && len(ports.Rules.DNS) > 0
		}
	}
	if uses && !asks {
		return fmt.Errorf("spec.egress: names without a rule for DNS by which they are learnt")
	}
	return nil
}

func (r IngressRule) validate() error {
	if err := checkPeers(r.peers(), r.ToPorts); err != nil {
		return err
	}
	return checkParts(r.FromEndpoints, r.FromCIDR, r.FromCIDRSet, r.FromEntities, r.ToPorts)
}

func (r EgressRule) validate() error {
	if err := checkPeers(r.peers(), r.ToPorts); err != nil {
		return err
	}
	for _, n := range r.ToFQDNs {
		if err := n.Validate(); err != nil {
			return fmt.Errorf("toFQDNs: %w", err)
		}
	}
	if slices.Contains(r.ToEntities, EntityAll) {
		return fmt.Errorf("toEntities: every destination")
	}
	return checkParts(r.ToEndpoints, r.ToCIDR, r.ToCIDRSet, r.ToEntities, r.ToPorts)
}

func checkPeers(kinds int, ports []PortRule) error {
	switch {
	case kinds > 1:
		return fmt.Errorf("several kinds of peers, which the agent refuses")
	case kinds == 0 && len(ports) > 0:
		return fmt.Errorf("ports without a peer allow every peer")
	case kinds == 1 && len(ports) == 0:
		return fmt.Errorf("a peer without ports allows every port")
	}
	return nil
}

func checkParts(pods []Selector, cidrs []string, sets []CIDRBlock, entities []string, ports []PortRule) error {
	for _, s := range pods {
		if err := s.validate(); err != nil {
			return fmt.Errorf("endpoints: %w", err)
		}
	}
	for _, c := range cidrs {
		if _, err := prefix(c); err != nil {
			return err
		}
	}
	for _, b := range sets {
		if err := b.validate(); err != nil {
			return err
		}
	}
	for _, e := range entities {
		if !slices.Contains([]string{EntityAll, EntityHost, EntityRemoteNode, EntityAPIServer}, e) {
			return fmt.Errorf("unknown entity %.120q", e)
		}
	}
	for i, p := range ports {
		if err := p.validate(); err != nil {
			return fmt.Errorf("toPorts[%d]: %w", i, err)
		}
	}
	return nil
}

func (s Selector) validate() error {
	if len(s.MatchLabels) == 0 {
		return fmt.Errorf("no labels, which selects every pod")
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		if msgs := validation.IsQualifiedName(strings.TrimPrefix(key, LabelPrefix)); len(msgs) > 0 {
			return fmt.Errorf("label key %.120q: %s", key, msgs[0])
		}
		if msgs := validation.IsValidLabelValue(s.MatchLabels[key]); len(msgs) > 0 {
			return fmt.Errorf("value %.120q of label %.120q: %s", s.MatchLabels[key], key, msgs[0])
		}
	}
	return nil
}

func (b CIDRBlock) validate() error {
	outer, err := prefix(b.CIDR)
	if err != nil {
		return err
	}
	for _, e := range b.Except {
		inner, err := prefix(e)
		if err != nil {
			return err
		}
		if inner.Bits() <= outer.Bits() || !outer.Contains(inner.Addr()) {
			return fmt.Errorf("except %s is not inside %s", inner, outer)
		}
	}
	return nil
}

func prefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Masked().String() != s || p.Addr().Is4In6() {
		return p, fmt.Errorf("%.120q is no prefix in its one spelling", s)
	}
	return p, nil
}

func (r PortRule) validate() error {
	if len(r.Ports) == 0 || len(r.Ports) > MaxPorts {
		return fmt.Errorf("%d ports are not 1 to %d", len(r.Ports), MaxPorts)
	}
	for _, p := range r.Ports {
		if err := p.validate(); err != nil {
			return err
		}
		if r.Rules != nil && (p.EndPort != 0 || p.Protocol != "UDP" && p.Protocol != "TCP") {
			return fmt.Errorf("port %s: rules for DNS go with single ports of UDP and TCP", p.Port)
		}
	}
	if r.Rules == nil {
		return nil
	}
	if len(r.Rules.DNS) == 0 {
		return fmt.Errorf("rules that allow no question")
	}
	for _, n := range r.Rules.DNS {
		if err := n.Validate(); err != nil {
			return fmt.Errorf("dns: %w", err)
		}
	}
	return nil
}

func (p Port) validate() error {
	if !slices.Contains([]string{"TCP", "UDP", "SCTP"}, p.Protocol) {
		return fmt.Errorf("protocol %.120q is not TCP, UDP or SCTP", p.Protocol)
	}
	n, err := strconv.ParseUint(p.Port, 10, 16)
	if err != nil {
		if msgs := validation.IsValidPortName(p.Port); len(msgs) > 0 {
			return fmt.Errorf("port %.120q: %s", p.Port, msgs[0])
		}
		if p.EndPort != 0 {
			return fmt.Errorf("endPort beside the named port %q", p.Port)
		}
		return nil
	}
	if n == 0 || strconv.FormatUint(n, 10) != p.Port {
		return fmt.Errorf("port %.120q is not in 1-65535", p.Port)
	}
	if p.EndPort != 0 && (p.EndPort < int32(n) || p.EndPort > 65535) { //nolint:gosec // n has 16 bits
		return fmt.Errorf("endPort %d is not in %d-65535", p.EndPort, n)
	}
	return nil
}

// Longest name of DNS, and of one of its labels.
const (
	maxName  = 253
	maxLabel = 63
)

// Validate reports a name that the agent refuses or that matches everything.
func (n Name) Validate() error {
	if (n.MatchName == "") == (n.MatchPattern == "") {
		return fmt.Errorf("either a name or a pattern")
	}
	text := n.MatchName + n.MatchPattern
	if len(text) > maxName {
		return fmt.Errorf("a name of %d bytes is longer than %d", len(text), maxName)
	}
	literal := false
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > maxLabel {
			return fmt.Errorf("%.120q has an empty or too long part", text)
		}
		for _, c := range label {
			star := c == '*' && n.MatchPattern != ""
			if !star && !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-_", c) {
				return fmt.Errorf("%.120q is no name in lower case", text)
			}
		}
		literal = literal || !strings.Contains(label, "*")
	}
	if !literal {
		return fmt.Errorf("%.120q matches names of everybody", text)
	}
	return nil
}

// Matches reports whether the name or pattern is about name, which is in lower
// case without a dot at the end. A star stands for any part of one label, as in
// Cilium's patterns.
func (n Name) Matches(name string) bool {
	if n.MatchName != "" {
		return n.MatchName == name
	}
	want, got := strings.Split(n.MatchPattern, "."), strings.Split(name, ".")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !matchLabel(want[i], got[i]) {
			return false
		}
	}
	return true
}

// matchLabel compares greedily: each part between stars takes its first place.
func matchLabel(pattern, label string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == label
	}
	rest, ok := strings.CutPrefix(label, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, last)
}
