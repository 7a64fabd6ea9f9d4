package inventory

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Cluster is what is known of a cluster. The zero value is not usable; see
// [New]. Reading adds to it, looking up does not change it.
type Cluster struct {
	pods       []*Pod
	known      map[podID]*Pod
	services   map[ref]*service
	nodes      map[string]*node
	namespaces map[string]map[string]string
	selectors  map[owner]map[string]string // matchLabels of what owns pods
	slices     map[ref][]slice             // endpoints by service

	byAddr    map[netip.Addr][]*Pod
	byService map[netip.Addr][]*service
	byNode    map[netip.Addr]*node
	endpoint  map[netip.Addr][]endpoint // where an address is behind a Service, without a pod
	owned     map[owner][]*Pod
	byLabel   map[string][]*Pod // by namespace and one label
	items     int

	// What was looked up before: many ask for the same.
	selected sync.Map // namespace and labels → []*Pod
	shared   sync.Map // owner → the labels that its pods share
	leads    sync.Map // leadsTo → []TargetPort, of a port with a name
	numbered sync.Map // whose → numbers, of a name on the pods of a selector

	// How much there is to look at for one question.
	width  map[ref]int        // addresses and ports of a Service's endpoints
	behind map[netip.Addr]int // ports of the endpoints with an address
}

// maxPlaces bounds the addresses and ports of endpoints that are looked at for one
// question, maxShared the Services that share an address. What is more is no
// place that a policy could name, and would make questions slow.
const (
	maxPlaces = 10_000
	maxShared = 1_000
)

// endpoint is an address in an EndpointSlice of a Service.
type endpoint struct {
	service *service
	list    *slice
}

// ref names an object of a kind.
type ref struct{ namespace, name string }

func (r ref) String() string { return r.namespace + "/" + r.name }

// podID tells a pod from a later one of the same name.
type podID struct {
	ref
	uid string
}

// owner names what pods are owned by.
type owner struct{ kind, namespace, name string }

// Pod is one pod.
type Pod struct {
	Namespace, Name string
	Labels          map[string]string
	HostNetwork     bool
	Addrs           []netip.Addr
	// Ports are the container ports that have a name, by protocol/name.
	Ports map[string]uint16

	uid     string
	owner   owner
	started string // RFC 3339 in UTC, "" where it is not known
}

type service struct {
	ref
	selector     map[string]string
	ports        []servicePort
	byPort       map[servicePort]int // index of ports, by protocol and port alone
	addrs        []netip.Addr
	externalName string
}

// port is the index of a port, -1 where the Service does not have it.
func (s *service) port(protocol string, number uint16) int {
	if i, ok := s.byPort[servicePort{protocol: protocol, port: number}]; ok {
		return i
	}
	return -1
}

// add takes a port. Of two with the same number the first counts.
func (s *service) add(p servicePort) {
	key := servicePort{protocol: p.protocol, port: p.port}
	if _, ok := s.byPort[key]; !ok {
		s.byPort[key] = len(s.ports)
	}
	s.ports = append(s.ports, p)
}

type servicePort struct {
	name, protocol string
	port           uint16
	target         uint16 // 0 where it has a name
	targetName     string
}

type node struct {
	name  string
	addrs []netip.Addr
}

// slice is an EndpointSlice.
type slice struct {
	addrs []netip.Addr // those that are not pods
	ports []slicePort
}

type slicePort struct {
	name, protocol string
	port           uint16
}

// New is a cluster of which nothing is known.
func New() *Cluster {
	return &Cluster{
		known:    map[podID]*Pod{},
		services: map[ref]*service{}, nodes: map[string]*node{}, namespaces: map[string]map[string]string{},
		selectors: map[owner]map[string]string{}, slices: map[ref][]slice{},
	}
}

// index makes the tables for looking up, after all is read.
func (c *Cluster) index() {
	c.byAddr, c.byService = map[netip.Addr][]*Pod{}, map[netip.Addr][]*service{}
	c.byNode, c.endpoint = map[netip.Addr]*node{}, map[netip.Addr][]endpoint{}
	c.selected.Clear()
	c.shared.Clear()
	c.leads.Clear()
	c.numbered.Clear()
	c.width, c.behind = map[ref]int{}, map[netip.Addr]int{}
	c.owned, c.byLabel = map[owner][]*Pod{}, map[string][]*Pod{}
	slices.SortFunc(c.pods, func(a, b *Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.uid, b.uid))
	})
	for _, p := range c.pods {
		for _, a := range p.Addrs {
			c.byAddr[a] = append(c.byAddr[a], p)
		}
		for k, v := range p.Labels {
			key := labelKey(p.Namespace, k, v)
			c.byLabel[key] = append(c.byLabel[key], p)
		}
		if p.owner.name != "" {
			c.owned[p.owner] = append(c.owned[p.owner], p)
		}
	}
	for _, n := range c.nodes {
		for _, a := range n.addrs {
			if old := c.byNode[a]; old == nil || n.name < old.name {
				c.byNode[a] = n
			}
		}
	}
	c.indexServices()
}

// indexServices makes the tables of what leads to pods or stands for others.
func (c *Cluster) indexServices() {
	for _, s := range c.services {
		for _, a := range s.addrs {
			c.byService[a] = append(c.byService[a], s)
		}
		lists := c.slices[s.ref]
		for i := range lists {
			c.width[s.ref] += max(1, len(lists[i].addrs)) * max(1, len(lists[i].ports))
			for _, a := range lists[i].addrs {
				c.behind[a] += 1 + len(lists[i].ports)
				c.endpoint[a] = append(c.endpoint[a], endpoint{s, &lists[i]})
			}
		}
	}
	for _, list := range c.byService {
		slices.SortFunc(list, func(a, b *service) int { return cmp.Compare(a.String(), b.String()) })
	}
	for _, list := range c.endpoint {
		slices.SortStableFunc(list, func(a, b endpoint) int { return cmp.Compare(a.service.String(), b.service.String()) })
	}
}

// NamespaceLabels are the labels of a namespace. The one that every API server
// adds is there even where the file lacks it.
func (c *Cluster) NamespaceLabels(name string) map[string]string {
	labels := map[string]string{NamespaceNameLabel: name}
	for k, v := range c.namespaces[name] {
		if k != NamespaceNameLabel {
			labels[k] = v
		}
	}
	return labels
}

// Pods are all pods, by namespace and name.
func (c *Cluster) Pods() []*Pod { return c.pods }

func labelKey(namespace, key, value string) string {
	return namespace + "\x00" + key + "=" + value
}

// Selected are the pods of a namespace that have all of the labels, of which
// there is one at least, by name. The list is shared.
func (c *Cluster) Selected(namespace string, labels map[string]string) []*Pod {
	key := selectorKey(namespace, labels)
	if list, ok := c.selected.Load(key); ok {
		return list.([]*Pod) //nolint:forcetypeassert // nothing else is stored
	}
	list := c.selectedBy(namespace, labels)
	c.selected.Store(key, list)
	return list
}

func selectorKey(namespace string, labels map[string]string) string {
	var key strings.Builder
	key.WriteString(namespace)
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		key.WriteString("\x00" + k + "=" + labels[k])
	}
	return key.String()
}

func (c *Cluster) selectedBy(namespace string, labels map[string]string) []*Pod {
	var few []*Pod
	first := true
	for k, v := range labels {
		if with := c.byLabel[labelKey(namespace, k, v)]; first || len(with) < len(few) {
			few, first = with, false
		}
	}
	var list []*Pod
	for _, p := range few {
		if hasAll(p.Labels, labels) {
			list = append(list, p)
		}
	}
	return list
}

func hasAll(have, want map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}
