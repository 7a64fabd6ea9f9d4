package inventory

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
)

// object is what is read of an object of any kind.
type object struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name            string            `json:"name"`
		Namespace       string            `json:"namespace"`
		UID             string            `json:"uid"`
		Labels          map[string]string `json:"labels"`
		OwnerReferences []struct {
			Kind       string `json:"kind"`
			Name       string `json:"name"`
			Controller bool   `json:"controller"`
		} `json:"ownerReferences"`
	} `json:"metadata"`
	Spec        json.RawMessage `json:"spec"`
	Status      json.RawMessage `json:"status"`
	AddressType string          `json:"addressType"`
	Endpoints   []struct {
		Addresses []string `json:"addresses"`
		TargetRef *struct {
			Kind string `json:"kind"`
		} `json:"targetRef"`
	} `json:"endpoints"`
	Ports []struct {
		Name     string `json:"name"`
		Protocol string `json:"protocol"`
		Port     *int   `json:"port"`
	} `json:"ports"`
}

// add takes in one object.
func (c *Cluster) add(o object) error {
	if err := CheckLabels(o.Metadata.Labels); err != nil {
		return err
	}
	if ns := o.Metadata.Namespace; ns != "" && len(validation.IsDNS1123Label(ns)) > 0 {
		return errors.New("that is no namespace")
	}
	switch o.Kind {
	case "Pod":
		return c.addPod(o)
	case "Service":
		return c.addService(o)
	case "EndpointSlice":
		return c.addSlice(o)
	case "Namespace":
		if len(validation.IsDNS1123Label(o.Metadata.Name)) > 0 {
			return errors.New("that is no namespace")
		}
		c.namespaces[o.Metadata.Name] = o.Metadata.Labels
	case "Node":
		return c.addNode(o)
	case "Deployment", "StatefulSet", "DaemonSet":
		return c.addOwner(o)
	case "List":
		return errors.New("a list in a list")
	}
	return nil
}

// fields reads a part of an object; a part that is not there has no fields.
func fields(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

func (c *Cluster) addPod(o object) error {
	var spec struct {
		HostNetwork bool `json:"hostNetwork"`
		Containers  []struct {
			Ports []struct {
				Name          string `json:"name"`
				ContainerPort int    `json:"containerPort"`
				Protocol      string `json:"protocol"`
			} `json:"ports"`
		} `json:"containers"`
	}
	var status struct {
		PodIP  string `json:"podIP"`
		PodIPs []struct {
			IP string `json:"ip"`
		} `json:"podIPs"`
		StartTime string `json:"startTime"`
	}
	if err := errors.Join(fields(o.Spec, &spec), fields(o.Status, &status)); err != nil {
		return err
	}
	p := &Pod{
		Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, uid: o.Metadata.UID, Labels: o.Metadata.Labels,
		HostNetwork: spec.HostNetwork, Ports: map[string]uint16{}, started: status.StartTime,
	}
	ips := []string{status.PodIP}
	for _, ip := range status.PodIPs {
		ips = append(ips, ip.IP)
	}
	var err error
	if p.Addrs, err = addrs(ips); err != nil {
		return err
	}
	for _, ct := range spec.Containers {
		for _, port := range ct.Ports {
			n, err := portNumber(port.ContainerPort)
			if err != nil {
				return err
			}
			proto, err := protocol(port.Protocol)
			if err != nil {
				return err
			}
			if port.Name != "" {
				p.Ports[proto+"/"+port.Name] = n
			}
		}
	}
	for _, own := range o.Metadata.OwnerReferences {
		if own.Controller {
			p.owner = ownerOf(own.Kind, p.Namespace, own.Name, p.Labels["pod-template-hash"])
		}
	}
	id := podID{ref{p.Namespace, p.Name}, p.uid}
	if old := c.known[id]; old != nil {
		*old = *p // the same pod in another file
		return nil
	}
	c.known[id] = p
	c.pods = append(c.pods, p)
	return nil
}

// ownerOf is what owns a pod; for a ReplicaSet of a Deployment, the Deployment.
func ownerOf(kind, namespace, name, hash string) owner {
	if stem, ok := strings.CutSuffix(name, "-"+hash); kind == "ReplicaSet" && ok && hash != "" {
		return owner{"Deployment", namespace, stem}
	}
	return owner{kind, namespace, name}
}

func (c *Cluster) addService(o object) error {
	var spec struct {
		Selector     map[string]string `json:"selector"`
		ClusterIP    string            `json:"clusterIP"`
		ClusterIPs   []string          `json:"clusterIPs"`
		ExternalIPs  []string          `json:"externalIPs"`
		ExternalName string            `json:"externalName"`
		Ports        []struct {
			Name       string             `json:"name"`
			Protocol   string             `json:"protocol"`
			Port       int                `json:"port"`
			TargetPort intstr.IntOrString `json:"targetPort"`
		} `json:"ports"`
	}
	var status struct {
		LoadBalancer struct {
			Ingress []struct {
				IP string `json:"ip"`
			} `json:"ingress"`
		} `json:"loadBalancer"`
	}
	if err := errors.Join(fields(o.Spec, &spec), fields(o.Status, &status)); err != nil {
		return err
	}
	if err := CheckLabels(spec.Selector); err != nil {
		return fmt.Errorf("selector: %w", err)
	}
	s := &service{ref: ref{o.Metadata.Namespace, o.Metadata.Name}, selector: spec.Selector, byPort: map[servicePort]int{}, externalName: strings.ToLower(strings.TrimRight(spec.ExternalName, "."))}
	ips := append(append([]string{spec.ClusterIP}, spec.ClusterIPs...), spec.ExternalIPs...)
	for _, in := range status.LoadBalancer.Ingress {
		ips = append(ips, in.IP)
	}
	var err error
	if s.addrs, err = addrs(ips); err != nil {
		return err
	}
	for _, p := range spec.Ports {
		port := servicePort{name: p.Name}
		if port.port, err = portNumber(p.Port); err != nil {
			return err
		}
		if port.protocol, err = protocol(p.Protocol); err != nil {
			return err
		}
		switch {
		case p.TargetPort.Type == intstr.String && p.TargetPort.StrVal != "":
			if msgs := validation.IsValidPortName(p.TargetPort.StrVal); len(msgs) > 0 {
				return fmt.Errorf("targetPort %.120q: %s", p.TargetPort.StrVal, msgs[0])
			}
			port.targetName = p.TargetPort.StrVal
		case p.TargetPort.IntVal == 0:
			port.target = port.port
		default:
			if port.target, err = portNumber(int(p.TargetPort.IntVal)); err != nil {
				return err
			}
		}
		s.add(port)
	}
	c.services[s.ref] = s
	return nil
}

func (c *Cluster) addSlice(o object) error {
	if o.AddressType == "FQDN" {
		return nil
	}
	name := o.Metadata.Labels["kubernetes.io/service-name"]
	if name == "" {
		return nil
	}
	var s slice
	for _, e := range o.Endpoints {
		list, err := addrs(e.Addresses)
		if err != nil {
			return err
		}
		if e.TargetRef == nil || e.TargetRef.Kind != "Pod" {
			s.addrs = append(s.addrs, list...)
		}
	}
	for _, p := range o.Ports {
		if p.Port == nil {
			continue
		}
		n, err := portNumber(*p.Port)
		if err != nil {
			return err
		}
		proto, err := protocol(p.Protocol)
		if err != nil {
			return err
		}
		s.ports = append(s.ports, slicePort{p.Name, proto, n})
	}
	r := ref{o.Metadata.Namespace, name}
	c.slices[r] = append(c.slices[r], s)
	return nil
}

func (c *Cluster) addNode(o object) error {
	var status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	}
	if err := fields(o.Status, &status); err != nil {
		return err
	}
	n := &node{name: o.Metadata.Name}
	for _, a := range status.Addresses {
		if a.Type != "InternalIP" && a.Type != "ExternalIP" {
			continue
		}
		list, err := addrs([]string{a.Address})
		if err != nil {
			return err
		}
		n.addrs = append(n.addrs, list...)
	}
	c.nodes[n.name] = n
	return nil
}

// addOwner keeps a selector that is made of labels alone: a policy could say
// expressions too, but peers are compared by labels.
func (c *Cluster) addOwner(o object) error {
	var spec struct {
		Selector struct {
			MatchLabels      map[string]string `json:"matchLabels"`
			MatchExpressions []json.RawMessage `json:"matchExpressions"`
		} `json:"selector"`
	}
	if err := fields(o.Spec, &spec); err != nil {
		return err
	}
	if err := CheckLabels(spec.Selector.MatchLabels); err != nil {
		return fmt.Errorf("selector: %w", err)
	}
	if len(spec.Selector.MatchLabels) > 0 && len(spec.Selector.MatchExpressions) == 0 {
		c.selectors[owner{o.Kind, o.Metadata.Namespace, o.Metadata.Name}] = spec.Selector.MatchLabels
	}
	return nil
}

// addrs reads addresses; "" and None, of a Service without one, are none.
func addrs(list []string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, s := range list {
		if s == "" || s == "None" {
			continue
		}
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("%.120q is not an address", s)
		}
		out = appendNew(out, a.Unmap())
	}
	return out, nil
}

func appendNew(list []netip.Addr, a netip.Addr) []netip.Addr {
	for _, b := range list {
		if a == b {
			return list
		}
	}
	return append(list, a)
}

func portNumber(n int) (uint16, error) {
	if n < 1 || n > 65535 {
		return 0, fmt.Errorf("port %d is not in 1-65535", n)
	}
	return uint16(n), nil
}

func protocol(s string) (string, error) {
	switch s {
	case "":
		return "TCP", nil
	case "TCP", "UDP", "SCTP":
		return s, nil
	}
	return "", fmt.Errorf("protocol %.40q is not TCP, UDP or SCTP", s)
}
