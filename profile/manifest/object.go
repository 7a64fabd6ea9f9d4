package manifest

import (
	"errors"
	"fmt"

	"github.com/lathe-build/lathe/profile/foreign"
)

type object struct {
	Kind     string   `json:"kind"`
	Metadata metadata `json:"metadata"`
	Spec     struct {
		Pod      podSpec  `json:",embed"` // of a Pod
		Template template `json:"template"`
		Selector selector `json:"selector"`
		Job      struct {
			Spec struct {
				Template template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"` // of a CronJob
	} `json:"spec"`
}

type metadata struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

type template struct {
	Metadata metadata `json:"metadata"`
	Spec     podSpec  `json:"spec"`
}

// selector is one of labels. That of a ReplicationController is a plain map,
// which may happen to have this name in it.
type selector struct {
	MatchLabels any `json:"matchLabels"`
}

// labels are those that a selector asks for.
func (s selector) labels() map[string]string {
	found, ok := s.MatchLabels.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for key, value := range found {
		if text, ok := value.(string); ok {
			out[key] = text
		}
	}
	return out
}

type podSpec struct {
	Containers          []container     `json:"containers"`
	InitContainers      []container     `json:"initContainers"`
	EphemeralContainers []container     `json:"ephemeralContainers"`
	SecurityContext     securityContext `json:"securityContext"`
	HostNetwork         bool            `json:"hostNetwork"`
}

type container struct {
	Name            string          `json:"name"`
	Image           string          `json:"image"`
	Command         []string        `json:"command"`
	Args            []string        `json:"args"`
	WorkingDir      string          `json:"workingDir"`
	Env             []variable      `json:"env"`
	Ports           []portSpec      `json:"ports"`
	VolumeMounts    []mount         `json:"volumeMounts"`
	LivenessProbe   handler         `json:"livenessProbe"`
	ReadinessProbe  handler         `json:"readinessProbe"`
	StartupProbe    handler         `json:"startupProbe"`
	Lifecycle       lifecycle       `json:"lifecycle"`
	SecurityContext securityContext `json:"securityContext"`
}

type variable struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

type portSpec struct {
	Name          string `json:"name"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

type mount struct {
	MountPath string `json:"mountPath"`
}

type handler struct {
	Exec *struct {
		Command []string `json:"command"`
	} `json:"exec"`
	HTTPGet   *target `json:"httpGet"`
	TCPSocket *target `json:"tcpSocket"`
	GRPC      *target `json:"grpc"`
}

// target is what the kubelet connects to. The port is a number or the name of
// one of the container's.
type target struct {
	Port any `json:"port"`
}

type lifecycle struct {
	PostStart handler `json:"postStart"`
	PreStop   handler `json:"preStop"`
}

type securityContext struct {
	RunAsUser    *int64 `json:"runAsUser"`
	Capabilities struct {
		Add []string `json:"add"`
	} `json:"capabilities"`
}

// isWorkload reports whether objects of this kind hold evidence.
func isWorkload(kind string) bool {
	switch kind {
	case "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob":
		return true
	}
	return false
}

// workload is a pod and what it belongs to.
type workload struct {
	kind     string
	metadata metadata
	labels   map[string]string // that choose its pods
	pod      podSpec
}

// errKind is returned for objects that hold no containers.
var errKind = errors.New("it holds no containers")

// decode reads one object.
func decode(from foreign.Object) (workload, error) {
	if !isWorkload(from.Kind) {
		return workload{}, fmt.Errorf("a %q: %w", from.Kind, errKind)
	}
	var o object
	if err := foreign.Decode(from.Data, &o); err != nil {
		return workload{}, err
	}
	w := workload{kind: o.Kind, metadata: o.Metadata, labels: o.Spec.Selector.labels()}
	switch o.Kind {
	case "Pod":
		w.pod, w.labels = o.Spec.Pod, o.Metadata.Labels
	case "CronJob":
		w.pod, w.labels = o.Spec.Job.Spec.Template.Spec, o.Spec.Job.Spec.Template.Metadata.Labels
	default:
		w.pod = o.Spec.Template.Spec
		if len(w.labels) == 0 {
			w.labels = o.Spec.Template.Metadata.Labels
		}
	}
	if len(w.pod.Containers)+len(w.pod.InitContainers) == 0 {
		return workload{}, fmt.Errorf("the %s %q has no containers", o.Kind, o.Metadata.Name)
	}
	return w, nil
}
