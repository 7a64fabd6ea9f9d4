package inspektorgadget

import (
	"bytes"
	"context"
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

// exec is a record of an execution in a container, with more members.
func exec(container, more string) string {
	return fmt.Sprintf(`{"timestamp_raw":1772359200100000000,"proc":{"comm":"a","pid":5,"mntns_id":1},"k8s":{"namespace":"n","podName":"p","containerName":%q},"exepath":"/bin/a"%s}`+"\n", container, more)
}

func TestImportPolicies(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("testdata", "policies.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := foreign.Open("policies.yaml", bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if !PolicyFormat().Detect(in.Head()) || Format().Detect(in.Head()) {
		t.Error("the format is not known")
	}
	p, err := ImportPolicies(context.Background(), []*foreign.Input{in}, foreign.Options{Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range p.Network.Connect {
		got = append(got, fmt.Sprintf("%s%d%s%v %v", c.Proto, c.Port, c.Peer.IP, c.Peer.K8s, c.Attribution))
	}
	for _, a := range p.Network.Accept {
		got = append(got, fmt.Sprintf("%s%d%v", a.Proto, a.Port, a.Peer.K8s))
	}
	want := []string{
		"tcp5432192.0.2.5{   map[]} [none]", "udp53{kube-system Pod  map[k8s-app:kube-dns]} [none]",
		"tcp8080{prod Pod  map[app:lb]}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s := p.Sources[0]
	if len(s.Observes) > 0 || s.IsComplete() || s.Subject.Workload.Labels["app"] != "web" {
		t.Errorf("%+v", s)
	}
}

// Files of several gadgets are joined whatever their order.
func TestJoin(t *testing.T) {
	t.Parallel()
	exec := exec("web", `,"args":"a"`)
	tcp := `{"timestamp_raw":1772359200200000000,"type":"connect","proc":{"comm":"a","pid":5,"mntns_id":1},"k8s":{"namespace":"n","podName":"p","containerName":"web"},"dst":{"addr":"192.0.2.1","port":80,"proto":6}}` + "\n"
	early := strings.Replace(strings.Replace(tcp, "1772359200200000000", "1772359200000000000", 1), "192.0.2.1", "192.0.2.2", 1)
	dns := `{"timestamp_raw":1772359200300000000,"proc":{"comm":"a","pid":5,"mntns_id":1},"k8s":{"namespace":"n","podName":"p","containerName":"web"},"name":"x.example.","qtype":"A","qr":"R","addresses":"192.0.2.1"}` + "\n"
	for _, files := range [][]string{{exec, dns, tcp + early}, {tcp + early, exec, dns}, {dns, tcp + early, exec}} {
		var inputs []*foreign.Input
		for i, text := range files {
			in, err := foreign.Open(fmt.Sprint(i), strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			inputs = append(inputs, in)
		}
		p, err := Import(context.Background(), inputs, foreign.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range p.Network.Connect {
			got = append(got, fmt.Sprint(c.Peer.IP, c.By, c.Peer.Names, c.Attribution))
		}
		want := []string{"192.0.2.1[/bin/a] [x.example] [process]", "192.0.2.2[] [] [container]"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if note := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(note, "1 connections are of processes whose execution was not seen") {
			t.Errorf("notes %q", note)
		}
	}
}

func TestTraps(t *testing.T) {
	t.Parallel()
	open := func(more string) string {
		return strings.Replace(exec("web", more), `,"exepath":"/bin/a"`, "", 1)
	}
	for name, tc := range map[string]struct{ text, want, note string }{
		"no paths":      {strings.Replace(exec("web", `,"args":"/bin/x y"`), `"/bin/a"`, `""`, 1), "[/bin/x] [] []", "1 executions without a path: trace_exec has to run with --paths"},
		"runc init":     {exec("web", "") + strings.Replace(exec("web", `,"args":"runc init"`), `"/bin/a"`, `"/usr/bin/runc"`, 1), "[/bin/a] [] []", ""},
		"memfd":         {strings.Replace(exec("web", `,"args":"a"`), `"/bin/a"`, `"memfd:a (deleted)"`, 1), "[/memfd:a::a] [] []", ""},
		"cut fname":     {exec("web", "") + open(`,"fname":"/`+strings.Repeat("x", 254)+`","error_raw":0`), "[/bin/a] [] []", "1 paths that are not whole"},
		"cut fpath":     {exec("web", "") + open(`,"fname":"/a/b","fpath":"/`+strings.Repeat("x", 511)+`","error_raw":0`), "[/bin/a] [/a/b] []", ""},
		"relative":      {exec("web", "") + open(`,"fname":"b","error_raw":0`), "[/bin/a] [] []", "1 relative paths"},
		"with cwd":      {exec("web", "") + open(`,"fname":"b","cwd":"/a","error_raw":2`), "[/bin/a] [] [/a/b]", ""},
		"not permitted": {exec("web", "") + open(`,"fname":"/b","error":"EACCES","error_raw":13`), "[/bin/a] [] []", ""},
		"since boot":    {strings.Replace(exec("web", ""), "1772359200100000000", "750512507929", 1), "[/bin/a] [] []", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustImport(t, tc.text, foreign.Options{})
			var lists [3][]string
			for _, x := range p.Executables {
				lists[0] = append(lists[0], x.Key)
			}
			for _, f := range p.Files {
				lists[1] = append(lists[1], string(f.Path))
			}
			for _, m := range p.Missing {
				lists[2] = append(lists[2], string(m.Path))
			}
			if got := fmt.Sprint(lists[0], lists[1], lists[2]); got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
			if note := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(note, tc.note) {
				t.Errorf("notes %q", note)
			}
		})
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	good := exec("web", "")
	for name, tc := range map[string]struct{ text, note, err string }{
		"cut off":    {good + `{"proc":{"comm`, `skipped "events.json", line 2: not JSON`, ""},
		"wrong type": {good + strings.Replace(good, `"comm":"a"`, `"comm":[1]`, 1), "line 2: /proc/comm: an array does not fit", ""},
		"unknown":    {good + `{"other":1}`, "line 2: it is no record of a gadget that is known", ""},
		"nothing":    {`{"other":1}`, "", "none of its 1 records is of this format"},
		"two":        {good + exec("side", ""), "", "it holds 2 containers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := importText(t, tc.text, foreign.Options{})
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if err == nil && (p.Sources[0].Input.Skipped != 1 || !strings.Contains(strings.Join(p.Sources[0].Notes, "\n"), tc.note)) {
				t.Errorf("notes %q", p.Sources[0].Notes)
			}
		})
	}
}

// The samples are of many machines; the numbers are counted by hand.
func TestRealSamples(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "profiles", "inspektor-gadget", "docs-samples.jsonl"))
	if err != nil {
		t.Skipf("no sample: %v", err)
	}
	for name, tc := range map[string]struct {
		opts foreign.Options
		want string
	}{
		"a file opened":  {foreign.Options{Container: "1b0ba0f6f7f7"}, "0 files, 0 missing, 0 connect, 1 outside, 1 images"},
		"a file missing": {foreign.Options{Container: "determined_kapitsa"}, "0 files, 1 missing, 0 connect, 0 outside, 1 images"},
		"a pod":          {foreign.Options{Pod: "mypod2"}, "0 files, 0 missing, 1 connect, 0 outside, 0 images"},
		"a service":      {foreign.Options{Container: "coredns"}, "0 files, 0 missing, 0 connect, 1 outside, 0 images"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustImport(t, string(raw), tc.opts)
			got := fmt.Sprintf("%d files, %d missing, %d connect, %d outside, %d images", len(p.Files), len(p.Missing), len(p.Network.Connect), len(p.Outside), len(p.Images))
			if got != tc.want || p.Sources[0].Input.Records != 18 {
				t.Errorf("%s of %d records, want %s", got, p.Sources[0].Input.Records, tc.want)
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
