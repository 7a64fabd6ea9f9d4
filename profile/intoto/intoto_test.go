package intoto

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

func sample() *profile.Profile {
	s := profile.Source{
		Kind: profile.KindObserved, Run: "ci-1", Recorder: profile.Recorder{Name: "strace"}, Complete: true, Vouched: true,
		Window: profile.Window{Start: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)},
	}
	s.ID = profile.SourceID(s)
	seen := profile.Seen{s.ID: {N: 2}}
	return &profile.Profile{
		Images:      []profile.Image{{Digest: "sha256:" + strings.Repeat("a", 64), Refs: []string{"example.com/web:1"}}},
		Sources:     []profile.Source{s},
		Executables: []profile.Executable{{Path: "/web", Seen: seen}, {Path: "/bin/busybox", As: "<sh>", Seen: seen}},
		Files:       []profile.File{{Path: "/latin1/\xe9", Seen: []string{s.ID}}, {Path: "/page", Seen: []string{s.ID}}},
		Network: profile.Network{Connect: []profile.Connect{
			{Proto: "tcp", Port: 443, Peer: profile.Peer{IP: "192.0.2.1", Names: []string{"api.example.com"}}, By: []string{"/web"}, Seen: seen},
			{Proto: "unix", Peer: profile.Peer{Path: "/run/x"}, Seen: seen},
		}},
	}
}

func importText(data []byte) (*profile.Profile, error) {
	in, err := foreign.Open("statement.json", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return read(context.Background(), []*foreign.Input{in}, foreign.Options{})
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	data, err := Export(sample())
	if err != nil {
		t.Fatal(err)
	}
	if !detect(data) || !detect(data[:len(data)/2]) {
		t.Error("it is not known by its beginning")
	}
	got, err := importText(data)
	if err != nil {
		t.Fatal(err)
	}
	want, err := sample().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := got.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(raw)); diff != "" {
		t.Error(diff)
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	data, err := Export(sample())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Export(sample())
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("exporting again gives other bytes: %v", err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	held, ok := got["predicate"].(map[string]any)
	if !ok {
		t.Fatal("there is no predicate")
	}
	delete(held, "latheProfile")
	raw, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"_type": "https://in-toto.io/Statement/v1"`, `"predicateType": "https://in-toto.io/attestation/runtime-trace/v0.2"`,
		`"sha256": "` + strings.Repeat("a", 64) + `"`, `"name": "example.com/web:1"`, `"processBinary": "/web"`,
		`"hostname": "api.example.com"`, `"ip": "192.0.2.1"`, `"port": 443`, `"name": "/page"`, `"name": "/latin1/` + "\ufffd" + `"`,
		`"event": "ci-1"`, `"buildStartedOn": "2026-11-21T08:00:00Z"`, `"buildFinishedOn": "2026-11-21T09:00:00Z"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in\n%s", want, raw)
		}
	}
	if strings.Contains(string(raw), "/run/x") {
		t.Error("a unix socket is among the connections")
	}
	if _, err := Export(&profile.Profile{}); !errors.Is(err, ErrNoSubject) {
		t.Errorf("without an image: %v", err)
	}
}

// TestSpecification looks at what statements and the predicate ask for: the fields
// that are required, and the forms of those that are not.
func TestSpecification(t *testing.T) {
	t.Parallel()
	declared := sample()
	declared.Sources[0] = profile.Source{Kind: profile.KindDeclared}
	declared.Sources[0].ID = profile.SourceID(declared.Sources[0])
	declared.Executables, declared.Files, declared.Network = nil, nil, profile.Network{}
	empty := &profile.Profile{Images: sample().Images}
	ranges := sample()
	ranges.Network.Connect = []profile.Connect{
		{Proto: "tcp", Port: 443, Peer: profile.Peer{IP: "10.0.0.0/8"}},
		{Proto: "tcp", Port: 443, Peer: profile.Peer{IP: "10.0.0.0/8", Names: []string{"db.example"}}},
		{Proto: "icmp", Peer: profile.Peer{IP: "2001:db8::1"}},
		{Proto: "udp", Port: 53, Peer: profile.Peer{K8s: profile.K8s{Namespace: "kube-system"}}},
	}
	for name, p := range map[string]*profile.Profile{"whole": sample(), "declared only": declared, "empty": empty, "ranges": ranges} {
		data, err := Export(p)
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			Type          string `json:"_type"`
			PredicateType string `json:"predicateType"`
			Subject       []struct{ Digest map[string]string }
			Predicate     struct {
				Monitor          struct{ Type string }
				MonitoredProcess struct{ HostID, Type, Event string }
				MonitorLog       map[string]json.RawMessage
				Metadata         *struct{ BuildStartedOn, BuildFinishedOn *time.Time }
			}
		}
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for what, uri := range map[string]string{
			"_type": s.Type, "predicateType": s.PredicateType, "monitor.type": s.Predicate.Monitor.Type,
			"hostID": s.Predicate.MonitoredProcess.HostID, "monitoredProcess.type": s.Predicate.MonitoredProcess.Type,
		} {
			if u, err := url.Parse(uri); err != nil || !u.IsAbs() {
				t.Errorf("%s: %s is %q, which is no URI", name, what, uri)
			}
		}
		if s.Predicate.MonitoredProcess.Event == "" {
			t.Errorf("%s: nothing names the event", name)
		}
		for _, x := range s.Subject {
			if len(x.Digest["sha256"]) != 64 {
				t.Errorf("%s: subject %v", name, x)
			}
		}
		checkLog(t, name, s.Predicate.MonitorLog)
	}
}

func checkLog(t *testing.T, name string, log map[string]json.RawMessage) {
	t.Helper()
	if log["process"] == nil && log["network"] == nil && log["fileAccess"] == nil {
		t.Errorf("%s: the log is empty", name)
	}
	var peers []struct {
		IP, Hostname, Protocol string
		Port                   *int
		InvokingProcess        map[string]any
	}
	var files []struct{ Name, URI string }
	var processes []map[string]any
	for key, into := range map[string]any{"network": &peers, "fileAccess": &files, "process": &processes} {
		if log[key] == nil {
			continue
		}
		if err := json.Unmarshal(log[key], into); err != nil {
			t.Errorf("%s: %s: %v", name, key, err)
		}
	}
	for _, x := range peers {
		_, err := netip.ParseAddr(x.IP)
		if x.IP == "" && x.Hostname == "" || x.IP != "" && err != nil || x.Port != nil && (*x.Port < 1 || *x.Port > 65535) ||
			x.Port != nil && x.Protocol == "" || x.Protocol != strings.ToLower(x.Protocol) {
			t.Errorf("%s: peer %+v", name, x)
		}
	}
	for _, x := range files {
		if x.Name == "" && x.URI == "" {
			t.Errorf("%s: a file without a name", name)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	good, err := Export(sample())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"another predicate": {strings.Replace(string(good), "runtime-trace/v0.2", "runtime-trace/v0.1", 1), "no statement of"},
		"another subject":   {strings.Replace(string(good), strings.Repeat("a", 64), strings.Repeat("b", 64), 1), "no subject of the statement"},
		"no profile":        {strings.Replace(string(good), "latheProfile", "otherProfile", 1), "holds no profile of lathe's"},
		"a damaged profile": {strings.Replace(string(good), `"kind":"RuntimeProfile"`, `"kind":"Other"`, 1), "Other"},
		"a wrong type":      {`{"_type": 7}`, `"statement.json", line 1: /_type: a number does not fit`},
	} {
		if _, err := importText([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	good, err := Export(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := importText(data)
		if err != nil || len(p.Images) == 0 || p.Images[0].Digest == "" {
			return
		}
		out, err := Export(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := importText(out); err != nil {
			t.Fatalf("what was exported cannot be imported: %v", err)
		}
	})
}
