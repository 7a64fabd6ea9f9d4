package netpolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Where a selector comes from.
const (
	selectorOption  = "option"
	selectorProfile = "profile"
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
	wl := Workload{Namespace: opts.Namespace, Name: opts.Name, PodSelector: opts.Selector, SelectorFrom: selectorOption}
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
		wl.PodSelector, wl.SelectorFrom = profileSelector(labels, w), selectorProfile
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
	return wl
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

// stableLabels are labels without those that controllers and packagers change
// from one pod, replica or version to the next.
func stableLabels(labels map[string]string) map[string]string {
	stable := map[string]string{}
	for key, value := range labels {
		if !unstable(key) {
			stable[key] = value
		}
	}
	return stable
}

func unstable(key string) bool {
	exact := []string{
		"apps.kubernetes.io/pod-index",
		"app.kubernetes.io/version",
		"controller-revision-hash",
		"controller-uid",
		"helm.sh/chart",
		"job-name",
		"pod-template-generation",
		"pod-template-hash",
		"statefulset.kubernetes.io/pod-name",
	}
	return slices.Contains(exact, key) ||
		strings.HasPrefix(key, "batch.kubernetes.io/") ||
		strings.HasPrefix(key, "topology.")
}
