package kubescape

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Group is the API group of kubescape's objects.
const Group = "spdx.softwarecomposition.kubescape.io"

// Kinds that hold evidence.
const (
	kindApplication  = "ApplicationProfile"
	kindNeighborhood = "NetworkNeighborhood"
	kindContainer    = "ContainerProfile"
)

// Document is one document of a file, as JSON.
type Document struct {
	Where string // for messages, such as "document 2"
	JSON  []byte
}

// object is what the three kinds and the storage's own form have in common.
type object struct {
	where string

	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   metadata          `json:"metadata"`
	Spec       spec              `json:"spec"`
	Items      []json.RawMessage `json:"items"`

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

	container // of a ContainerProfile

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

// Known reports whether a JSON document with these values of apiVersion and kind
// at its top, or, where it has neither, these bytes, is one of ours. A list is
// one of ours where it says so.
func Known(apiVersion, kind string, data []byte) bool {
	if apiVersion != "" || kind != "" {
		return strings.HasPrefix(apiVersion, Group+"/") && evidence(strings.TrimSuffix(kind, "List"))
	}
	var head struct {
		Spec map[string]json.RawMessage `json:"spec"`
	}
	if json.Unmarshal(data, &head) != nil {
		return false
	}
	found := 0
	for key := range head.Spec {
		switch strings.ToLower(key) {
		case "execs", "opens", "imageid", "imagetag", "ingress", "egress", "architectures":
			found++
		}
	}
	return found > 2
}

func evidence(kind string) bool {
	return kind == kindApplication || kind == kindNeighborhood || kind == kindContainer
}

// maxObjects is how many objects lists may hold together.
const maxObjects = 10_000

// decode reads the objects of a document: one, or those of a list.
func decode(doc Document, kind string, room *int) ([]object, error) {
	if *room--; *room < 0 {
		return nil, fmt.Errorf("%s: more than %d objects", doc.Where, maxObjects)
	}
	var o object
	if err := json.Unmarshal(doc.JSON, &o); err != nil {
		return nil, fmt.Errorf("%s: %w", doc.Where, explain(err))
	}
	o.where = doc.Where
	if o.Kind == "" {
		o.Kind = kind
	}
	if o.Metadata.Name == "" && o.Metadata.Labels == nil && o.Metadata.Annotations == nil {
		o.Metadata = metadata{Name: o.Name, Namespace: o.Namespace, Labels: o.Labels, Annotations: o.Annotations}
	}
	if o.Items == nil {
		return checked(o)
	}
	inner := strings.TrimSuffix(o.Kind, "List")
	var all []object
	for i, item := range o.Items {
		where := fmt.Sprintf("item %d", i+1)
		if doc.Where != "" {
			where = doc.Where + ", " + where
		}
		some, err := decode(Document{Where: where, JSON: item}, inner, room)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func checked(o object) ([]object, error) {
	if o.Kind == "" {
		o.Kind = kindContainer // the storage's own form does not say
	}
	if !evidence(o.Kind) {
		return nil, fmt.Errorf("%s: it is a %q, which holds no evidence: give %s, %s or %s",
			o.where, o.Kind, kindApplication, kindContainer, kindNeighborhood)
	}
	return []object{o}, nil
}

// explain names the field of a wrong type.
func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s: it is a %s where it has to be a %s", wrong.Field, wrong.Value, kindOf(wrong.Type.Kind().String()))
	}
	return err
}

// kindOf gives a Go kind in JSON's words.
func kindOf(kind string) string {
	switch kind {
	case "slice":
		return "list"
	case "struct", "map":
		return "object"
	case "int":
		return "number"
	}
	return kind
}

// title names an object for people.
func (o object) title() string {
	name := o.Metadata.Name
	if o.Metadata.Namespace != "" {
		name = o.Metadata.Namespace + "/" + name
	}
	return fmt.Sprintf("%s %q", o.Kind, name)
}
