package inventory

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// NamespaceNameLabel is on every namespace and holds its name.
const NamespaceNameLabel = "kubernetes.io/metadata.name"

// StableLabels are labels without those that controllers and packagers change
// from one pod, replica or version to the next.
func StableLabels(labels map[string]string) map[string]string {
	stable := map[string]string{}
	for key, value := range labels {
		if !unstable(key) {
			stable[key] = value
		}
	}
	return stable
}

func unstable(key string) bool {
	switch key {
	case "apps.kubernetes.io/pod-index", "app.kubernetes.io/version", "controller-revision-hash", "controller-uid",
		"helm.sh/chart", "job-name", "pod-template-generation", "pod-template-hash", "statefulset.kubernetes.io/pod-name",
		"chart", "heritage", "security.istio.io/tlsMode", "service.istio.io/canonical-revision":
		return true
	}
	return strings.HasPrefix(key, "batch.kubernetes.io/") || strings.HasPrefix(key, "topology.")
}

// maxLabels bounds the labels of an object.
const maxLabels = 256

// CheckLabels repeats the API server's rules for labels.
func CheckLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels are more than %d", len(labels), maxLabels)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if msgs := validation.IsQualifiedName(key); len(msgs) > 0 {
			return fmt.Errorf("label key %.120q: %s", key, msgs[0])
		}
		if msgs := validation.IsValidLabelValue(labels[key]); len(msgs) > 0 {
			return fmt.Errorf("value %.120q of label %.120q: %s", labels[key], key, msgs[0])
		}
	}
	return nil
}

// common are the labels that all of list share.
func common(list []map[string]string) map[string]string {
	shared := maps.Clone(list[0])
	for _, other := range list[1:] {
		maps.DeleteFunc(shared, func(k, v string) bool {
			got, ok := other[k]
			return !ok || got != v
		})
	}
	return shared
}
