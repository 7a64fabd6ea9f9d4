package tetragon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// exec is an event of an execution in a container, with more members.
func exec(container, process string) string {
	return fmt.Sprintf(`{"process_exec":{"process":{"binary":"/bin/a","pod":{"namespace":"n","name":"p","container":{"name":%q,"id":"c://%s","pid":9}}%s}},"time":"2026-03-01T10:00:00Z"}`+"\n", container, container, process)
}

func TestCompleteness(t *testing.T) {
	t.Parallel()
	whole := exec("web", "")
	for name, tc := range map[string]struct {
		text, note string
		vouch      bool
		complete   bool
		lost       profile.Lost
	}{
		"not vouched for": {whole, "", false, false, profile.Lost{}},
		"vouched for":     {whole, "", true, true, profile.Lost{}},
		"dropped": {
			whole + `{"rate_limit_info":{"number_of_dropped_process_events":"12"},"node_name":"n","time":"2026-03-01T10:00:00Z"}`,
			"12 events were dropped by the export's rate limit", true, false,
			profile.Lost{Known: true, Events: 12},
		},
		"agent came later": {
			exec("web", `,"flags":"procFS auid"`), "1 events are of processes that existed before the agent: the start was not observed", true, false, profile.Lost{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := mustImport(t, tc.text, foreign.Options{Complete: tc.vouch}).Sources[0]
			if s.IsComplete() != tc.complete || s.Lost != tc.lost {
				t.Errorf("complete %v, lost %+v", s.IsComplete(), s.Lost)
			}
			if tc.note != "" && !strings.Contains(strings.Join(s.Notes, "\n"), tc.note) {
				t.Errorf("notes %q", s.Notes)
			}
		})
	}
}

func TestSelection(t *testing.T) {
	t.Parallel()
	text := exec("web", "") + exec("side", `,"cwd":"/"`)
	_, err := importText(t, text, foreign.Options{})
	if err == nil || !strings.Contains(err.Error(), `it holds 2 containers: choose one with --container, --pod and --namespace: "side" in "n/p", "web" in "n/p"`) {
		t.Errorf("%v", err)
	}
	p := mustImport(t, text, foreign.Options{Container: "side"})
	if len(p.Executables) != 1 || p.Sources[0].Subject.Container != "side" {
		t.Errorf("%+v", p.Executables)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	good := exec("web", "")
	for name, tc := range map[string]struct {
		text, note, err string
		skipped         int64
	}{
		"cut off":       {good + `{"process_exec":{"process":{"bin`, `skipped "events.json", line 2: not JSON`, "", 1},
		"wrong type":    {good + `{"process_exec":{"process":{"binary":7}}}`, `line 2: /process_exec/process/binary: a number does not fit`, "", 1},
		"unknown":       {good + `{"other":1}`, "line 2: it is no event that is known", "", 1},
		"deep":          {good + strings.Repeat(`{"process_exec":`, 20_000), "exceeded max depth", "", 1},
		"null":          {good + `{"process_exec":null}`, "line 2: it is no event that is known", "", 1},
		"nothing":       {`{"other":1}`, "", "none of its 1 records is of this format", 0},
		"empty":         {"", "", "the input is empty", 0},
		"other image":   {strings.Replace(good, `"pid":9`, `"pid":9,"image":{"id":"a@sha256:`+strings.Repeat("2", 64)+`"}`, 1), "the records name sha256:2222", "", 0},
		"NUL in a path": {good + strings.Replace(good, "/bin/a", `/bin/\u0000`, 1), "1 values that a profile cannot hold", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := importText(t, tc.text, foreign.Options{Image: profile.Image{Digest: "sha256:" + strings.Repeat("1", 64)}})
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if err != nil {
				return
			}
			s := p.Sources[0]
			if s.Input.Skipped != tc.skipped || !strings.Contains(strings.Join(s.Notes, "\n"), tc.note) || len(p.Executables) != 1 {
				t.Errorf("%d skipped, notes %q", s.Input.Skipped, s.Notes)
			}
		})
	}
}

// The numbers are counted in the samples by hand.
func TestRealSamples(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "shared", "profiles", "tetragon")
	for name, want := range map[string]string{
		"process_exec-cat.json":                   "1 executables, 0 files, 0 connect, 0 listen; /usr/bin/cat by [/usr/bin/sh]",
		"process_kprobe-write-relative-path.json": "1 executables, 1 files, 0 connect, 0 listen; /usr/bin/vi by [/bin/bash]; /etc/passwd [write]",
		"process_connect-enterprise.json":         "1 executables, 0 files, 1 connect, 0 listen; /usr/bin/curl by [/bin/bash]; 142.250.180.196 80 [/usr/bin/curl]",
		"process_listen-enterprise.json":          "1 executables, 0 files, 0 connect, 1 listen; /usr/local/bin/python by [/bin/sh]; 0.0.0.0 9080 [/usr/local/bin/python]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Skipf("no sample: %v", err)
			}
			p := mustImport(t, string(raw), foreign.Options{})
			got := fmt.Sprintf("%d executables, %d files, %d connect, %d listen", len(p.Executables), len(p.Files), len(p.Network.Connect), len(p.Network.Listen))
			for _, x := range p.Executables {
				got += fmt.Sprintf("; %s by %v", x.Path, x.Parents)
			}
			for _, f := range p.Files {
				got += fmt.Sprintf("; %s %v", f.Path, f.Access)
			}
			for _, c := range p.Network.Connect {
				got += fmt.Sprintf("; %s %d %v", c.Peer.IP, c.Port, c.By)
			}
			for _, l := range p.Network.Listen {
				got += fmt.Sprintf("; %s %d %v", l.Addr, l.Port, l.By)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if p.Sources[0].Subject.Workload.Namespace != "tenant-jobs" || len(p.Images) != 1 {
				t.Errorf("%+v %+v", p.Sources[0].Subject, p.Images)
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
