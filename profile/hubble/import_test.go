package hubble

import (
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

func TestBadInput(t *testing.T) {
	t.Parallel()
	flow := `{"flow":{"verdict":"FORWARDED","IP":{"source":"10.0.0.9","destination":"192.0.2.5"},"l4":{"TCP":{"destination_port":80,"flags":{"SYN":true}}},"source":{"namespace":"n","pod_name":"web-1"},"traffic_direction":"EGRESS"}}` + "\n"
	for name, tc := range map[string]struct{ text, note, err string }{
		"bare":       {strings.TrimSuffix(strings.TrimPrefix(flow, `{"flow":`), "}\n"), "", ""},
		"cut off":    {flow + `{"flow":{"ver`, `skipped "events.json", line 2: not JSON`, ""},
		"wrong type": {flow + `{"flow":{"verdict":1}}`, "line 2: /flow/verdict: a number does not fit", ""},
		"no flow":    {flow + `{"node_name":"n"}`, "line 2: it is no flow", ""},
		"lost":       {flow + `{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"7"},"node_name":"n"}`, "7 flows were lost", ""},
		"two":        {flow + strings.Replace(flow, "web-1", "db-1", 1), "", `it holds 2 containers: choose one with --container, --pod and --namespace: "db-1" in "n/db-1", "web-1" in "n/web-1"`},
		"no pod":     {strings.Replace(flow, `"pod_name":"web-1"`, `"x":1`, 1), "", "no record is of a container"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := importText(t, tc.text, foreign.Options{Complete: true})
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if err != nil {
				return
			}
			if s := p.Sources[0]; !strings.Contains(strings.Join(s.Notes, "\n"), tc.note) || len(p.Network.Connect) != 1 || s.IsComplete() == (name == "lost") {
				t.Errorf("%d connections, complete %v, notes %q", len(p.Network.Connect), s.IsComplete(), s.Notes)
			}
		})
	}
}

func FuzzImport(f *testing.F) {
	importtest.Importer(Import).Fuzz(f, filepath.Join("testdata", "web.jsonl"))
}

func BenchmarkImport(b *testing.B) {
	importtest.Importer(Import).Benchmark(b, filepath.Join("testdata", "web.jsonl"))
}
