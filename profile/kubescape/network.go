package kubescape

import (
	"net/netip"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// namespaceName is the label by which Kubernetes names namespaces.
const namespaceName = "kubernetes.io/metadata.name"

// egress takes a peer that the container connected to.
func (c *converter) egress(n neighbor) {
	ports, peers := c.ports(n), c.peers(n)
	if !c.room(len(ports), peers) {
		return
	}
	for _, at := range ports {
		for _, peer := range peers {
			c.out.Network.Connect = append(c.out.Network.Connect, profile.Connect{
				Proto: at.proto, Port: at.port, Peer: peer, Attribution: []string{profile.AttributionContainer},
			})
		}
	}
}

// ingress takes a peer that connected to the container.
func (c *converter) ingress(n neighbor) {
	ports, peers := c.ports(n), c.peers(n)
	if !c.room(len(ports), peers) {
		return
	}
	for _, at := range ports {
		for _, peer := range peers {
			c.out.Network.Accept = append(c.out.Network.Accept, profile.Accept{Proto: at.proto, Port: at.port, Peer: peer})
		}
	}
}

// maxEdges is how many pairs of port and peer an object may hold, each counted
// with the names of the peer: an entry is made for every pair.
const maxEdges = 1_000_000

// room counts pairs and says whether there is room for them.
func (c *converter) room(ports int, peers []profile.Peer) bool {
	for _, peer := range peers {
		c.edges += ports * (1 + len(peer.Names) + len(peer.K8s.Labels))
		if c.edges > maxEdges {
			return false
		}
	}
	return true
}

type endpoint struct {
	proto string
	port  int
}

// ports are the ports of a neighbor that a profile can hold.
func (c *converter) ports(n neighbor) []endpoint {
	var out []endpoint
	for _, p := range n.Ports {
		proto := strings.ToLower(p.Protocol)
		if p.Port == nil || *p.Port < 1 || *p.Port > 65535 || proto != "tcp" && proto != "udp" && proto != "sctp" {
			c.portless++
			continue
		}
		out = append(out, endpoint{proto, *p.Port})
	}
	if len(n.Ports) == 0 {
		c.portless++
	}
	return out
}

// peers are the peers of a neighbor: one for each address, or that which its
// selectors or names say.
func (c *converter) peers(n neighbor) []profile.Peer {
	peer := profile.Peer{K8s: c.selected(n)}
	for _, name := range append([]string{n.DNS}, n.DNSNames...) {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if rest, ok := strings.CutPrefix(name, dots+"."); ok {
			name = "*." + rest
		}
		if name != "" && len(name) <= 255 && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			peer.Names = append(peer.Names, name)
		}
	}
	if peer.Names != nil {
		peer.NameSource = []string{profile.NameNodeCache}
	}
	var out []profile.Peer
	for _, address := range append([]string{n.IPAddress}, n.IPAddresses...) {
		for _, ip := range c.addresses(address) {
			at := peer
			at.IP = ip
			out = append(out, at)
		}
	}
	if out == nil && (peer.Names != nil || peer.K8s.Namespace != "" || peer.K8s.Labels != nil) {
		out = append(out, peer)
	}
	if out == nil && n.IPAddress == "" && len(n.IPAddresses) == 0 {
		c.unusable++
	}
	return out
}

// addresses reads an address, a range of them, or a star for all.
func (c *converter) addresses(text string) []string {
	if text == "" {
		return nil
	}
	if text == "*" {
		return []string{"0.0.0.0/0", "::/0"}
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return []string{ip.Unmap().WithZone("").String()}
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return []string{prefix.Masked().String()}
	}
	c.unusable++
	return nil
}

// selected says which pods selectors choose: all labels of the pod's, and the
// namespace by its name. Without a selector of namespaces it is the workload's
// own. What a profile cannot say is left out, which makes the peer wider.
func (c *converter) selected(n neighbor) profile.K8s {
	var k profile.K8s
	if n.PodSelector == nil && n.NamespaceSelector == nil {
		return k
	}
	if n.PodSelector != nil {
		k.Labels = c.labels(*n.PodSelector)
	}
	if n.NamespaceSelector == nil {
		k.Namespace = workloadOf(c.from.object).Namespace
		return k
	}
	labels := c.labels(*n.NamespaceSelector)
	k.Namespace = labels[namespaceName]
	if k.Namespace == "" || len(labels) > 1 {
		c.loose++
	}
	return k
}

// labels reads the requirements of a selector that are plain labels.
func (c *converter) labels(s selector) map[string]string {
	out := map[string]string{}
	for key, value := range s.MatchLabels {
		out[key] = value
	}
	for _, r := range s.MatchExpressions {
		if r.Operator == "In" && len(r.Values) == 1 {
			out[r.Key] = r.Values[0]
			continue
		}
		c.loose++
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
