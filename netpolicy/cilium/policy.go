package cilium

// What every policy says of itself.
const (
	APIVersion = "cilium.io/v2"
	Kind       = "CiliumNetworkPolicy"
)

// Entities of Cilium that rules name.
const (
	EntityAll        = "all"
	EntityHost       = "host"
	EntityRemoteNode = "remote-node"
	EntityAPIServer  = "kube-apiserver"
)

// NamespaceLabel is the label that Cilium gives the pods of a namespace.
const NamespaceLabel = "k8s:io.kubernetes.pod.namespace"

// LabelPrefix marks labels that come from Kubernetes.
const LabelPrefix = "k8s:"

// MaxPorts is how many ports the agent takes in one rule.
const MaxPorts = 40

// Policy is a CiliumNetworkPolicy.
type Policy struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata names the object.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Spec is what the policy does. A direction is restricted when it has a rule.
type Spec struct {
	EndpointSelector  Selector      `json:"endpointSelector"`
	EnableDefaultDeny DefaultDeny   `json:"enableDefaultDeny"`
	Ingress           []IngressRule `json:"ingress,omitempty"`
	Egress            []EgressRule  `json:"egress,omitempty"`
}

// DefaultDeny says in which directions what no rule allows is denied.
type DefaultDeny struct {
	Ingress bool `json:"ingress"`
	Egress  bool `json:"egress"`
}

// Selector selects pods by labels, whose keys start with their source.
type Selector struct {
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
}

// IngressRule allows some peers to connect to some ports. One kind of peers is
// set.
type IngressRule struct {
	FromEndpoints []Selector  `json:"fromEndpoints,omitempty"`
	FromCIDR      []string    `json:"fromCIDR,omitempty"`
	FromCIDRSet   []CIDRBlock `json:"fromCIDRSet,omitempty"`
	FromEntities  []string    `json:"fromEntities,omitempty"`
	ToPorts       []PortRule  `json:"toPorts,omitempty"`
}

// EgressRule allows connections to some ports of some peers. One kind of peers
// is set.
type EgressRule struct {
	ToEndpoints []Selector  `json:"toEndpoints,omitempty"`
	ToCIDR      []string    `json:"toCIDR,omitempty"`
	ToCIDRSet   []CIDRBlock `json:"toCIDRSet,omitempty"`
	ToEntities  []string    `json:"toEntities,omitempty"`
	ToFQDNs     []Name      `json:"toFQDNs,omitempty"`
	ToPorts     []PortRule  `json:"toPorts,omitempty"`
}

// CIDRBlock is a block of addresses without some of it.
type CIDRBlock struct {
	CIDR   string   `json:"cidr"`
	Except []string `json:"except,omitempty"`
}

// Name is a DNS name, or a pattern in which * stands for any part of a label.
type Name struct {
	MatchName    string `json:"matchName,omitempty"`
	MatchPattern string `json:"matchPattern,omitempty"`
}

// PortRule is some ports, and for name servers what may be asked there.
type PortRule struct {
	Ports []Port   `json:"ports"`
	Rules *L7Rules `json:"rules,omitempty"`
}

// Port is a port, by number or name, or a range of them.
type Port struct {
	Port     string `json:"port"`
	EndPort  int32  `json:"endPort,omitempty"`
	Protocol string `json:"protocol"`
}

// L7Rules are the questions that are allowed.
type L7Rules struct {
	DNS []Name `json:"dns"`
}

// peers counts the kinds of peers of a rule.
func (r IngressRule) peers() int {
	return kinds(len(r.FromEndpoints), len(r.FromCIDR), len(r.FromCIDRSet), len(r.FromEntities))
}

func (r EgressRule) peers() int {
	return kinds(len(r.ToEndpoints), len(r.ToCIDR), len(r.ToCIDRSet), len(r.ToEntities), len(r.ToFQDNs))
}

func kinds(lengths ...int) int {
	n := 0
	for _, l := range lengths {
		if l > 0 {
			n++
		}
	}
	return n
}
