package netpolicy

import "fmt"

// PeerKind says what a peer is and how it is rendered.
type PeerKind string

// Kinds of peers.
const (
	PeerAny        PeerKind = "any"         // ingress from whoever
	PeerExternal   PeerKind = "external"    // public addresses; by name in forms that have names
	PeerInternet   PeerKind = "internet"    // every public address: wide, and only on request
	PeerPrivate    PeerKind = "private"     // private addresses that nothing identifies
	PeerLinkLocal  PeerKind = "link-local"  // IPv4 link-local addresses
	PeerMetadata   PeerKind = "metadata"    // a cloud's metadata service
	PeerResolver   PeerKind = "resolver"    // a name server, by address
	PeerClusterDNS PeerKind = "cluster-dns" // the cluster's name servers, by labels
	PeerPods       PeerKind = "pods"        // pods, by namespace and labels
	PeerNamespace  PeerKind = "namespace"   // every pod of a namespace: wide, and only on request
	PeerEndpoints  PeerKind = "endpoints"   // addresses behind a Service without a selector
	PeerAPIServer  PeerKind = "api-server"  // the cluster's API server, by address
	PeerNodes      PeerKind = "nodes"       // nodes and pods on their network, by address
	PeerMapped     PeerKind = "mapped"      // addresses that a mapping by hand names
	PeerNames      PeerKind = "names"       // names that were asked for; in omissions only
)

// Peer is the other end of a rule or an omission.
type Peer struct {
	Kind        PeerKind          `json:"kind"`
	CIDRs       []string          `json:"cidrs,omitempty"`
	Except      []string          `json:"except,omitempty"` // of the CIDRs; each lies in one of them
	Namespace   string            `json:"namespace,omitempty"`
	PodSelector map[string]string `json:"podSelector,omitempty"`
	// Names were asked for or given for the addresses. A core policy has no
	// names: there they are evidence only. In Cilium's form those of external
	// peers take the place of the addresses.
	Names []string `json:"names,omitempty"`
	Via   []string `json:"via,omitempty"` // what led to the peer, such as "service shop/api"
}

// byBlocks reports whether rules for the kind are made of address blocks.
func (k PeerKind) byBlocks() bool {
	switch k {
	case PeerExternal, PeerInternet, PeerPrivate, PeerLinkLocal, PeerMetadata, PeerResolver, PeerEndpoints, PeerAPIServer, PeerNodes, PeerMapped:
		return true
	case PeerAny, PeerClusterDNS, PeerPods, PeerNamespace, PeerNames:
	}
	return false
}

// Port is a port or a range of ports of a protocol.
type Port struct {
	Protocol string `json:"protocol"` // TCP, UDP or SCTP
	Port     int32  `json:"port"`
	EndPort  int32  `json:"endPort,omitempty"` // last port of a range, inclusive
	Name     string `json:"name,omitempty"`    // of the peer's container port, which Port is now; it is what the policy says
}

// String is protocol/port, protocol/first-last or protocol/name(port).
func (p Port) String() string {
	switch {
	case p.Name != "":
		return fmt.Sprintf("%s/%s(%d)", p.Protocol, p.Name, p.Port)
	case p.EndPort != 0:
		return fmt.Sprintf("%s/%d-%d", p.Protocol, p.Port, p.EndPort)
	}
	return fmt.Sprintf("%s/%d", p.Protocol, p.Port)
}
