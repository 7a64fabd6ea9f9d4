//go:build linux

package sandbox_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/livetest"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/record/sandbox"
)

// runtimes are those that are installed. Without one, or without root, nothing
// here can run, and the test says so.
func runtimes(t *testing.T) []string {
	t.Helper()
	livetest.Need(t, func() error {
		if os.Geteuid() != 0 {
			return errors.New("running containers needs root")
		}
		return nil
	})
	var list []string
	for _, name := range []string{"runc", "crun"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("NOT TESTED with %s: it is not installed", name)
			continue
		}
		if _, err := sandbox.FindRuntime(name); err != nil {
			t.Logf("NOT TESTED with %s: %v", name, err)
			continue
		}
		list = append(list, name)
	}
	livetest.Need(t, func() error {
		if len(list) == 0 {
			return errors.New("neither runc nor crun is installed")
		}
		return nil
	})
	return list
}

// openBox opens an image with the probe, its own users and a volume.
func openBox(t *testing.T, runtime string, text string, change func(*v1.Config)) *sandbox.Box {
	t.Helper()
	program := livetest.Probe(t)
	config := v1.Config{
		Entrypoint: []string{"/bin/probe"}, Cmd: []string{"serve"}, Env: []string{"COLOUR=blue"},
		Volumes: map[string]struct{}{"/data": {}},
	}
	if change != nil {
		change(&config)
	}
	base, err := testimage.Tar(text)
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.FromTars([][]byte{base, fileTar(t, "bin/probe", program)}, config)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	box, err := sandbox.Open(t.Context(), tree, sandbox.BoxOptions{Runtime: runtime, State: stateDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	return box
}

func stateDir(t *testing.T) string { return filepath.Join(t.TempDir(), "state") }

const webFiles = `
dir bin
dir etc
dir data mode=750 uid=7
file data/seed uid=7 = seeded
file etc/passwd = root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n
file etc/group = web:x:1001:\nextra:x:1002:web\n
`

// fileTar is an archive with one program.
func fileTar(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = w.Write(content)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// start starts a box on a new store and waits for its port.
func start(t *testing.T, box *sandbox.Box, o sandbox.Options) *sandbox.Container {
	t.Helper()
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, box, store, o)
}

func startOn(t *testing.T, box *sandbox.Box, store *sandbox.Store, o sandbox.Options) *sandbox.Container {
	t.Helper()
	if o.Publish == nil && o.Network.Mode != sandbox.NetworkHost {
		p, err := sandbox.ParsePublish("8080")
		if err != nil {
			t.Fatal(err)
		}
		o.Publish = []sandbox.Publish{p}
	}
	c, err := box.Start(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := c.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, "the port to open", func() bool {
		ports, err := c.Listening()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Ended():
			t.Fatalf("the container ended with %d: %s", c.ExitCode(), c.Logs())
		default:
		}
		return slices.Contains(ports, 8080)
	})
	return c
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("waited too long for %s", what)
		case <-tick.C:
		}
	}
}

// ask fetches what the probe says of something.
func ask(t *testing.T, c *sandbox.Container, what, of string) string {
	t.Helper()
	text, err := fetch(c.Ports()[0].Host.String(), what, of)
	if err != nil {
		t.Fatalf("%s of %s: %v; %s", what, of, err, c.Logs())
	}
	return text
}

func fetch(address, what, of string) (string, error) {
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Get("http://" + address + "/" + what + "?of=" + url.QueryEscape(of))
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(body)))
	}
	return string(body), err
}
