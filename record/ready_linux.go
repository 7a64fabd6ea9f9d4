package record

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"time"

	"github.com/lathe-build/lathe/record/sandbox"
)

// healthEvery is the shortest time between two healthchecks while a container
// starts: docker's own start interval is longer, and nobody likes to wait.
const healthEvery = 200 * time.Millisecond

// probes are the command lines of the image's healthcheck.
func (r *recording) probes() [][]string {
	if line := healthcheck(r.o.Tree.Config().Config.Healthcheck, r.o.Tree.Config().Config.Shell); line != nil {
		return [][]string{line}
	}
	return nil
}

// waitReady waits until the container serves. A container that may end by
// itself and does so with 0 is done.
func (r *recording) waitReady(ctx context.Context, c *sandbox.Container, mayEnd bool) (done bool, err error) {
	timed, cancel := context.WithTimeout(ctx, r.o.Ready.Timeout)
	defer cancel()
	check, every := r.check(c)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := check(timed)
		if ok && err == nil {
			return false, nil
		}
		if err != nil && timed.Err() == nil {
			return false, err
		}
		select {
		case <-c.Ended():
			if mayEnd && c.ExitCode() == 0 {
				return true, nil
			}
			return false, fmt.Errorf("%w with code %d before it was ready", ErrDied, c.ExitCode())
		case <-timed.Done():
			if ctx.Err() != nil {
				return false, context.Cause(ctx)
			}
			return false, fmt.Errorf("%w (%s): --ready says how to see it, --ready-timeout how long to wait", ErrNotReady, r.o.Ready.Timeout)
		case <-tick.C:
		}
	}
}

// check is how to see that the container is ready, and how often to look.
func (r *recording) check(c *sandbox.Container) (func(context.Context) (bool, error), time.Duration) {
	if r.o.Ready.Command != "" {
		return func(ctx context.Context) (bool, error) { return r.readyCommand(ctx, c) }, healthEvery
	}
	if lines := r.probes(); lines != nil {
		return func(ctx context.Context) (bool, error) {
			code, _, err := c.Exec(ctx, lines[0])
			if err != nil {
				return false, nil //nolint:nilerr // it may be about to end, which is seen elsewhere
			}
			return code == 0, nil
		}, healthEvery
	}
	return func(ctx context.Context) (bool, error) { return r.portsOpen(ctx, c) }, lookEvery
}

func (r *recording) readyCommand(ctx context.Context, c *sandbox.Container) (bool, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", r.o.Ready.Command)
	cmd.Env = slices.Concat(r.o.Env, Environment("ready", c.PID(), r.ports(c)))
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, fmt.Errorf("running the command of --ready: %w", err)
	}
	return err == nil, nil
}

// portsOpen looks whether the container listens on the ports that were asked for,
// on one of those that the image exposes, or, where there are none, on any. In
// the latter case it is published.
func (r *recording) portsOpen(ctx context.Context, c *sandbox.Container) (bool, error) {
	open, err := c.Listening()
	if err != nil || len(open) == 0 {
		return false, err
	}
	published := c.Ports()
	isOpen := func(p sandbox.Port) bool { return slices.Contains(open, p.Port) }
	switch {
	case r.all && len(published) > 0:
		return !slices.ContainsFunc(published, func(p sandbox.Port) bool { return !isOpen(p) }), nil
	case len(published) > 0:
		return slices.ContainsFunc(published, isOpen), nil
	}
	if r.o.Container.Network.Mode == sandbox.NetworkHost || r.o.Container.Network.Mode == sandbox.NetworkNone {
		return true, nil
	}
	loopback := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	for _, port := range open {
		if _, err := c.Publish(ctx, sandbox.Publish{Host: loopback, Port: port}); err != nil {
			return false, err
		}
	}
	return true, nil
}
