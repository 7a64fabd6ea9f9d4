package record_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/livetest"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/record/sandbox"
)

// probeTree is an image with the probe, a user and a volume.
func probeTree(t *testing.T, config v1.Config) *layers.Tree {
	t.Helper()
	livetest.Need(t, func() error { return record.Supported("") })
	program := livetest.Probe(t)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "bin/probe", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write(program)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	base, err := testimage.Tar("dir etc\ndir data\nfile etc/motd = hello\nfile etc/other = there\nlink etc/link -> motd\n")
	if err != nil {
		t.Fatal(err)
	}
	if config.Entrypoint == nil {
		config.Entrypoint = []string{"/bin/probe"}
	}
	img, err := testimage.FromTars([][]byte{base, b.Bytes()}, config)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

// journal is a tracer that writes down what it is told.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) start(_ context.Context, o record.TraceOptions) (record.Tracer, error) {
	j.add("start %s", o.Run)
	return fakeTracer{j, o}, nil
}

type fakeTracer struct {
	j *journal
	o record.TraceOptions
}

func (f fakeTracer) Phase(phase string) error { f.j.add("phase %s", phase); return nil }
func (f fakeTracer) Scenario(name string)     { f.j.add("scenario %s", name) }
func (fakeTracer) Progress() record.Progress  { return record.Progress{} }
func (f fakeTracer) Stop(context.Context) (*profile.Profile, error) {
	f.j.add("stop")
	return &profile.Profile{Metadata: profile.Metadata{Name: f.o.Run}}, nil
}

func options(t *testing.T, tree *layers.Tree, j *journal, tests ...record.Test) record.Options {
	t.Helper()
	return record.Options{
		Tree: tree, Box: sandbox.BoxOptions{State: filepath.Join(t.TempDir(), "state")}, Tests: tests, Trace: j.start,
		Env: os.Environ(), Run: "r",
	}
}

// TestRunScenarios runs tests and start scenarios in their order.
func TestRunScenarios(t *testing.T) {
	t.Parallel()
	tree := probeTree(t, v1.Config{Volumes: map[string]struct{}{"/data": {}}, ExposedPorts: map[string]struct{}{"8080/tcp": {}}})
	j := &journal{}
	var out bytes.Buffer
	o := options(t, tree, j, record.Test{Name: "test", Args: []string{"sh", "-c", `echo "$LATHE_SCENARIO ${LATHE_ADDR%:*} ${LATHE_ADDR_8080:+named}"`}})
	o.Scenarios, o.Output = []string{record.ScenarioRestart, record.ScenarioOwner, record.ScenarioTmpfs}, &out
	result, err := record.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if failed := result.Failed(); len(failed) > 0 {
		t.Fatalf("%+v", failed)
	}
	var want []string
	for _, s := range []string{"test", "restart", "owner", "tmpfs"} {
		want = append(want, "start r/"+s, "scenario "+s, "phase serving", "phase shutdown", "stop")
	}
	if diff := cmp.Diff(want, j.lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := out.String(); got != "test 127.0.0.1 named\n" {
		t.Errorf("the test saw %q", got)
	}
}

// TestRunFailures tells failures of tests, containers and start scenarios apart.
func TestRunFailures(t *testing.T) {
	t.Parallel()
	tree := probeTree(t, v1.Config{})
	for _, tt := range []struct {
		name   string
		change func(*record.Options)
		want   error // of the first outcome
		says   string
		exit   int
	}{
		{"a test", func(o *record.Options) { o.Tests = []record.Test{{Name: "t", Args: []string{"sh", "-c", "exit 7"}}} }, record.ErrTest, "code 7", 7},
		{"no such test", func(o *record.Options) { o.Tests = []record.Test{{Name: "t", Args: []string{"/no/such"}}} }, record.ErrTest, "/no/such", -1},
		{"a server for its own loopback", func(o *record.Options) {
			o.Container.Env = append(o.Container.Env, "LISTEN_ADDR=127.0.0.1")
			o.Tests = []record.Test{{Name: "t", Args: []string{"false"}}}
		}, record.ErrTest, "port 8080 is open on the container's own loopback only", 1},
		{"a container that ends", func(o *record.Options) {
			o.Container.Args = []string{"exit", "3"}
			o.Tests = []record.Test{{Name: "t", Args: []string{"true"}}}
		}, record.ErrDied, "", 0},
		{"killed by the test", func(o *record.Options) {
			o.Tests = []record.Test{{Name: "t", Args: []string{"sh", "-c", "kill -9 $LATHE_PID; while kill -0 $LATHE_PID 2>/dev/null; do :; done"}}}
		}, record.ErrDied, "", 0},
		{"never ready", func(o *record.Options) {
			o.Ready = record.Ready{Command: "false", Timeout: 300_000_000}
		}, record.ErrNotReady, "", 0},
		{"a program that is not there", func(o *record.Options) { o.Container.Entrypoint = []string{"/no/such"} }, nil, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := options(t, tree, &journal{})
			tt.change(&o)
			result, err := record.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			first := result.Runs[0]
			if first.Err == nil || tt.want != nil && !errors.Is(first.Err, tt.want) || first.Exit != tt.exit || result.Profile != nil || !strings.Contains(first.Err.Error(), tt.says) {
				t.Errorf("%v, exit %d, profile %v; want %v, %d and none", first.Err, first.Exit, result.Profile, tt.want, tt.exit)
			}
		})
	}
}

// TestRunBatch runs a program that ends by itself, as jobs do.
func TestRunBatch(t *testing.T) {
	t.Parallel()
	o := options(t, probeTree(t, v1.Config{Cmd: []string{"read", "/etc/motd"}}), &journal{})
	result, err := record.Run(t.Context(), o)
	if err != nil || result.Profile == nil || len(result.Failed()) > 0 {
		t.Fatalf("%v, %+v", err, result)
	}
	if logs := result.Runs[0].Logs; logs != "hello" {
		t.Errorf("it said %q", logs)
	}
}

// TestRunCancelled ends with its context, and leaves nothing.
func TestRunCancelled(t *testing.T) {
	t.Parallel()
	stop := errors.New("stopped by hand")
	ctx, cancel := context.WithCancelCause(t.Context())
	o := options(t, probeTree(t, v1.Config{}), &journal{}, record.Test{Name: "t", Args: []string{"sleep", "60"}})
	o.Notify = func(e record.Event) {
		if e.Kind == record.EventReady {
			cancel(stop)
		}
	}
	if _, err := record.Run(ctx, o); !errors.Is(err, stop) {
		t.Errorf("%v, want the cause", err)
	}
	if list, err := os.ReadDir(o.Box.State); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestRecord records for real, and proves with what it recorded.
func TestRecord(t *testing.T) {
	t.Parallel()
	tree := probeTree(t, v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/bin/probe", "read", "/etc/motd"}}})
	livetest.Need(t, func() error { return record.CanTrace(t.Context()) })
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NOT TESTED: curl is not installed")
	}
	o := options(t, tree, nil, record.Test{Name: "t", Args: []string{
		"sh", "-c",
		`curl -sf "http://$LATHE_ADDR/write?of=/etc/motd" && curl -sf "http://$LATHE_ADDR/read?of=/etc/link" && ! curl -sf "http://$LATHE_ADDR/read?of=/etc/gone"`,
	}})
	o.Trace = record.EBPF
	o.Container.Publish = []sandbox.Publish{mustPublish(t, "8080")}
	result, err := record.Run(t.Context(), o)
	if err != nil || len(result.Failed()) > 0 {
		t.Fatalf("%v, %+v", err, result)
	}
	p := result.Profile
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if !p.Complete() {
		t.Errorf("not complete: %v", p.Sources[0].Notes)
	}
	i := slices.IndexFunc(p.Executables, func(e profile.Executable) bool { return e.Path == "/bin/probe" })
	if i < 0 || !slices.Contains(p.Executables[i].Origin, profile.OriginEntrypoint) || !slices.Contains(p.Executables[i].Origin, profile.OriginProbe) {
		t.Errorf("executables: %+v", p.Executables)
	}
	i = slices.IndexFunc(p.Files, func(f profile.File) bool { return f.Path == "/etc/motd" })
	if i < 0 || !slices.Contains(p.Files[i].Via, "/etc/link") {
		t.Errorf("the link is not seen: %+v", p.Files)
	}
	if len(p.Network.Listen) != 1 || p.Network.Listen[0].Port != 8080 {
		t.Errorf("listening: %+v", p.Network.Listen)
	}
	for _, c := range p.Capabilities { // a container has neither, whatever the runtime and the overlay have
		if (c.Name == "SYS_ADMIN" || c.Name == "DAC_READ_SEARCH") && slices.Contains(c.Result, "granted") {
			t.Errorf("the workload has the capability %s: %+v", c.Name, c)
		}
	}
	gone := func(name string) (record.Fate, bool) {
		return record.Fate{Path: name, Why: "planted"}, name == "/etc/gone"
	}
	found := record.Examine(p, nil, gone)
	if len(found) != 1 || !found[0].Fails || !strings.Contains(found[0].Who(), "/bin/probe") {
		t.Errorf("findings: %+v", found)
	}
}

func mustPublish(t *testing.T, s string) sandbox.Publish {
	t.Helper()
	p, err := sandbox.ParsePublish(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
