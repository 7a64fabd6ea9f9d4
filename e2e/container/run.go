//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Container is a running bundle.
type Container struct {
	pid       int    // a process in the container's network namespace
	published string // address on the host, where the namespace is the engine's
	stop      func(context.Context) error
	output    func() string
}

// Runtime returns the runtime of the host that [Start] uses, "" when it has
// none.
func Runtime() string {
	for _, name := range []string{"runc", "crun"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	return ""
}

// Start runs the bundle under runc or crun. The name must not be in use.
func Start(ctx context.Context, b *Bundle, name string) (*Container, error) {
	runtime := Runtime()
	if runtime == "" {
		return nil, errors.New("starting a container: neither runc nor crun is installed")
	}
	outputFile := filepath.Join(b.Dir, "output")
	output, err := os.Create(outputFile)
	if err != nil {
		return nil, fmt.Errorf("starting a container: %w", err)
	}
	defer output.Close() //nolint:errcheck // the runtime has its own descriptor
	read := func() string {
		data, err := os.ReadFile(outputFile)
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	pidFile := filepath.Join(b.Dir, "pid")
	cmd := exec.CommandContext(ctx, runtime, "run", "--detach", "--bundle", b.Dir, "--pid-file", pidFile, name)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("starting the container %s: %w\n%s", name, err, read())
	}
	c := &Container{output: read, stop: func(ctx context.Context) error {
		return stopRuntime(ctx, runtime, name, b.Stop)
	}}
	text, err := os.ReadFile(pidFile)
	if err == nil {
		c.pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the container %s: %w", name, err), c.Stop(ctx))
	}
	return c, nil
}

// stopRuntime asks the container to stop and removes it.
func stopRuntime(ctx context.Context, runtime, name, signal string) error {
	asked := tool(ctx, runtime, "kill", name, signal)
	ended := poll(ctx, time.Minute, func() bool {
		state, err := exec.CommandContext(ctx, runtime, "state", name).Output()
		return err != nil || strings.Contains(string(state), `"stopped"`)
	})
	if ended != nil {
		ended = fmt.Errorf("stopping the container %s with %s: %w", name, signal, ended)
	}
	return errors.Join(asked, ended, tool(ctx, runtime, "delete", "--force", name))
}

// Stop stops the container with its stop signal and waits for its end.
func (c *Container) Stop(ctx context.Context) error { return c.stop(ctx) }

// Output returns what the container wrote to stdout and stderr so far.
func (c *Container) Output() string { return c.output() }

// poll calls done every few milliseconds until it returns true.
func poll(ctx context.Context, limit time.Duration, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting %s: %w", limit, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// alive tells whether a process exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
