package netpolicy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/netpolicy/cilium"
)

// clusterDomain is that of clusters that say nothing else.
const clusterDomain = "cluster.local"

// Labels before the cluster's domain that patterns for it have at least, as in
// pod.service.namespace.svc, and at most.
const (
	minClusterLabels = 4
	maxClusterLabels = 10
)

// ciliumForm is what all rules of a hint need to know of it in Cilium's form.
type ciliumForm struct {
	asks  bool          // a rule is for a name server, by which names are learnt
	names []cilium.Name // what may be asked there; none: anything
}

func (h *Hint) ciliumForm() ciliumForm {
	f := ciliumForm{}
	f.asks = slices.ContainsFunc(h.Rules, func(r Rule) bool {
		return r.Direction == Egress && (r.Peer.Kind == PeerClusterDNS || r.Peer.Kind == PeerResolver)
	})
	f.names = f.questions(h.Rules)
	return f
}

// ciliumTooLarge reports a policy whose rules, which Cilium wants apart where they
// have many ports, repeat too many peers.
func (h *Hint) ciliumTooLarge() error {
	n := 0
	for i := range h.Rules {
		r := &h.Rules[i]
		n += len(r.Ports) + (len(r.Ports)+cilium.MaxPorts-1)/cilium.MaxPorts*(len(r.Peer.CIDRs)+len(r.Peer.Names))
	}
	if n > maxCiliumSize {
		return fmt.Errorf("%w: in Cilium's form, which repeats peers for every %d ports, %d blocks, names and ports, at most %d", ErrTooLarge, cilium.MaxPorts, n, maxCiliumSize)
	}
	return nil
}

// cilium makes the policy object, whatever the workload's selector is.
func (h *Hint) cilium(sum string) *cilium.Policy {
	form := h.ciliumForm()
	p := &cilium.Policy{
		APIVersion: cilium.APIVersion, Kind: cilium.Kind,
		Metadata: cilium.Metadata{Name: h.Workload.Name, Namespace: h.Workload.Namespace, Annotations: h.annotations(sum)},
		Spec: cilium.Spec{
			EndpointSelector:  cilium.Selector{MatchLabels: fromKubernetes(h.Workload.PodSelector)},
			EnableDefaultDeny: cilium.DefaultDeny{Ingress: h.Restricts(Ingress), Egress: h.Restricts(Egress)},
		},
	}
	for _, r := range h.Allows(Ingress) {
		p.Spec.Ingress = append(p.Spec.Ingress, ciliumIngress(r)...)
	}
	for _, r := range h.Allows(Egress) {
		p.Spec.Egress = append(p.Spec.Egress, form.egress(r)...)
	}
	// A rule that selects nothing denies the direction; without any it is open.
	if h.Restricts(Ingress) && len(p.Spec.Ingress) == 0 {
		p.Spec.Ingress = []cilium.IngressRule{{}}
	}
	if h.Restricts(Egress) && len(p.Spec.Egress) == 0 {
		p.Spec.Egress = []cilium.EgressRule{{}}
	}
	return p
}

func fromKubernetes(labels map[string]string) map[string]string {
	out := make(map[string]string, len(labels))
	for k, v := range labels {
		out[cilium.LabelPrefix+k] = v
	}
	return out
}

// endpoints selects the pods of a peer.
func endpoints(p Peer) []cilium.Selector {
	labels := fromKubernetes(p.PodSelector)
	labels[cilium.NamespaceLabel] = p.Namespace
	return []cilium.Selector{{MatchLabels: labels}}
}

func ciliumIngress(r Rule) []cilium.IngressRule {
	var out []cilium.IngressRule
	for _, ports := range portRules(r.Ports, nil) {
		rule := cilium.IngressRule{ToPorts: []cilium.PortRule{ports}}
		switch {
		case r.Peer.Kind == PeerAny:
			rule.FromEntities = []string{cilium.EntityAll}
		case r.Peer.Namespace != "":
			rule.FromEndpoints = endpoints(r.Peer)
		case entities(r.Peer.Kind) != nil:
			rule.FromEntities = entities(r.Peer.Kind)
		default:
			rule.FromCIDR, rule.FromCIDRSet = blocksOf(r.Peer)
		}
		out = append(out, rule)
	}
	return out
}

// entities are Cilium's words for peers that it does not know by address.
func entities(kind PeerKind) []string {
	switch kind {
	case PeerAPIServer:
		return []string{cilium.EntityAPIServer}
	case PeerNodes:
		return []string{cilium.EntityHost, cilium.EntityRemoteNode}
	default:
		return nil
	}
}

func (f ciliumForm) egress(r Rule) []cilium.EgressRule {
	var out []cilium.EgressRule
	var dns *cilium.L7Rules
	if (r.Peer.Kind == PeerClusterDNS || r.Peer.Kind == PeerResolver) && len(f.names) > 0 {
		dns = &cilium.L7Rules{DNS: f.names}
	}
	fqdns := f.fqdns(r)
	for _, ports := range portRules(r.Ports, dns) {
		rule := cilium.EgressRule{ToPorts: []cilium.PortRule{ports}}
		switch {
		case r.Peer.Namespace != "":
			rule.ToEndpoints = endpoints(r.Peer)
		case entities(r.Peer.Kind) != nil:
			rule.ToEntities = entities(r.Peer.Kind)
		case len(fqdns) > 0:
			rule.ToFQDNs = fqdns
		default:
			rule.ToCIDR, rule.ToCIDRSet = blocksOf(r.Peer)
		}
		out = append(out, rule)
		if r.Peer.Kind == PeerResolver && slices.ContainsFunc(r.Peer.CIDRs, func(c string) bool { return strings.HasPrefix(c, "169.254.") }) {
			// The node's own resolver is the host for Cilium, not an address.
			out = append(out, cilium.EgressRule{ToEntities: []string{cilium.EntityHost}, ToPorts: []cilium.PortRule{ports}})
		}
	}
	return out
}

// blocksOf are the addresses of a peer, apart by whether some are excepted.
func blocksOf(p Peer) (plain []string, except []cilium.CIDRBlock) {
	if len(p.Except) == 0 {
		return slices.Clone(p.CIDRs), nil
	}
	inside := exceptsOf(&p)
	for i, c := range p.CIDRs {
		except = append(except, cilium.CIDRBlock{CIDR: c, Except: inside[i]})
	}
	return nil, except
}

// portRules splits ports into as many rules as the agent wants.
func portRules(list []Port, dns *cilium.L7Rules) []cilium.PortRule {
	var out []cilium.PortRule
	for chunk := range slices.Chunk(list, cilium.MaxPorts) {
		rule := cilium.PortRule{Rules: dns}
		for _, p := range chunk {
			port := cilium.Port{Port: strconv.Itoa(int(p.Port)), EndPort: p.EndPort, Protocol: p.Protocol}
			if p.Name != "" {
				port.Port = p.Name
			}
			rule.Ports = append(rule.Ports, port)
		}
		out = append(out, rule)
	}
	return out
}

// fqdns are the names that stand for an external peer's addresses; none where
// Cilium could not learn them, since nobody who stays asks for names, or where
// one is no name.
func (f ciliumForm) fqdns(r Rule) []cilium.Name {
	if r.Peer.Kind != PeerExternal || r.Direction != Egress || len(r.Peer.Names) == 0 || !f.asks {
		return nil
	}
	var names []cilium.Name
	for _, text := range r.Peer.Names {
		n := ciliumName(text)
		if n.Validate() != nil {
			return nil
		}
		names = append(names, n)
	}
	return names
}

func ciliumName(text string) cilium.Name {
	if strings.Contains(text, "*") {
		return cilium.Name{MatchPattern: text}
	}
	return cilium.Name{MatchName: text}
}

// questions are what may be asked of name servers: the names that were asked
// for, those that rules are for, and the cluster's domain, in which a resolver
// looks for every name first. None where no names are known.
func (f ciliumForm) questions(rules []Rule) []cilium.Name {
	set := map[string]bool{}
	for _, r := range rules {
		if r.Direction == Egress && (r.Peer.Kind == PeerClusterDNS || len(f.fqdns(r)) > 0) {
			for _, name := range r.Peer.Names {
				set[name] = true
			}
		}
	}
	var out []cilium.Name
	depth := minClusterLabels
	for _, text := range slices.Sorted(maps.Keys(set)) {
		n := ciliumName(text)
		if n.Validate() != nil {
			continue
		}
		depth = max(depth, strings.Count(text, ".")+1+3) // name.namespace.svc
		if strings.HasSuffix(text, "."+clusterDomain) && n.MatchName != "" {
			continue // the patterns are for it
		}
		out = append(out, n)
	}
	if len(set) == 0 {
		return nil
	}
	for i := range min(depth, maxClusterLabels) {
		out = append(out, cilium.Name{MatchPattern: strings.Repeat("*.", i+1) + clusterDomain})
	}
	return out
}
