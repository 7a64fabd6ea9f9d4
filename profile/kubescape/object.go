package kubescape

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile/foreign"
)

// Group is the API group of kubescape's objects.
const Group = "spdx.softwarecomposition.kubescape.io"

// Kinds that hold evidence.
const (
	kindApplication  = "ApplicationProfile"
	kindNeighborhood = "NetworkNeighborhood"
	kindContainer    = "ContainerProfile"
)

// object is what the three kinds and the storage's own form have in common.
type object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       spec     `json:"spec"`

	// The storage component keeps the metadata at the top.
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

type spec struct {
	Architectures []string          `json:"architectures"`
	MatchLabels   map[string]string `json:"matchLabels"`

	Own container `json:",embed"` // of a ContainerProfile

	Containers          []container `json:"containers"`
	InitContainers      []container `json:"initContainers"`
	EphemeralContainers []container `json:"ephemeralContainers"`
}

type container struct {
	Name         string     `json:"name"`
	ImageID      string     `json:"imageID"`
	ImageTag     string     `json:"imageTag"`
	Execs        []exec     `json:"execs"`
	Opens        []open     `json:"opens"`
	Syscalls     []string   `json:"syscalls"`
	Capabilities []string   `json:"capabilities"`
	Ingress      []neighbor `json:"ingress"`
	Egress       []neighbor `json:"egress"`
}

type exec struct {
	Path string   `json:"path"`
	Args []string `json:"args"`
}

type open struct {
	Path  string   `json:"path"`
	Flags []string `json:"flags"`
}

type neighbor struct {
	DNS               string    `json:"dns"` // older objects
	DNSNames          []string  `json:"dnsNames"`
	IPAddress         string    `json:"ipAddress"` // older objects
	IPAddresses       []string  `json:"ipAddresses"`
	Ports             []port    `json:"ports"`
	PodSelector       *selector `json:"podSelector"`
	NamespaceSelector *selector `json:"namespaceSelector"`
}

type port struct {
	Protocol string `json:"protocol"`
	Port     *int   `json:"port"`
}

type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []requirement     `json:"matchExpressions"`
}

type requirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
}

// detect looks at the first objects of a file. The storage component's own form
// has no kind.
func detect(head []byte) bool {
	return foreign.AnyShape(head, func(s foreign.Shape) bool {
		if s.Kind != "" && s.Kind != "List" {
			return evidence(s.Kind) && strings.HasPrefix(s.APIVersion, Group+"/")
		}
		if s.Has("items") { // YAML that is cut off does not show them
			return bytes.Contains(head, []byte("apiVersion: "+Group+"/"))
		}
		return s.Has("spec.execs") || s.Has("spec.opens") || s.Has("spec.imageID", "spec.architectures")
	})
}

func evidence(kind string) bool {
	return kind == kindApplication || kind == kindNeighborhood || kind == kindContainer
}

// version is the only one of [Group] that there is.
const version = "v1beta1"

// errKind is returned for objects of other kinds.
var errKind = errors.New("no evidence of kubescape")

// decode reads one object.
func decode(from foreign.Object) (object, error) {
	var o object
	if err := foreign.Decode(from.Data, &o); err != nil {
		return object{}, err
	}
	if o.Metadata.Name == "" && o.Metadata.Labels == nil && o.Metadata.Annotations == nil {
		o.Metadata = metadata{Name: o.Name, Namespace: o.Namespace, Labels: o.Labels, Annotations: o.Annotations}
	}
	if o.Kind == "" {
		o.Kind = o.Spec.kind()
	}
	if !evidence(o.Kind) || o.APIVersion != "" && !strings.HasPrefix(o.APIVersion, Group+"/") {
		return object{}, fmt.Errorf("a %q of %q is %w: that is in %s, %s and %s", o.Kind, o.APIVersion, errKind,
			kindApplication, kindContainer, kindNeighborhood)
	}
	if o.APIVersion != "" && o.APIVersion != Group+"/"+version {
		return object{}, fmt.Errorf("the version %q is not known, only %s", o.APIVersion, version)
	}
	return o, nil
}

// kind is what an object has to be that does not say: one of the storage
// component, or an item of a list of objects of one kind.
func (s spec) kind() string {
	if len(s.Containers)+len(s.InitContainers)+len(s.EphemeralContainers) == 0 {
		return kindContainer
	}
	for _, c := range slices.Concat(s.Containers, s.InitContainers, s.EphemeralContainers) {
		if len(c.Execs)+len(c.Opens)+len(c.Syscalls)+len(c.Capabilities) > 0 {
			return kindApplication
		}
		if len(c.Ingress)+len(c.Egress) > 0 {
			return kindNeighborhood
		}
	}
	return ""
}

// title names an object for people.
func (o object) title() string {
	name := o.Metadata.Name
	if o.Metadata.Namespace != "" {
		name = o.Metadata.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %q", o.Kind, name)
}
