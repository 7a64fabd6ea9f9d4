package netpolicy

import (
	"fmt"

	"github.com/lathe-build/lathe/netpolicy/cilium"
)

// cilium writes a CiliumNetworkPolicy. A rule of the hint may be several here;
// the comment stands above the first.
func (w *yamlWriter) cilium(h *Hint, p *cilium.Policy) {
	w.head(h)
	w.meta(p.APIVersion, p.Kind, p.Metadata.Name, p.Metadata.Namespace, p.Metadata.Annotations)
	w.line(0, "spec:")
	w.line(1, "endpointSelector:")
	w.labels(2, "matchLabels", p.Spec.EndpointSelector.MatchLabels)
	w.line(1, "enableDefaultDeny:")
	w.line(2, fmt.Sprintf("ingress: %t", p.Spec.EnableDefaultDeny.Ingress))
	w.line(2, fmt.Sprintf("egress: %t", p.Spec.EnableDefaultDeny.Egress))
	form := h.ciliumForm()
	if w.ciliumDirection(h, Ingress) {
		for _, r := range h.Allows(Ingress) {
			w.evidence(r)
			for _, rule := range ciliumIngress(r) {
				w.ciliumRule("from", rule.FromEndpoints, rule.FromCIDR, rule.FromCIDRSet, rule.FromEntities, nil, rule.ToPorts)
			}
		}
	}
	if w.ciliumDirection(h, Egress) {
		for _, r := range h.Allows(Egress) {
			w.evidence(r)
			for _, rule := range form.egress(r) {
				w.ciliumRule("to", rule.ToEndpoints, rule.ToCIDR, rule.ToCIDRSet, rule.ToEntities, rule.ToFQDNs, rule.ToPorts)
			}
		}
	}
}

// ciliumDirection starts a direction and reports whether it has rules.
func (w *yamlWriter) ciliumDirection(h *Hint, d Direction) bool {
	switch {
	case !h.Restricts(d):
		return false
	case len(h.Allows(d)) == 0:
		w.comment(1, "Nothing that stays was observed in this direction: all of it is denied,")
		w.comment(1, "by a rule that selects nothing. An empty list would leave it open.")
		w.line(1, string(d)+":")
		w.line(2, "- {}")
		return false
	}
	w.line(1, string(d)+":")
	return true
}

// ciliumRule writes one rule.
func (w *yamlWriter) ciliumRule(word string, pods []cilium.Selector, cidrs []string, sets []cilium.CIDRBlock, entities []string, names []cilium.Name, ports []cilium.PortRule) {
	switch {
	case len(pods) > 0:
		w.line(2, "- "+word+"Endpoints:")
		for _, s := range pods {
			w.line(4, "- matchLabels:")
			w.pairs(6, s.MatchLabels)
		}
	case len(cidrs) > 0:
		w.line(2, "- "+word+"CIDR:")
		for _, c := range cidrs {
			w.line(4, "- "+scalar(c))
		}
	case len(sets) > 0:
		w.line(2, "- "+word+"CIDRSet:")
		for _, b := range sets {
			w.line(4, "- cidr: "+scalar(b.CIDR))
			w.excepts(5, b.Except)
		}
	case len(entities) > 0:
		w.line(2, "- "+word+"Entities:")
		for _, e := range entities {
			w.line(4, "- "+scalar(e))
		}
	case len(names) > 0:
		w.line(2, "- "+word+"FQDNs:")
		w.names(4, names)
	}
	w.line(3, "toPorts:")
	for _, p := range ports {
		w.line(4, "- ports:")
		for _, port := range p.Ports {
			w.line(6, fmt.Sprintf("- port: %q", port.Port))
			if port.EndPort != 0 {
				w.line(7, fmt.Sprintf("endPort: %d", port.EndPort))
			}
			w.line(7, "protocol: "+port.Protocol)
		}
		if p.Rules != nil {
			w.line(5, "rules:")
			w.line(6, "dns:")
			w.names(7, p.Rules.DNS)
		}
	}
}

func (w *yamlWriter) names(depth int, list []cilium.Name) {
	for _, n := range list {
		if n.MatchName != "" {
			w.line(depth, "- matchName: "+scalar(n.MatchName))
		} else {
			w.line(depth, "- matchPattern: "+scalar(n.MatchPattern))
		}
	}
}
