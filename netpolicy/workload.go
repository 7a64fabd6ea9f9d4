package netpolicy

import (
	"fmt"
	"maps"

	"github.com/lathe-build/lathe/netpolicy/inventory"
	"github.com/lathe-build/lathe/profile"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Where a workload's selector comes from.
const (
	SelectorOption   = "option"
	SelectorManifest = "manifest"
	SelectorProfile  = "profile"
)

// workload finds out what the policy applies to.
func workload(p *profile.Profile, opts Options, w warnings) Workload {
	var names, namespaces []string
	var labels []map[string]string
	for _, s := range p.Sources {
		subject := s.Subject.Workload
		if subject.Name != "" {
			names = append(names, subject.Name)
		}
		if subject.Namespace != "" {
			namespaces = append(namespaces, subject.Namespace)
		}
		if set := stableLabels(subject.Labels); len(set) > 0 {
			labels = append(labels, set)
		}
	}
	wl := Workload{Namespace: opts.Namespace, Name: opts.Name, PodSelector: opts.Selector, SelectorFrom: SelectorOption, Partial: opts.Partial}
	if opts.Template != nil {
		wl.template(p, opts.Template, w)
	}
	if names = sorted(names); wl.Name == "" && len(names) == 1 {
		wl.Name = names[0]
	}
	if namespaces = sorted(namespaces); wl.Namespace == "" && len(namespaces) == 1 {
		if len(validation.IsDNS1123Label(namespaces[0])) == 0 {
			wl.Namespace = namespaces[0]
		} else {
			w.add(WarnSelector, fmt.Sprintf("namespace %q is no namespace", clip(namespaces[0], maxShown)))
		}
	}
	if len(wl.PodSelector) == 0 {
		wl.PodSelector, wl.SelectorFrom = profileSelector(labels, w), SelectorProfile
	}
	if len(wl.PodSelector) == 0 {
		wl.PodSelector, wl.SelectorFrom = nil, ""
	}
	switch {
	case wl.Name != "":
		wl.Name = objectName(wl.Name)
	case wl.PodSelector != nil:
		wl.Name = selectorName(wl.PodSelector)
	}
	wl.PodSelector = maps.Clone(wl.PodSelector)
	wl.onHost(opts.Cluster, w)
	return wl
}

// template takes over what a manifest says and an option does not.
func (wl *Workload) template(p *profile.Profile, t *Template, w warnings) {
	if wl.Namespace == "" && t.Namespace != "" {
		wl.Namespace = t.Namespace
	}
	if wl.Name == "" {
		wl.Name = t.Name
	}
	if len(wl.PodSelector) == 0 && len(t.Selector) > 0 {
		wl.PodSelector, wl.SelectorFrom = t.Selector, SelectorManifest
	}
	wl.HostNetwork = t.HostNetwork
	wl.Containers = sorted(t.Containers)
	switch {
	case t.Container != "":
		wl.Observed = []string{t.Container}
	case len(wl.Containers) == 1:
		wl.Observed = wl.Containers
	default:
		known := make(map[string]bool, len(wl.Containers))
		for _, c := range wl.Containers {
			known[c] = true
		}
		for _, s := range p.Sources {
			if known[s.Subject.Container] {
				wl.Observed = append(wl.Observed, s.Subject.Container)
			}
		}
	}
	wl.Observed = sorted(wl.Observed)
	open := map[int]bool{}
	for _, l := range p.Network.Listen {
		open[l.Port] = open[l.Port] || l.Proto == "tcp"
	}
	for _, port := range t.ProbePorts {
		if !open[int(port)] {
			w.add(WarnProbePort, fmt.Sprint(port))
		}
	}
}

// onHost reports whether the inventory shows the workload's pods on their
// nodes' network.
func (wl *Workload) onHost(c *inventory.Cluster, w warnings) {
	if c != nil && len(wl.PodSelector) > 0 {
		for _, p := range c.Selected(wl.Namespace, wl.PodSelector) {
			wl.HostNetwork = wl.HostNetwork || p.HostNetwork
		}
	}
	if wl.HostNetwork {
		w.add(WarnHostNetwork, "the workload itself")
	}
}

// profileSelector is the labels that all sources agree on. Where they disagree
// there is none: the labels that they share may select other workloads too.
func profileSelector(labels []map[string]string, w warnings) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	for _, other := range labels[1:] {
		if !maps.Equal(labels[0], other) {
			w.add(WarnSelector, "sources disagree about them")
			return nil
		}
	}
	if err := checkLabels(labels[0]); err != nil {
		w.add(WarnSelector, err.Error())
		return nil
	}
	return labels[0]
}

// stableLabels are the labels by which pods can be selected.
func stableLabels(labels map[string]string) map[string]string { return inventory.StableLabels(labels) }
