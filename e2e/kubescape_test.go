//go:build e2e && linux

package e2e

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestKubescape hardens an image from a kubescape object alone and runs it. The
// object is what the agent would have of the recorded run: no loader, no mapped
// file, opens that failed beside those that did not, the container runtime's own
// work, wildcards, paths that are no longer there.
func TestKubescape(t *testing.T) {
	for _, s := range []*stack{nginx, python} {
		steps := slices.Concat(s.Plain, s.Deep)
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			object := filepath.Join(dir, "applicationprofile.yaml")
			lathe(t, "profile", "export", s.profiles(t)[1], "--as", "kubescape", "--container", "web", "-o", object)
			asRecorded(t, object)
			profile := filepath.Join(dir, "profile.json")
			lathe(t, "profile", "import", "--complete", "--image", "oci:"+s.image, "-o", profile, object)
			before := readRoot(t, s.whole.root)
			want := s.answers(t, s.whole, &s.Scenarios[0], steps)
			out := filepath.Join(dir, "out")
			lathe(t, "harden", "oci:"+s.image, "--profile", profile, "-o", out)
			bundle := unpack(t, filepath.Join(out, "image"))
			after := readRoot(t, bundle.root)
			after.checkNoTools(t, s.Stays)
			after.checkDatabase(t, before)
			if diff := cmp.Diff(want, s.answers(t, bundle, &s.Scenarios[0], steps)); diff != "" {
				t.Errorf("the hardened image answers otherwise (-original +hardened):\n%s", diff)
			}
		})
	}
}

// asRecorded makes an exported object what the agent writes.
func asRecorded(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := yaml.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	object["metadata"] = map[string]any{
		"name": "replicaset-web-7d9c", "namespace": "shop",
		"annotations": map[string]any{"kubescape.io/completion": "complete", "kubescape.io/status": "completed"},
	}
	spec, _ := object["spec"].(map[string]any)
	containers, _ := spec["containers"].([]any)
	container, _ := containers[0].(map[string]any)
	opens, _ := container["opens"].([]any)
	var seen []any
	loaders := 0
	for _, o := range opens {
		open, _ := o.(map[string]any)
		name, _ := open["path"].(string)
		if strings.HasPrefix(path.Base(name), "ld-") {
			loaders++
			continue // the kernel opens the loader, and nobody sees it
		}
		seen = append(seen, open)
	}
	if len(seen) == 0 {
		t.Fatal("the object has no opens")
	}
	t.Logf("%d opens, %d of loaders left out", len(seen), loaders)
	for _, name := range []string{
		"/etc/ld.so.preload", "/usr/lib/tls/x86_64/libc.so.6", "/fabricated/relative/path", "/proc/⋯/setgroups",
		"/proc/sys/kernel/cap_last_cap", "/var/cache/⋯/*",
	} {
		seen = append(seen, map[string]any{"path": name, "flags": []any{"O_RDONLY", "O_CLOEXEC"}})
	}
	container["opens"] = seen
	container["capabilities"] = []any{"SETGID", "SETPCAP", "SETUID", "SYS_ADMIN"}
	if data, err = yaml.Marshal(object); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
