package inspektorgadget

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
	"github.com/lathe-build/lathe/profile/foreign"
)

const (
	policyFormat = "networkpolicy"
	policyGroup  = "networking.k8s.io/"
)

// PolicyFormat is the row of advise_networkpolicy in the table of formats.
func PolicyFormat() foreign.Format {
	return foreign.Format{
		Name:  policyFormat,
		About: "NetworkPolicies, as advise_networkpolicy of Inspektor Gadget makes them",
		Detect: func(head []byte) bool {
			return foreign.AnyShape(head, isPolicy)
		},
		Import: ImportPolicies,
	}
}

func isPolicy(s foreign.Shape) bool {
	return s.Kind == "NetworkPolicy" && strings.HasPrefix(s.APIVersion, policyGroup)
}

// policy is a NetworkPolicy of networking.k8s.io/v1.
type policy struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec struct {
		PodSelector selector `json:"podSelector"`
		Ingress     []rule   `json:"ingress"`
		Egress      []rule   `json:"egress"`
	} `json:"spec"`
}

type selector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

type rule struct {
	Ports []struct {
		Protocol string      `json:"protocol"`
		Port     foreign.Int `json:"port"`
	} `json:"ports"`
	From []policyPeer `json:"from"`
	To   []policyPeer `json:"to"`
}

type policyPeer struct {
	PodSelector       *selector `json:"podSelector"`
	NamespaceSelector *selector `json:"namespaceSelector"`
	IPBlock           *struct {
		CIDR string `json:"cidr"`
	} `json:"ipBlock"`
}

// workload is the policies of one workload.
type workload struct {
	facts  *fold.Collector
	labels map[string]string
}

// ImportPolicies reads NetworkPolicies and returns a valid, unbound profile with
// one source: their rules as connections of which no executable is known. They
// are upper bounds of an observation that is not whole, so that the source
// observes nothing of which absence would tell.
func ImportPolicies(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog(policyFormat, inputs, opts)
	workloads := foreign.NewContainers(opts, func(foreign.Subject) *workload { return &workload{facts: fold.New(fold.Limits{})} })
	err := records.Objects(ctx, func(o foreign.Object) error {
		if !isPolicy(foreign.Shape{Kind: o.Kind, APIVersion: o.APIVersion}) {
			return fmt.Errorf("a %q of %q is no NetworkPolicy", o.Kind, o.APIVersion)
		}
		if o.APIVersion != policyGroup+"v1" {
			return foreign.Fatal(fmt.Errorf("the version %q is not known, only v1", o.APIVersion))
		}
		var p policy
		if err := foreign.Decode(o.Data, &p); err != nil {
			return err
		}
		if p.Metadata.Name == "" {
			return errors.New("the policy has no name")
		}
		w := workloads.Of(foreign.Subject{Namespace: p.Metadata.Namespace, Container: p.Metadata.Name})
		if w == nil {
			return nil
		}
		w.take(&p)
		return foreign.Fatal(w.facts.Err())
	})
	if err != nil {
		return nil, err
	}
	w, subject, err := workloads.Chosen()
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", policyFormat, err)
	}
	source := records.Source()
	source.Recorder.Name, source.Recorder.Method = "inspektor-gadget", "ebpf"
	source.Subject.Workload = profile.Workload{Namespace: subject.Workload.Namespace, Name: subject.Container, Labels: w.labels}
	source.Complete, source.Vouched = false, false
	source.Notes = append(source.Notes, "rules of policies: IPv4, UDP to ports below 1024, and no executables")
	if n := w.facts.Refused(); n > 0 {
		source.Notes = append(source.Notes, fmt.Sprintf("%d rules that a profile cannot hold are left out", n))
	}
	p, err := w.facts.Profile(opts.Name, source, foreign.Images(opts, nil)...)
	if err != nil {
		return nil, fmt.Errorf("importing %s: %w", policyFormat, err)
	}
	return p, nil
}

func (w *workload) take(p *policy) {
	if len(w.labels) == 0 {
		w.labels = p.Spec.PodSelector.MatchLabels
	}
	each := func(rules []rule, peers func(rule) []policyPeer, note func(proto string, port int, peer profile.Peer)) {
		for _, r := range rules {
			for _, to := range peers(r) {
				peer := to.peer(p.Metadata.Namespace)
				for _, port := range r.Ports {
					proto := strings.ToLower(port.Protocol)
					if proto == "" {
						proto = "tcp"
					}
					note(proto, int(port.Port), peer)
				}
			}
		}
	}
	each(p.Spec.Egress, func(r rule) []policyPeer { return r.To }, func(proto string, port int, peer profile.Peer) {
		w.facts.Connect(fold.Connect{
			Proto: proto, Port: port, Peer: peer, Result: profile.ResultInProgress, Attribution: profile.AttributionNone,
		})
	})
	each(p.Spec.Ingress, func(r rule) []policyPeer { return r.From }, func(proto string, port int, peer profile.Peer) {
		w.facts.Accept(fold.Accept{Proto: proto, Port: port, Peer: peer})
	})
}

// nameLabel is the label that Kubernetes gives namespaces.
const nameLabel = "kubernetes.io/metadata.name"

func (p *policyPeer) peer(namespace string) profile.Peer {
	if p.IPBlock != nil {
		return profile.Peer{IP: strings.TrimSuffix(p.IPBlock.CIDR, "/32")}
	}
	peer := profile.Peer{K8s: profile.K8s{Kind: "Pod", Namespace: namespace}}
	if p.NamespaceSelector != nil {
		peer.K8s.Namespace = p.NamespaceSelector.MatchLabels[nameLabel]
	}
	if p.PodSelector != nil {
		peer.K8s.Labels = p.PodSelector.MatchLabels
	}
	return peer
}
