package tracee

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/internal/importtest"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

func importText(t testing.TB, text string, opts foreign.Options) (*profile.Profile, error) {
	t.Helper()
	return importtest.Importer(Import).Text(t, "events.json", text, opts)
}

func mustImport(t testing.TB, text string, opts foreign.Options) *profile.Profile {
	t.Helper()
	return importtest.Importer(Import).MustText(t, "events.json", text, opts)
}

func TestImportGolden(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "web.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	opts := foreign.Options{Name: "web", Run: "a", Arch: "amd64", Complete: true}
	importtest.Golden(t, filepath.Join("testdata", "web.golden.json"), mustImport(t, string(raw), opts))
}

// exec is an event of an execution in a container, with another name.
func exec(container, name string) string {
	return fmt.Sprintf(`{"timestamp":{"seconds":"1772359200","nanos":5},"name":%q,"workload":{"process":{"unique_id":9,"pid":{"value":7},"executable":{"path":"/bin/a"}},"container":{"id":"0123456789ab","name":%q}},"data":[{"name":"pathname","str":"/bin/a"}]}`+"\n", name, container)
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	good := exec("web", "sched_process_exec")
	for name, tc := range map[string]struct{ text, note, err string }{
		"cut off":     {good + `{"name":"sched`, `skipped "events.json", line 2: not JSON`, ""},
		"wrong type":  {good + strings.Replace(good, `"/bin/a"}]`, `7}]`, 1), "line 2: /data/0/str: a number does not fit", ""},
		"no name":     {good + `{"workload":{}}`, "line 2: it is no event", ""},
		"old":         {good + `{"eventName":"openat","processName":"a"}`, "line 2: it is an event of the older generation", ""},
		"only old":    {`{"eventName":"openat","processName":"a"}`, "", "it is an event of the older generation of Tracee"},
		"two":         {good + exec("side", "sched_process_exec"), "", "it holds 2 containers"},
		"unused name": {good + exec("web", "bpf_attach"), `events of these names are not used: ["bpf_attach"]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := importText(t, tc.text, foreign.Options{})
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if err == nil && !strings.Contains(strings.Join(p.Sources[0].Notes, "\n"), tc.note) {
				t.Errorf("notes %q", p.Sources[0].Notes)
			}
		})
	}
}

func TestRealSample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "profiles", "tracee", "docs-sample-v1beta1.Event.json"))
	if err != nil {
		t.Skipf("no sample: %v", err)
	}
	p := mustImport(t, string(raw), foreign.Options{})
	if len(p.Executables) != 1 || p.Executables[0].Path != "/usr/bin/ls" || p.Executables[0].Seen[p.Sources[0].ID].First.Unix() != 1732454400 {
		t.Errorf("%+v", p.Executables)
	}
	old, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "profiles", "tracee", "docs-samples-legacy-trace.Event.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := importText(t, string(old), foreign.Options{}); err == nil || !strings.Contains(err.Error(), "older generation") {
		t.Errorf("%v", err)
	}
}

func FuzzImport(f *testing.F) {
	importtest.Importer(Import).Fuzz(f, filepath.Join("testdata", "web.jsonl"))
}

func BenchmarkImport(b *testing.B) {
	importtest.Importer(Import).Benchmark(b, filepath.Join("testdata", "web.jsonl"))
}
