package record_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/livetest"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/record/sandbox"
)

// TestKilledStorm kills a container in which many processes start and end. When
// it is reported as ended, no process of it is left, and the recorder, which
// waits for nothing, has seen all of them end.
func TestKilledStorm(t *testing.T) {
	livetest.Need(t, func() error { return errors.Join(record.Supported(""), record.CanTrace(t.Context())) })
	tree := stormTree(t)
	for _, runtime := range []string{"runc", "crun"} {
		if _, err := sandbox.FindRuntime(runtime); err != nil {
			t.Logf("NOT TESTED with %s: %v", runtime, err)
			continue
		}
		t.Run(runtime, func(t *testing.T) {
			box, err := sandbox.Open(t.Context(), tree, sandbox.BoxOptions{State: filepath.Join(t.TempDir(), "state"), Runtime: runtime})
			if err != nil {
				t.Fatal(err)
			}
			defer box.Close()
			for early := range 3 {
				killStorm(t, box, tree, early*60)
			}
		})
	}
}

func killStorm(t *testing.T, box *sandbox.Box, tree *layers.Tree, early int) {
	t.Helper()
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	var tracer record.Tracer
	c, err := box.Start(t.Context(), store, sandbox.Options{
		Network: sandbox.Network{Mode: sandbox.NetworkNone}, StopSignal: "SIGKILL",
		Created: func(ctx context.Context, pid int) (err error) {
			tracer, err = record.EBPF(ctx, record.TraceOptions{PID: pid, Tree: tree, Name: "storm", Run: "storm", Version: "test"})
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var healthchecks sync.WaitGroup
	for range 2 {
		healthchecks.Add(1)
		go func() {
			defer healthchecks.Done()
			_, _, _ = c.Exec(t.Context(), []string{"/bin/app", "storm"}) // it is killed with the rest
		}()
	}
	for range early { // in the middle of what the runtime does to execute it
		tracer.Progress()
		if _, err := c.Listening(); err != nil {
			break
		}
	}
	if _, err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	p, err := tracer.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	healthchecks.Wait()
	if notes := strings.Join(p.Sources[0].Notes, "; "); strings.Contains(notes, "still ran") || strings.Contains(notes, "too many") || strings.Contains(notes, "refused") {
		t.Errorf("notes: %s", notes)
	}
	if err := store.Remove(); err != nil {
		t.Error(err)
	}
}

// stormTree is an image of internal/workload's program.
func stormTree(t *testing.T) *layers.Tree {
	t.Helper()
	name := filepath.Join(t.TempDir(), "box")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", name, "../internal/workload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the workload: %v: %s", err, out)
	}
	program, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err = w.WriteHeader(&tar.Header{Name: "bin/app", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write(program)
	}
	if err := errors.Join(err, w.WriteHeader(&tar.Header{Name: "bin/nop", Typeflag: tar.TypeSymlink, Linkname: "app"}), w.Close()); err != nil {
		t.Fatal(err)
	}
	probe := livetest.Probe(t)
	var b2 bytes.Buffer
	w = tar.NewWriter(&b2)
	err = w.WriteHeader(&tar.Header{Name: "bin/probe", Mode: 0o755, Size: int64(len(probe)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write(probe)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	img, err := testimage.FromTars([][]byte{b.Bytes(), b2.Bytes()}, v1.Config{Entrypoint: []string{"/bin/probe"}})
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
