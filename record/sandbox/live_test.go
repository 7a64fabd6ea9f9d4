//go:build linux

package sandbox_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/record/sandbox"
)

// runtimes are those that are installed. Without one, or without root, nothing
// here can run, and the test says so.
func runtimes(t *testing.T) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: running containers needs root")
	}
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
	if len(list) == 0 {
		t.Skip("NOT TESTED: neither runc nor crun is installed")
	}
	return list
}

// probeProgram builds testdata/probe, once.
var probeProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "lathe-probe-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", name, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the probe: %w: %s", err, out)
	}
	return os.ReadFile(name)
})

// openBox opens an image with the probe, its own users and a volume.
func openBox(t *testing.T, runtime string, text string, change func(*v1.Config)) *sandbox.Box {
	t.Helper()
	program, err := probeProgram()
	if err != nil {
		t.Fatal(err)
	}
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

// greeter is a server on the host that says hello.
func greeter(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(conn, bytes.NewReader([]byte("hello from the host")))
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for _, runtime := range runtimes(t) {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			box := openBox(t, runtime, webFiles, func(c *v1.Config) { c.User = "web" })
			host := greeter(t)
			link, err := sandbox.ParseLink("db=" + host)
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(host)
			created := 0
			c := start(t, box, sandbox.Options{
				Env: []string{"COLOUR=red", "MORE=1"}, Links: []sandbox.Link{link}, Hostname: "thebox",
				Created: func(_ context.Context, pid int) error { created = pid; return nil },
			})
			if created != c.PID() || created == 0 {
				t.Errorf("the hook got process %d, the container is %d", created, c.PID())
			}
			for _, tt := range []struct{ what, of, want string }{
				{"env", "COLOUR", "red"},
				{"env", "MORE", "1"},
				{"env", "HOME", "/home/web"},
				{"id", "", "1000 1001"},
				{"owner", "/data", "7 drwxr-x---"},
				{"read", "/etc/hostname", "thebox\n"},
				{"dial", "db:" + port, "hello from the host"},
			} {
				if got := ask(t, c, tt.what, tt.of); got != tt.want {
					t.Errorf("%s of %s: %q, want %q", tt.what, tt.of, got, tt.want)
				}
			}
			address := c.Ports()[0].Host.String()
			for _, tt := range []struct{ what, of, want string }{
				{"read", "/data/seed", "permission denied"},
				{"unshare", "", "operation not permitted"},
				{"dial", "10.0.2.2:" + port, "connection refused"},  // the gateway is not the host
				{"dial", "10.0.2.32:1", "connection refused"},       // another port of the link
				{"dial", "127.0.0.1:" + port, "connection refused"}, // the container's own loopback
				{"write", "/proc/sys/kernel/hostname", "read-only file system"},
			} {
				_, err := fetch(address, tt.what, tt.of)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s of %s: %v, want %q", tt.what, tt.of, err, tt.want)
				}
			}
			status := ask(t, c, "read", "/proc/self/status")
			for _, want := range []string{"NoNewPrivs:\t0", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t00000000a80425fb", "Groups:\t1002"} {
				if !strings.Contains(status, want) {
					t.Errorf("no %q in %s", want, status)
				}
			}
			code, out, err := c.Exec(t.Context(), []string{"/bin/probe", "read", "/etc/group"})
			if err != nil || code != 0 || !strings.Contains(out, "extra:x:1002") {
				t.Errorf("exec: %d %q %v", code, out, err)
			}
			if code, _, err := c.Exec(t.Context(), []string{"/bin/probe", "exit", "7"}); err != nil || code != 7 {
				t.Errorf("exec: %d %v, want 7", code, err)
			}
			killed, err := c.Stop(t.Context())
			if err != nil || killed || c.ExitCode() != 0 || !strings.Contains(c.Logs(), "stopped as asked") {
				t.Errorf("stop: killed %v, exit %d, %v: %s", killed, c.ExitCode(), err, c.Logs())
			}
		})
	}
}

func TestStubborn(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, nil)
	c := start(t, box, sandbox.Options{Args: []string{"stubborn"}, Grace: 50 * time.Millisecond})
	killed, err := c.Stop(t.Context())
	if err != nil || !killed || c.ExitCode() != 137 {
		t.Errorf("killed %v, exit %d, %v; want a kill and 137", killed, c.ExitCode(), err)
	}
}

func TestStopSignal(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, func(c *v1.Config) { c.StopSignal = "SIGQUIT" })
	c := start(t, box, sandbox.Options{})
	if killed, err := c.Stop(t.Context()); err != nil || killed || !strings.Contains(c.Logs(), "stopped as asked") {
		t.Errorf("killed %v, %v: %s", killed, err, c.Logs())
	}
}

// TestStores starts on what an earlier start left.
func TestStores(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, nil)
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	stop := func(c *sandbox.Container) {
		t.Helper()
		if _, err := c.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c := startOn(t, box, store, sandbox.Options{})
	ask(t, c, "write", "/data/kept")
	ask(t, c, "write", "/etc/over")
	stop(c)
	c = startOn(t, box, store, sandbox.Options{})
	if got := ask(t, c, "read", "/data/kept") + ask(t, c, "read", "/etc/over"); got != "writtenwritten" {
		t.Errorf("after a restart: %q", got)
	}
	stop(c)
	if err := store.Renew(); err != nil {
		t.Fatal(err)
	}
	c = startOn(t, box, store, sandbox.Options{Mounts: []sandbox.Mount{{Type: sandbox.MountTmpfs, Target: "/run"}}})
	if got := ask(t, c, "read", "/data/kept"); got != "written" {
		t.Errorf("the volume did not stay: %q", got)
	}
	if _, err := fetch(c.Ports()[0].Host.String(), "read", "/etc/over"); err == nil {
		t.Error("what was written over the image is still there")
	}
	if got := ask(t, c, "owner", "/run"); got != "0 dtrwxrwxrwx" {
		t.Errorf("the tmpfs is %q", got)
	}
	stop(c)
	c = start(t, box, sandbox.Options{VolumeOwner: 4321})
	if got := ask(t, c, "owner", "/data") + ask(t, c, "owner", "/data/seed"); got != "4321 drwxr-x---4321 -rw-r--r--" {
		t.Errorf("volumes given away: %q", got)
	}
	c = start(t, box, sandbox.Options{})
	if _, err := fetch(c.Ports()[0].Host.String(), "read", "/data/kept"); err == nil {
		t.Error("a new store has the volume of another")
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, nil)
	host := greeter(t)
	link, err := sandbox.ParseLink("db=" + host)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(host)
	outside := hostAddress(t)
	c := start(t, box, sandbox.Options{Network: sandbox.Network{Mode: sandbox.NetworkNone}, Links: []sandbox.Link{link}})
	if got := ask(t, c, "dial", "db:"+port); got != "hello from the host" {
		t.Errorf("the link without a network: %q", got)
	}
	if _, err := fetch(c.Ports()[0].Host.String(), "dial", outside); err == nil {
		t.Error("without a network the host is reached")
	}
	nat := start(t, box, sandbox.Options{})
	if got := ask(t, nat, "dial", outside); got != "hello from the host" {
		t.Errorf("outbound: %q", got)
	}
	joined := sandbox.Network{Mode: sandbox.NetworkJoined, Path: fmt.Sprintf("/proc/%d/ns/net", c.PID())}
	o := sandbox.Options{Network: joined, Entrypoint: []string{"/bin/probe", "read", "/proc/net/route"}, Publish: []sandbox.Publish{}}
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	second, err := box.Start(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	<-second.Ended()
	if _, err := second.Stop(t.Context()); err != nil || !strings.Contains(second.Logs(), "eth0") {
		t.Errorf("in the other's network: %v %q", err, second.Logs())
	}
}

// hostAddress serves hello on an address of the host that is not its loopback.
func hostAddress(t *testing.T) string {
	t.Helper()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(n.IP.String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("hello from the host"))
				_ = conn.Close()
			}
		}()
		return l.Addr().String()
	}
	t.Skip("NOT TESTED: this host has no address but the loopback")
	return ""
}

// TestFailures checks that a start that fails leaves nothing.
func TestFailures(t *testing.T) {
	t.Parallel()
	box := openBox(t, runtimes(t)[0], webFiles, nil)
	refused := errors.New("not today")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		o    sandbox.Options
		want string
	}{
		{"program", t.Context(), sandbox.Options{Entrypoint: []string{"/nothing"}}, "/nothing"},
		{"user", t.Context(), sandbox.Options{User: "nobody-here"}, `no user "nobody-here"`},
		{"hook", t.Context(), sandbox.Options{Created: func(context.Context, int) error { return refused }}, "not today"},
		{"mount", t.Context(), sandbox.Options{Mounts: []sandbox.Mount{{Type: sandbox.MountBind, Source: "/no/such", Target: "/x"}}}, "/no/such"},
		{"cancelled", cancelled, sandbox.Options{}, "context canceled"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store, err := box.NewStore()
			if err != nil {
				t.Fatal(err)
			}
			c, err := box.Start(tt.ctx, store, tt.o)
			if err == nil {
				// An entrypoint that is missing shows when the runtime starts it, or when it ended.
				<-c.Ended()
				_, err = c.Stop(t.Context())
				t.Fatalf("it started: exit %d, %v, %s", c.ExitCode(), err, c.Logs())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if err := store.Remove(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLeftovers kills a process that runs a container; the next one cleans up.
func TestLeftovers(t *testing.T) {
	if state := os.Getenv("LATHE_TEST_LEFTOVERS"); state != "" {
		leaveOver(t, state)
		return
	}
	t.Parallel()
	runtimes(t)
	state := stateDir(t)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLeftovers$", "-test.v")
	child.Env = append(os.Environ(), "LATHE_TEST_LEFTOVERS="+state, "TMPDIR="+t.TempDir())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var pid int
	var dir string
	for pid == 0 && lines.Scan() {
		_, _ = fmt.Sscanf(lines.Text(), "running %d in %s", &pid, &dir)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if pid == 0 {
		t.Fatal("the child ran nothing")
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
		t.Fatalf("the container ended with its parent: this test tests nothing: %v", err)
	}
	program, err := probeProgram()
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.FromTars([][]byte{fileTar(t, "bin/probe", program)}, v1.Config{Entrypoint: []string{"/bin/probe"}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	box, err := sandbox.Open(t.Context(), tree, sandbox.BoxOptions{State: state})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the container to be gone", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		return err != nil || strings.Contains(string(status), "State:\tZ")
	})
	if err := box.Close(); err != nil {
		t.Error(err)
	}
	for _, where := range []string{state, dir} {
		if list, err := os.ReadDir(where); err != nil || len(list) > 0 {
			t.Errorf("left in %s: %v, %v", where, list, err)
		}
	}
}

func leaveOver(t *testing.T, state string) {
	program, err := probeProgram()
	if err != nil {
		t.Fatal(err)
	}
	img, err := testimage.FromTars([][]byte{fileTar(t, "bin/probe", program)}, v1.Config{Entrypoint: []string{"/bin/probe"}})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	boxes := t.TempDir()
	box, err := sandbox.Open(t.Context(), tree, sandbox.BoxOptions{State: state, Dir: boxes})
	if err != nil {
		t.Fatal(err)
	}
	store, err := box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	c, err := box.Start(t.Context(), store, sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("running %d in %s\n", c.PID(), boxes)
	select {} // until killed
}
