package netpolicy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/netpolicy/inventory"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Fate is what hardening does with an executable.
type Fate int

// The fates of an executable. The zero value is Unknown.
const (
	Unknown    Fate = iota // nobody knows: its connections stay, with a warning
	Kept                   // it is in the hardened image
	Dropped                // it was in the image and is no longer
	NotInImage             // it never was in the image
)

// Options are the choices of [New]. The zero value is usable.
type Options struct {
	// Selector holds the labels of the workload's pods. Where it is empty the
	// labels that the profile's sources agree on are used.
	Selector map[string]string
	// Namespace and Name of the policy. Where they are empty the workload's
	// own are used. Name is made a valid object name.
	Namespace, Name string
	// ImageDigest, SourceDigest and ProfileDigest bind the hint to the
	// hardened image, the image it was made from and the profile:
	// "sha256:" and 64 hex digits, or empty.
	ImageDigest, SourceDigest, ProfileDigest string
	// AllowMetadata makes rules for observed metadata services of clouds.
	AllowMetadata bool
	// KeepAttached makes rules for what people did by hand in the container, too.
	KeepAttached bool
	// Strict leaves out what no executable can be named for.
	Strict bool
	// ClusterDNS says where the cluster's resolver runs, where no inventory
	// does.
	ClusterDNS ClusterDNS
	// Cluster and Mapping identify addresses; nil knows nothing. The mapping
	// wins.
	Cluster *inventory.Cluster
	Mapping *inventory.Mapping
	// Template is what a manifest says of the workload's pods, or nil.
	Template *Template
	// Partial allows a policy although the evidence is about some of the pod's
	// containers only.
	Partial bool
	// External says what becomes of public addresses.
	External External
	// OmitUnresolved leaves out private addresses that nothing identifies.
	OmitUnresolved bool
	// PreDNAT allows the ports of Services beside those of their pods, for
	// network plugins that decide before translation.
	PreDNAT bool
	// IngressFrom says who may connect where the sources are not known.
	IngressFrom IngressFrom
}

// Template is what a pod template says that a policy depends on.
type Template struct {
	Namespace, Name string            // of the object that has the template
	Selector        map[string]string // its spec.selector.matchLabels
	HostNetwork     bool
	Containers      []string // all, with init containers and sidecars
	Container       string   // the one that the profile is of; "" when the only one is
	ProbePorts      []int32  // numbers of TCP ports of probes
}

// External says what becomes of public addresses.
type External int

// What becomes of public addresses.
const (
	ExternalAddresses External = iota // rules for the addresses; in Cilium's form for their names
	ExternalPorts                     // rules for the ports at every public address
	ExternalDeny                      // no rules
)

// IngressFrom says who may connect to a port of which no source is known.
type IngressFrom int

// Who may connect to a port of which no source is known.
const (
	FromAnywhere  IngressFrom = iota // everyone
	FromNamespace                    // pods of the workload's namespace
	FromNobody                       // no one
)

// ClusterDNS names the pods that resolve names for a cluster.
type ClusterDNS int

// Where clusters resolve names.
const (
	KubeDNS      ClusterDNS = iota // pods k8s-app=kube-dns in kube-system, port 53
	OpenShiftDNS                   // pods of the dns operator in openshift-dns, port 5353
)

const (
	maxLabels    = 64   // of a selector
	maxSelector  = 8192 // bytes of a selector on the command line
	digestPrefix = "sha256:"
	digestLen    = len(digestPrefix) + 64
)

// check reports options that cannot be used.
func (o Options) check() error {
	if err := checkLabels(o.Selector); err != nil {
		return fmt.Errorf("selector: %w", err)
	}
	if o.Namespace != "" {
		if msgs := validation.IsDNS1123Label(o.Namespace); len(msgs) > 0 {
			return fmt.Errorf("namespace %q: %s", clip(o.Namespace, maxShown), msgs[0])
		}
	}
	for _, d := range []struct{ name, value string }{
		{"image digest", o.ImageDigest},
		{"source digest", o.SourceDigest},
		{"profile digest", o.ProfileDigest},
	} {
		if err := checkDigest(d.value); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	if o.Template != nil {
		if err := checkLabels(o.Template.Selector); err != nil {
			return fmt.Errorf("selector of the manifest: %w", err)
		}
	}
	if o.ClusterDNS != KubeDNS && o.ClusterDNS != OpenShiftDNS {
		return fmt.Errorf("unknown cluster DNS %d", int(o.ClusterDNS))
	}
	return nil
}

func checkDigest(s string) error {
	if s == "" {
		return nil
	}
	hex, ok := strings.CutPrefix(s, digestPrefix)
	if !ok || len(s) != digestLen || strings.Trim(hex, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is not sha256: and 64 hex digits", clip(s, maxShown))
	}
	return nil
}

// ParseSelector reads the labels of a selector written as on kubectl's command
// line, "app=web,tier=front". Only equality is possible, because a NetworkPolicy
// made of anything else would select more than one workload. An empty selector,
// a repeated key and labels that the API server would refuse are errors.
func ParseSelector(s string) (map[string]string, error) {
	if len(s) > maxSelector {
		return nil, fmt.Errorf("selector of %d bytes is longer than %d", len(s), maxSelector)
	}
	labels := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		value = strings.TrimPrefix(value, "=") // kubectl takes == as well
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.HasSuffix(key, "!") {
			return nil, fmt.Errorf("selector %q: %q is not key=value", clip(s, maxShown), clip(part, maxShown))
		}
		if _, dup := labels[key]; dup {
			return nil, fmt.Errorf("selector %q: key %q is given twice", clip(s, maxShown), clip(key, maxShown))
		}
		labels[key] = value
	}
	if err := checkLabels(labels); err != nil {
		return nil, fmt.Errorf("selector %q: %w", clip(s, maxShown), err)
	}
	return labels, nil
}

// checkLabels repeats the API server's rules for labels.
func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels are more than %d", len(labels), maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if msgs := validation.IsQualifiedName(key); len(msgs) > 0 {
			return fmt.Errorf("label key %q: %s", clip(key, maxShown), msgs[0])
		}
		if msgs := validation.IsValidLabelValue(labels[key]); len(msgs) > 0 {
			return fmt.Errorf("value %q of label %q: %s", clip(labels[key], maxShown), clip(key, maxShown), msgs[0])
		}
	}
	return nil
}

// Sentinel errors of the package.
var (
	// ErrNoSelector: the labels of the workload's pods are not known, so there
	// is no policy; --selector gives them.
	ErrNoSelector = errors.New("the workload's labels are not known")
	// ErrNoDirection: no source could see either direction, so a policy would
	// restrict nothing.
	ErrNoDirection = errors.New("no complete source could see connections or listeners")
	// ErrHostNetwork: the pods use the node's network, where no policy has an
	// effect.
	ErrHostNetwork = errors.New("the workload uses its node's network, where no policy has an effect")
	// ErrPartial: the pod has containers that the evidence is not about;
	// Options.Partial allows that, merging hints is better.
	ErrPartial = errors.New("the evidence is about some of the pod's containers only")
	// ErrNamespace: pods of the namespace shall be allowed, and which it is is
	// not known.
	ErrNamespace = errors.New("the workload's namespace is not known")
	// ErrTooLarge: the policy has more address blocks and ports than a server
	// is known to accept.
	ErrTooLarge = errors.New("the policy is too large")
	// ErrTooComplex: so many rules are for the same peers that holding a policy
	// or connections against them would take more than a fair amount of time.
	ErrTooComplex = errors.New("the rules overlap too often to be checked")
	// ErrSelfCheck: the policy does not do what its evidence says; a defect.
	ErrSelfCheck = errors.New("the policy failed its self-check")
)
