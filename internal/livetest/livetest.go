// Package livetest is what the tests share that run containers or record them.
//
// They need root, a runtime and often the recorder's kernel, so that they are not
// among the fast tests: `make test-record` runs them. Where a machine cannot, they
// are skipped aloud, or fail where LATHE_NEED_RECORDER is set.
package livetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Need goes on where this machine can do what a test is about. lacking asks what it
// lacks; with -short it is not asked.
func Need(t testing.TB, lacking func() error) {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT TESTED: running containers is not for -short")
	}
	err := lacking()
	if err == nil {
		return
	}
	if os.Getenv("LATHE_NEED_RECORDER") != "" {
		t.Fatalf("LATHE_NEED_RECORDER is set and this machine cannot do this: %v", err)
	}
	t.Skipf("NOT TESTED: %v", err)
}

// Probe is a static program that serves, opens, executes and connects as it is
// asked, built once a process from record/sandbox/testdata/probe.
func Probe(t testing.TB) []byte {
	t.Helper()
	program, err := probe()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var probe = sync.OnceValues(func() ([]byte, error) { //nolint:gochecknoglobals // built once
	dir, err := os.MkdirTemp("", "lathe-probe-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	name := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", name, "github.com/lathe-build/lathe/record/sandbox/testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the probe: %w: %s", err, out)
	}
	return os.ReadFile(name)
})
