//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/record/sandbox"
)

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
