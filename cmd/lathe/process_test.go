package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/sign"
)

// workspace is a directory with an image in web/, a profile of it and a key pair.
type workspace struct {
	t     *testing.T
	dir   string
	image v1.Image
}

func newWorkspace(t *testing.T) workspace {
	t.Helper()
	w := workspace{t: t, dir: t.TempDir()}
	text, err := os.ReadFile("testdata/fixture/web.image")
	w.check(err)
	blob := strings.Builder{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1 << 15 {
		fmt.Fprintf(&blob, "%016x", rng.Uint64())
	}
	body := string(text) + "\nelf usr/bin/unused type=exec\nfile srv/blob = " + blob.String()
	w.image, err = testimage.Image(body, v1.Config{Entrypoint: []string{"/usr/local/bin/start"}})
	w.check(err)
	path, err := layout.Write(w.path("web"), empty.Index)
	w.check(err)
	w.check(path.AppendImage(w.image))
	digest, err := w.image.Digest()
	w.check(err)
	profile, err := os.ReadFile("testdata/fixture/web.profile.yaml")
	w.check(err)
	w.write("profile.yaml", []byte(strings.ReplaceAll(string(profile), "$DIGEST", digest.String())))
	private, public, err := sign.GenerateKeyPair([]byte(testPassword))
	w.check(err)
	w.write("cosign.key", private)
	w.write("cosign.pub", public)
	w.check(os.Mkdir(w.path("tmp"), 0o700))
	return w
}

func (w workspace) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w workspace) path(name string) string { return filepath.Join(w.dir, name) }

func (w workspace) write(name string, data []byte) { w.check(os.WriteFile(w.path(name), data, 0o600)) }

// lathe is a process that was not started yet.
func (w workspace) lathe(ctx context.Context, args ...string) (*exec.Cmd, *strings.Builder) {
	cmd := exec.CommandContext(ctx, "lathe", args...)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "COSIGN_PASSWORD="+testPassword, "TMPDIR="+w.path("tmp"), "HOME="+w.dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	return cmd, &stderr
}

// rounds is how often something random is tried: less with -short.
func rounds(thorough, short int) int {
	if testing.Short() {
		return short
	}
	return thorough
}

// ok runs lathe, which must succeed.
func (w workspace) ok(args ...string) {
	w.t.Helper()
	cmd, stderr := w.lathe(w.t.Context(), args...)
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("lathe %s: %v: %s", strings.Join(args, " "), err, stderr)
	}
}

// run gives the exit code and stderr.
func (w workspace) run(args ...string) (int, string) {
	w.t.Helper()
	cmd, stderr := w.lathe(w.t.Context(), args...)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

// TestSignals stops a run that reads from a registry that hangs, and one that
// pushes to one: the exit code says by which signal, nothing stays.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		hang   func(*http.Request) bool
		args   []string
		code   int
	}{
		{"interrupt while reading", syscall.SIGINT, reading, []string{"harden", "REGISTRY/web:1", "-o", "out"}, 130},
		{"terminate while reading", syscall.SIGTERM, reading, []string{"harden", "REGISTRY/web:1", "-o", "out"}, 143},
		{"interrupt while pushing", syscall.SIGINT, signing, []string{"harden", "oci:web", "-o", "out", "--push", "REGISTRY/web:hard"}, 130},
		{"terminate while pushing", syscall.SIGTERM, signing, []string{"harden", "oci:web", "--push", "REGISTRY/web:hard"}, 143},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t)
			host, reached := hangingRegistry(w, tt.hang)
			args := strings.Split(strings.ReplaceAll(strings.Join(tt.args, "\n"), "REGISTRY", host), "\n")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd, stderr := w.lathe(ctx, append(args, "-p", "profile.yaml", "--key", "cosign.key")...)
			w.check(cmd.Start())
			select {
			case <-reached:
			case <-ctx.Done():
				t.Fatalf("it never got there: %s", stderr)
			}
			if list, err := filepath.Glob(w.path(".*.lathe-*")); err != nil || len(list) == 0 {
				t.Errorf("nothing was being built: %v, %v", list, err)
			}
			sent := time.Now()
			w.check(cmd.Process.Signal(tt.signal))
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != tt.code {
				t.Errorf("it ended with %v, want exit code %d: %s", err, tt.code, stderr)
			}
			if took := time.Since(sent); took > 10*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			if err := oneComplaint(stderr.String()); err != nil || !strings.Contains(stderr.String(), "stopped by") {
				t.Errorf("stderr %q: %v", stderr, err)
			}
			if exists(w.path("out")) || exists(w.path("web.lathe")) {
				t.Error("there is an output")
			}
			w.check(noLeftovers(w.dir, w.path("tmp")))
		})
	}
}

func reading(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/")
}

func signing(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".sig")
}

// hangingRegistry holds the image as web:1 and hangs on some requests; the
// channel is closed when the first is there.
func hangingRegistry(w workspace, hang func(*http.Request) bool) (host string, reached <-chan struct{}) {
	w.t.Helper()
	inner := faultlessRegistry()
	ready, done := make(chan struct{}), make(chan struct{})
	armed := false
	var once sync.Once
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if armed && hang(r) {
			once.Do(func() { close(ready) })
			select {
			case <-r.Context().Done():
			case <-done:
			}
			return
		}
		inner.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(func() {
		close(done)
		srv.Close()
	})
	host = strings.TrimPrefix(srv.URL, "http://")
	ref, err := name.ParseReference(host + "/web:1")
	w.check(err)
	w.check(remote.Write(ref, w.image))
	armed = true
	return host, ready
}

// TestKill kills runs at random moments: the output is never there by half, and
// the next run ends well and clears up.
func TestKill(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	args := []string{"harden", "oci:web", "-p", "profile.yaml", "--key", "cosign.key", "-o", "out", "--force"}
	started := time.Now()
	w.ok(args...)
	whole := time.Since(started)
	w.check(os.RemoveAll(w.path("out")))
	kills := rounds(50, 6)
	rng := rand.New(rand.NewPCG(20, 26))
	killed := 0
	for i := range kills {
		replacing := i >= kills/2
		if replacing && !exists(w.path("out")) {
			w.ok(args...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rng.Int64N(int64(whole))))
		cmd, _ := w.lathe(ctx, args...)
		err := cmd.Run()
		cancel()
		if err != nil {
			killed++
		}
		switch {
		case exists(w.path("out")):
			w.ok("verify", "out", "--key", "cosign.pub")
		case replacing:
			t.Fatal("the output that was there is gone")
		case err == nil:
			t.Fatal("a run that ended well left no output")
		}
		if !replacing {
			w.check(os.RemoveAll(w.path("out")))
		}
	}
	if killed == 0 {
		t.Fatal("no run was killed")
	}
	t.Logf("%d of %d runs were killed", killed, kills)
	w.ok(args...)
	w.ok("verify", "out", "--key", "cosign.pub")
	list, err := filepath.Glob(w.path(".*.lathe-*"))
	w.check(err)
	if len(list) > 0 {
		t.Errorf("the next run left %v", list)
	}
}

func faultlessRegistry() http.Handler {
	return registry.New(registry.Logger(quietLog()), registry.WithReferrersSupport(true))
}
