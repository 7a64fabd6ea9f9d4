package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
)

// runAttach records what runs already.
func runAttach(ctx context.Context, env *environment, g *global, o recordOptions, line []string) error {
	if err := checkFree(o.output, o.force); err != nil {
		return err
	}
	if err := record.CanTrace(ctx); err != nil {
		return unsupportedError{err}
	}
	t := record.TraceOptions{PID: o.pid, Cgroup: o.cgroup, Argv: o.run.argv, Name: o.name, Version: version(), Run: "attached"}
	if o.container != "" {
		found, err := record.FindContainer(ctx, o.container)
		if err != nil {
			return err
		}
		t.PID = found.PID
		t.Subject = profile.Subject{ContainerID: found.ID, Container: o.container}
		t.Image = found.Image
	}
	show := newRunProgress(env)
	a := record.AttachOptions{Trace: t, Start: record.EBPF, For: o.length, Notify: show.event}
	if t.PID != 0 {
		a.Ended = func() bool { return gone(t.PID) }
	}
	if len(line) > 0 {
		a.Test = func(ctx context.Context) error { return runTest(ctx, env, line, t.PID) }
	}
	if len(line) == 0 && o.length == 0 {
		env.note("recording until Ctrl-C")
	}
	p, err := record.Attach(ctx, a)
	show.clear()
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return writeProfile(env, g, o, p)
}

// runTest runs a test beside a container that is not ours.
func runTest(ctx context.Context, env *environment, line []string, pid int) error {
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), record.Environment("attached", pid, nil)...)
	cmd.Stdout, cmd.Stderr = env.stderr, env.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s: %w", record.ErrTest, line[0], err)
	}
	return nil
}

// gone tells whether there is no process with this number.
func gone(pid int) bool {
	p, err := os.FindProcess(pid)
	return err != nil || errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
