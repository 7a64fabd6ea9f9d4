package formats

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/tetragon"
	"github.com/lathe-build/lathe/profile/tracee"
)

// objects reads the objects of a recipe.
func objects(t *testing.T, name string) []foreign.Object {
	t.Helper()
	var out []foreign.Object
	log := foreign.NewLog("recipe", []*foreign.Input{open(t, name, read(t, filepath.Join("..", "..", "docs", "recipes", name)))}, foreign.Options{})
	if err := log.Objects(context.Background(), func(o foreign.Object) error { out = append(out, o); return nil }); err != nil {
		t.Fatal(err)
	}
	if notes := log.Source().Notes; len(notes) > 0 {
		t.Fatal(notes)
	}
	return out
}

// Every function that the recipe hooks is one whose events are imported, and
// the policies have the names by which the importer trusts them.
func TestRecipeTetragon(t *testing.T) {
	t.Parallel()
	hooks := 0
	for _, o := range objects(t, "tetragon.yaml") {
		var policy struct {
			Spec struct {
				Kprobes []struct {
					Call      string
					Syscall   bool
					Selectors []any
				}
			}
		}
		if err := foreign.Decode(o.Data, &policy); err != nil {
			t.Fatal(err)
		}
		if o.Kind != "TracingPolicy" || !strings.HasPrefix(o.Name, "lathe-") {
			t.Errorf("%s %q", o.Kind, o.Name)
		}
		for _, k := range policy.Spec.Kprobes {
			hooks++
			if !tetragon.Understands(k.Call) || len(k.Selectors) > 0 || k.Syscall != strings.HasPrefix(k.Call, "sys_") {
				t.Errorf("%s: %q, selectors %v", o.Name, k.Call, k.Selectors)
			}
		}
	}
	if hooks < 10 || tetragon.Understands("do_exit") {
		t.Errorf("%d hooks", hooks)
	}
}

func TestRecipeTracee(t *testing.T) {
	t.Parallel()
	list := objects(t, "tracee.yaml")
	var policy struct {
		Spec struct {
			Rules []struct {
				Event   string
				Filters []any
			}
		}
	}
	if err := foreign.Decode(list[0].Data, &policy); err != nil || len(list) != 1 || list[0].Kind != "Policy" {
		t.Fatalf("%d objects, %v", len(list), err)
	}
	for _, r := range policy.Spec.Rules {
		if !tracee.Understands(r.Event) || len(r.Filters) > 0 {
			t.Errorf("%q, filters %v", r.Event, r.Filters)
		}
	}
	if len(policy.Spec.Rules) < 10 || tracee.Understands("bpf_attach") {
		t.Errorf("%d rules", len(policy.Spec.Rules))
	}
}

// The gadgets of the command lines are those whose records are imported, and
// those that have paths are told to print them.
func TestRecipeCommandLines(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join("..", "..", "docs", "recipes", "README.md"))
	known := "trace_exec trace_open trace_tcp trace_bind trace_dns trace_sni trace_capabilities"
	runs := regexp.MustCompile(`ig run (\w+)(.*)`).FindAllSubmatch(text, -1)
	for _, run := range runs {
		name, paths := string(run[1]), bytes.Contains(run[2], []byte("--paths"))
		if !strings.Contains(known, name) || !paths && (name == "trace_exec" || name == "trace_open") {
			t.Errorf("%s", run[0])
		}
	}
	if len(runs) != len(strings.Fields(known)) || !bytes.Contains(text, []byte("strace -f -ttt -y -yy -s 4096")) {
		t.Errorf("%d gadgets", len(runs))
	}
}
