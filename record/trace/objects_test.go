package trace

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
)

// The programs of all architectures are the same but for the registers: what is
// tried on one holds for the other as far as that can be seen without it.
func TestObjects(t *testing.T) {
	t.Parallel()
	shapes := map[string][]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		spec, err := ebpf.LoadCollectionSpec("objects/" + arch + ".o")
		if err != nil {
			t.Fatal(err)
		}
		var shape []string
		for name, m := range spec.Maps {
			if m.Type == ebpf.Array && (name == ".rodata" || name == ".bss" || name == ".data") {
				continue
			}
			shape = append(shape, fmt.Sprintf("map %s %s key %d value %d entries %d", name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries))
		}
		for name, p := range spec.Programs {
			shape = append(shape, fmt.Sprintf("program %s %s %s at %s, %s", name, p.Type, p.AttachType, p.AttachTo, p.License))
			if len(p.Instructions) == 0 {
				t.Errorf("%s: %s is empty", arch, name)
			}
		}
		slices.Sort(shape)
		shapes[arch] = shape
	}
	if diff := cmp.Diff(shapes["amd64"], shapes["arm64"]); diff != "" {
		t.Errorf("(-amd64 +arm64):\n%s", diff)
	}
	want := []string{"on_capable", "on_exec", "on_exit", "on_fork", "on_sys_exit", "on_tcp_state", "on_uring"}
	spec, err := ebpf.LoadCollectionSpec("objects/arm64.o")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(spec.Programs))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
