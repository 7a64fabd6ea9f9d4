package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Kind is what a target is.
type Kind string

// Kinds of targets.
const (
	Pods      Kind = "pods"       // Namespace and Labels select them
	Endpoints Kind = "endpoints"  // Addrs behind a Service without a selector
	APIServer Kind = "api-server" // Addrs of the cluster's API server
	Nodes     Kind = "nodes"      // Addrs of nodes, or of pods on their network
)

// Query is an observation to look up.
type Query struct {
	Addr        netip.Addr
	Protocol    string // TCP, UDP or SCTP
	Port        uint16
	Names       []string // that were asked for and gave the address
	Service     string   // namespace/name, where the profile knows it
	First, Last string   // when it was seen: RFC 3339 in UTC, or ""
	Source      bool     // the address connected to us: Services and ports do not matter
}

// TargetPort is where a target listens. With a Name, all pods call the port so.
type TargetPort struct {
	Number uint16
	Name   string
}

// Target is what a policy names instead of an address.
type Target struct {
	Kind      Kind
	Namespace string
	Labels    map[string]string // never empty for Pods
	Addrs     []netip.Addr
	Ports     []TargetPort
	Via       string // what led there, such as "service shop/api"
	Pods      []*Pod // that the labels select now
}

// Found is the answer to a query: targets, or a problem that says why there are
// none, or neither when nothing is known of the address.
type Found struct {
	Targets []Target
	Problem string
	// Aliases are the names that the ones asked for stand for.
	Aliases []string
}

// Find looks an observation up. A Service that the profile names goes before
// one with the address, that before a pod, an endpoint and a node, and names go
// last.
func (c *Cluster) Find(q Query) Found {
	found := c.find(q)
	for _, name := range q.Names {
		if s := c.named(name); s != nil && s.externalName != "" {
			found.Aliases = append(found.Aliases, s.externalName)
		}
	}
	return found
}

func (c *Cluster) find(q Query) Found {
	if ns, name, ok := strings.Cut(q.Service, "/"); ok && !q.Source {
		if s := c.services[ref{ns, name}]; s != nil {
			return c.ofServices([]*service{s}, q)
		}
	}
	if list := c.byService[q.Addr]; len(list) > 0 && !q.Source {
		if len(list) > maxShared {
			return Found{Problem: fmt.Sprintf("ambiguous: more than %d Services share the address", maxShared)}
		}
		return c.ofServices(list, q)
	}
	var pods []*Pod
	host := ""
	for _, p := range c.byAddr[q.Addr] {
		if p.HostNetwork {
			host = cmp.Or(host, "pod "+p.Namespace+"/"+p.Name+" on its node's network")
		} else {
			pods = append(pods, p)
		}
	}
	if len(pods) > 0 {
		return c.ofPods(pods, q)
	}
	if found, ok := c.ofEndpoint(q); ok && !q.Source {
		return found
	}
	if n := c.byNode[q.Addr]; n != nil {
		host = cmp.Or(host, "node "+n.name)
	}
	if host != "" {
		return Found{Targets: []Target{{Kind: Nodes, Addrs: []netip.Addr{q.Addr}, Ports: []TargetPort{{Number: q.Port}}, Via: host}}}
	}
	if q.Source {
		return Found{}
	}
	for _, name := range q.Names {
		if s := c.named(name); s != nil && s.externalName == "" {
			return c.ofServices([]*service{s}, q)
		}
	}
	return Found{}
}

// named is the Service that a name in the cluster's domain is of.
func (c *Cluster) named(name string) *service {
	name = strings.TrimSuffix(name, ".cluster.local")
	stem, ok := strings.CutSuffix(name, ".svc")
	if !ok {
		return nil
	}
	parts := strings.Split(stem, ".")
	if len(parts) < 2 {
		return nil
	}
	return c.services[ref{parts[len(parts)-1], parts[len(parts)-2]}]
}

// maxAmbiguous bounds the Services of one address that are named.
const maxAmbiguous = 8

// ofServices resolves the Services that have an address; several do where load
// balancers share one.
func (c *Cluster) ofServices(list []*service, q Query) Found {
	var found Found
	var with []string
	for _, s := range list {
		targets, problem := c.ofService(s, q)
		if len(targets) == 0 {
			found.Problem = cmp.Or(found.Problem, problem)
			continue
		}
		found.Targets = append(found.Targets, targets...)
		if with = append(with, "service "+s.String()); len(with) == maxAmbiguous {
			break
		}
	}
	if len(with) > 1 {
		return Found{Problem: "ambiguous: " + strings.Join(with, " and ")}
	}
	if len(with) == 1 {
		found.Problem = ""
	}
	return found
}

func (c *Cluster) ofService(s *service, q Query) ([]Target, string) {
	via := "service " + s.String()
	i := s.port(q.Protocol, q.Port)
	if i < 0 && len(s.addrs) > 0 {
		return nil, fmt.Sprintf("%s has no port %s/%d", via, q.Protocol, q.Port)
	}
	if c.width[s.ref] > maxPlaces {
		return nil, fmt.Sprintf("%s leads to more than %d addresses and ports", via, maxPlaces)
	}
	port := servicePort{protocol: q.Protocol, port: q.Port, target: q.Port}
	if i >= 0 && len(s.addrs) > 0 { // a headless Service translates nothing
		port = s.ports[i]
	}
	if len(s.selector) == 0 {
		return c.ofSlices(s, port, via)
	}
	pods := c.Selected(s.namespace, s.selector)
	t := Target{Kind: Pods, Namespace: s.namespace, Labels: maps.Clone(s.selector), Via: via, Pods: pods}
	if port.targetName == "" {
		t.Ports = []TargetPort{{Number: port.target}}
		return []Target{t}, ""
	}
	if t.Ports = c.portsOf(s, port, pods); len(t.Ports) == 0 {
		return nil, fmt.Sprintf("%s leads to port %q, which no pod has", via, port.targetName)
	}
	return []Target{t}, ""
}

// leadsTo is a port of a Service that has a name on its pods.
type leadsTo struct {
	service *service
	port    servicePort
}

// portsOf are the numbers of such a port.
func (c *Cluster) portsOf(s *service, port servicePort, pods []*Pod) []TargetPort {
	if list, ok := c.leads.Load(leadsTo{s, port}); ok {
		return slices.Clone(list.([]TargetPort)) //nolint:forcetypeassert // nothing else is stored
	}
	onPods := c.numbersOf(s, port, pods)
	numbers, missing := maps.Clone(onPods.all), onPods.missing
	for _, list := range c.slices[s.ref] {
		for _, p := range list.ports {
			if p.name == port.name && p.protocol == port.protocol {
				numbers[p.port] = true
			}
		}
	}
	var list []TargetPort
	for _, n := range slices.Sorted(maps.Keys(numbers)) {
		list = append(list, TargetPort{Number: n})
	}
	if len(list) == 1 && !missing && len(pods) > 0 {
		list[0].Name = port.targetName
	}
	c.leads.Store(leadsTo{s, port}, list)
	return slices.Clone(list)
}

// whose is a named port of the pods that a selector means.
type whose struct{ pods, name string }

// numbers are what a named port is on pods, and whether one lacks it.
type numbers struct {
	all     map[uint16]bool
	missing bool
}

// numbersOf looks at each pod once for all Services with the same selector.
func (c *Cluster) numbersOf(s *service, port servicePort, pods []*Pod) numbers {
	key := whose{selectorKey(s.namespace, s.selector), port.protocol + "/" + port.targetName}
	if n, ok := c.numbered.Load(key); ok {
		return n.(numbers) //nolint:forcetypeassert // nothing else is stored
	}
	found := numbers{all: map[uint16]bool{}}
	for _, p := range pods {
		n, ok := p.Ports[key.name]
		if ok {
			found.all[n] = true
		}
		found.missing = found.missing || !ok
	}
	c.numbered.Store(key, found)
	return found
}

// ofSlices are the endpoints of a Service without a selector.
func (c *Cluster) ofSlices(s *service, port servicePort, via string) ([]Target, string) {
	kind := Endpoints
	if s.ref == (ref{"default", "kubernetes"}) {
		kind = APIServer
	}
	var targets []Target
	for _, list := range c.slices[s.ref] {
		t := Target{Kind: kind, Addrs: list.addrs, Via: via}
		for _, p := range list.ports {
			if p.protocol == port.protocol && (p.name == port.name || len(list.ports) == 1) {
				t.Ports = append(t.Ports, TargetPort{Number: p.port})
			}
		}
		if len(t.Addrs) > 0 && len(t.Ports) > 0 {
			targets = append(targets, t)
		}
	}
	if len(targets) == 0 {
		return nil, via + " has neither a selector nor endpoints for the port"
	}
	return targets, ""
}

// ofEndpoint finds an address that a Service without a selector leads to.
func (c *Cluster) ofEndpoint(q Query) (Found, bool) {
	if c.behind[q.Addr] > maxPlaces {
		return Found{Problem: fmt.Sprintf("ambiguous: endpoints with more than %d ports have the address", maxPlaces)}, true
	}
	for _, at := range c.endpoint[q.Addr] {
		s := at.service
		if len(s.selector) > 0 || !slices.ContainsFunc(at.list.ports, func(p slicePort) bool { return p.protocol == q.Protocol && p.port == q.Port }) {
			continue
		}
		t := Target{Kind: Endpoints, Addrs: []netip.Addr{q.Addr}, Ports: []TargetPort{{Number: q.Port}}, Via: "service " + s.String()}
		if s.ref == (ref{"default", "kubernetes"}) && c.width[s.ref] <= maxPlaces {
			t.Kind, t.Addrs = APIServer, at.list.addrs
		}
		return Found{Targets: []Target{t}}, true
	}
	return Found{}, false
}

// ofPods identifies the pods of an address. Those that started after it was last
// seen are not meant; one that started in between leaves open who had it before.
func (c *Cluster) ofPods(pods []*Pod, q Query) Found {
	var meant []*Pod
	for _, p := range pods {
		if q.Last == "" || p.started == "" || p.started <= q.Last {
			meant = append(meant, p)
		}
	}
	if len(meant) == 0 {
		return Found{Problem: fmt.Sprintf("pod %s/%s has the address, but started later", pods[0].Namespace, pods[0].Name)}
	}
	var targets []Target
	for _, p := range meant {
		t := c.ofPod(p)
		t.Ports = []TargetPort{{Number: q.Port}}
		same := func(o Target) bool { return o.Namespace == t.Namespace && maps.Equal(o.Labels, t.Labels) }
		if !slices.ContainsFunc(targets, same) {
			targets = append(targets, t)
		}
		if len(targets) > 1 {
			break
		}
	}
	p := meant[0]
	switch {
	case len(targets) > 1:
		return Found{Problem: fmt.Sprintf("ambiguous: %s and %s had the address", targets[0].Via, targets[1].Via)}
	case len(meant) == 1 && q.First != "" && p.started > q.First:
		return Found{Problem: fmt.Sprintf("ambiguous: pod %s/%s has the address, but started in between", p.Namespace, p.Name)}
	case len(targets[0].Labels) == 0:
		return Found{Problem: fmt.Sprintf("pod %s/%s has no labels that select it", p.Namespace, p.Name)}
	}
	return Found{Targets: targets}
}

// ofPod is the target of one pod: by its owner's selector, else by the labels
// that all pods of the owner share, without those that are of one pod.
func (c *Cluster) ofPod(p *Pod) Target {
	t := Target{Kind: Pods, Namespace: p.Namespace, Via: "pod " + p.Namespace + "/" + p.Name}
	if p.owner.name != "" {
		t.Via = strings.ToLower(p.owner.kind) + " " + p.owner.namespace + "/" + p.owner.name
	}
	t.Labels = maps.Clone(c.selectors[p.owner])
	if len(t.Labels) == 0 || !hasAll(p.Labels, t.Labels) {
		t.Labels = StableLabels(p.Labels)
		if mates := c.sharedBy(p.owner); mates != nil {
			t.Labels = common([]map[string]string{t.Labels, mates})
		}
	}
	if len(t.Labels) > 0 {
		t.Pods = c.Selected(p.Namespace, t.Labels)
	}
	return t
}

// sharedBy are the labels that all pods of an owner have; nil where it has none.
func (c *Cluster) sharedBy(o owner) map[string]string {
	mates := c.owned[o]
	if len(mates) == 0 {
		return nil
	}
	if set, ok := c.shared.Load(o); ok {
		return set.(map[string]string) //nolint:forcetypeassert // nothing else is stored
	}
	sets := make([]map[string]string, 0, len(mates))
	for _, mate := range mates {
		sets = append(sets, mate.Labels)
	}
	set := common(sets)
	if set == nil {
		set = map[string]string{}
	}
	c.shared.Store(o, set)
	return set
}
