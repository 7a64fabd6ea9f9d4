package sandbox

import (
	"slices"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// With control groups of version 2 alone a container has a namespace for them,
// as with docker; with version 1 it has none.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	usual := []specs.LinuxNamespaceType{specs.PIDNamespace, specs.IPCNamespace, specs.MountNamespace}
	for _, tt := range []struct {
		name    string
		mode    NetworkMode
		unified bool
		want    []specs.LinuxNamespaceType
	}{
		{"version 1", NetworkNAT, false, append(slices.Clone(usual), specs.UTSNamespace, specs.NetworkNamespace)},
		{"version 2", NetworkNAT, true, append(slices.Clone(usual), specs.CgroupNamespace, specs.UTSNamespace, specs.NetworkNamespace)},
		{"the host's network", NetworkHost, false, usual},
		{"the host's network, version 2", NetworkHost, true, append(slices.Clone(usual), specs.CgroupNamespace)},
	} {
		p := place{root: "/root", cgroup: "/lathe/x", netns: "/proc/1/fd/3", unified: tt.unified}
		spec, err := newSpec(v1.Config{Entrypoint: []string{"/x"}}, Options{Network: Network{Mode: tt.mode}}, user{home: "/"}, "box", p)
		if err != nil {
			t.Fatal(err)
		}
		var got []specs.LinuxNamespaceType
		for _, n := range spec.Linux.Namespaces {
			got = append(got, n.Type)
			if want := map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "/proc/1/fd/3"}[n.Type]; n.Path != want {
				t.Errorf("%s: the namespace %s is at %q, want %q", tt.name, n.Type, n.Path, want)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: namespaces %v, want %v", tt.name, got, tt.want)
		}
		if spec.Linux.CgroupsPath != "/lathe/x" {
			t.Errorf("%s: the control group is %q", tt.name, spec.Linux.CgroupsPath)
		}
	}
}
