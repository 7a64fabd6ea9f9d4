package manifest

import "slices"

// Pod is what manifests say of the pods that hold a container, beside the
// container's own evidence.
type Pod struct {
	Container   string   // the container that is meant
	Containers  []string // all of the pods, with init containers and sidecars, sorted
	HostNetwork bool     // a pod uses its node's network
	ProbePorts  []int32  // TCP ports that the kubelet connects to, of the container's probes and hooks, sorted
}

// podOf is what is said of the pods of the chosen containers, which have one
// name.
func podOf(found []chosen) Pod {
	pod := Pod{Container: found[0].container.Name}
	for _, c := range found {
		spec := c.of.pod
		pod.HostNetwork = pod.HostNetwork || spec.HostNetwork
		for _, other := range slices.Concat(spec.Containers, spec.InitContainers) {
			pod.Containers = append(pod.Containers, other.Name)
		}
		own := c.container
		for _, h := range []handler{own.StartupProbe, own.LivenessProbe, own.ReadinessProbe, own.Lifecycle.PostStart, own.Lifecycle.PreStop} {
			pod.ProbePorts = append(pod.ProbePorts, own.probed(h)...)
		}
	}
	pod.Containers, pod.ProbePorts = set(pod.Containers), set(pod.ProbePorts)
	return pod
}

// probed are the ports of the container that a probe connects to.
func (c container) probed(h handler) []int32 {
	var list []int32
	for _, to := range []*target{h.HTTPGet, h.TCPSocket, h.GRPC} {
		if to == nil {
			continue
		}
		number := 0
		switch port := to.Port.(type) {
		case float64:
			if port >= 1 && port <= 65535 {
				number = int(port)
			}
		case string:
			i := slices.IndexFunc(c.Ports, func(p portSpec) bool { return p.Name == port })
			if i >= 0 {
				number = c.Ports[i].ContainerPort
			}
		}
		if number >= 1 && number <= 65535 {
			list = append(list, int32(number))
		}
	}
	return list
}

func set[T string | int32](list []T) []T {
	list = slices.DeleteFunc(list, func(x T) bool { var none T; return x == none })
	slices.Sort(list)
	return slices.Compact(list)
}
