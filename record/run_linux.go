package record

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record/sandbox"
)

// How often is looked, and told.
const (
	lookEvery = 20 * time.Millisecond
	tellEvery = time.Second
)

// Supported says what is missing to run containers here, or nil.
func Supported(runtime string) error { return sandbox.Supported(runtime) }

// Run records every test and start scenario. A run that failed is an Outcome
// with an error; an error of Run itself says that nothing could be run.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	box, err := sandbox.Open(ctx, o.Tree, o.Box)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	if o.Ready.Timeout == 0 {
		o.Ready.Timeout = DefaultReadyTimeout
	}
	r := &recording{o: o, box: box, all: o.Container.Publish != nil}
	if !r.all && o.Container.Network.Mode != sandbox.NetworkHost {
		r.o.Container.Publish = exposed(box)
	}
	result := &Result{Leftovers: box.Leftovers()}
	var profiles []*profile.Profile
	for _, s := range schedule(o, box.HasVolumes(o.Container)) {
		out, err := r.scenario(ctx, s)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("running the scenario %s: %w", s.name, err), r.forget())
		}
		result.Runs = append(result.Runs, out)
		if out.Err == nil {
			profiles = append(profiles, out.Profile)
		}
		if out.Err != nil && len(profiles) == 0 && s.test == nil {
			break // an image that does not start at all
		}
	}
	if len(profiles) > 0 {
		if result.Profile, err = profile.Merge(profiles...); err != nil {
			return nil, errors.Join(fmt.Errorf("merging the scenarios: %w", err), r.forget())
		}
	}
	return result, r.forget()
}

// exposed publishes what the image's config exposes, on free ports.
func exposed(box *sandbox.Box) []sandbox.Publish {
	var ports []string
	for p := range box.Config().ExposedPorts {
		ports = append(ports, p)
	}
	slices.Sort(ports)
	var list []sandbox.Publish
	for _, p := range ports {
		if publish, err := sandbox.ParsePublish(p); err == nil { // udp and ranges are not published
			list = append(list, publish)
		}
	}
	return list
}

// recording is what the scenarios of one Run share.
type recording struct {
	o     Options
	box   *sandbox.Box
	store *sandbox.Store // of the last run
	all   bool           // all published ports must be open: somebody asked for them
}

func (r *recording) forget() error {
	if r.store == nil {
		return nil
	}
	err := r.store.Remove()
	r.store = nil
	return err
}

// prepareStore gives the store of a scenario: that of the run before, or a new one.
func (r *recording) prepareStore(s run) error {
	if s.restart && r.store != nil {
		if r.box.HasVolumes(r.o.Container) {
			return r.store.Renew()
		}
		return nil
	}
	if err := r.forget(); err != nil {
		return err
	}
	var err error
	r.store, err = r.box.NewStore()
	return err
}

// scenario runs one. Its error says that it is of no use to go on.
func (r *recording) scenario(ctx context.Context, s run) (out Outcome, err error) {
	out = Outcome{Scenario: s.name, Test: s.test != nil}
	r.notify(Event{Kind: EventBegin, Scenario: s.name})
	defer func() {
		text := ""
		if out.Err != nil {
			text = out.Err.Error()
		}
		if err == nil {
			r.notify(Event{Kind: EventEnd, Scenario: s.name, Text: text})
		}
	}()
	if err := r.prepareStore(s); err != nil {
		return out, err
	}
	o := r.o.Container
	if s.change != nil {
		s.change(&o)
	}
	var tracer Tracer
	var traceErr error
	o.Created = func(ctx context.Context, pid int) error {
		tracer, traceErr = r.o.Trace(ctx, r.traceOptions(s, pid))
		return traceErr
	}
	c, startErr := r.box.Start(ctx, r.store, o)
	switch {
	case traceErr != nil:
		return out, startErr
	case tracer == nil && ctx.Err() != nil:
		return out, context.Cause(ctx)
	case tracer == nil: // nothing of the image ran
		out.Err = startErr
		return out, nil
	}
	tracer.Scenario(s.name)
	out.Err = startErr
	if c != nil {
		r.exercise(ctx, s, c, tracer, &out)
	}
	out.Profile, err = tracer.Stop(context.WithoutCancel(ctx))
	if err != nil {
		return out, err
	}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	nameLinks(out.Profile, linkEnds(o))
	return out, nil
}

func linkEnds(o sandbox.Options) map[netip.AddrPort]LinkEnd {
	ends := map[netip.AddrPort]LinkEnd{}
	for i, l := range o.Links {
		host, _, err := net.SplitHostPort(l.Target)
		if err == nil {
			ends[netip.AddrPortFrom(sandbox.LinkAddr(i), l.Port)] = LinkEnd{Name: l.Name, Host: host}
		}
	}
	return ends
}

func (r *recording) traceOptions(s run, pid int) TraceOptions {
	name := r.o.Run
	if name != "" {
		name += "/"
	}
	return TraceOptions{
		PID: pid, Probes: r.probes(), Argv: r.o.Argv, Tree: r.o.Tree, Image: r.o.Image, Name: r.o.Name,
		Subject: profile.Subject{Image: r.o.Image.Digest}, Run: name + s.name, Version: r.o.Version,
	}
}

func (r *recording) notify(e Event) {
	if r.o.Notify != nil {
		r.o.Notify(e)
	}
}

// exercise waits until the container is ready, tests it and stops it.
func (r *recording) exercise(ctx context.Context, s run, c *sandbox.Container, tracer Tracer, out *Outcome) {
	telling, told := context.WithCancel(ctx)
	defer told()
	go r.tell(telling, s, tracer)
	done, err := r.waitReady(ctx, c, s.test == nil)
	if err == nil && !done {
		err = tracer.Phase(profile.PhaseServing)
		r.notify(Event{Kind: EventReady, Scenario: s.name})
		if err == nil && s.test != nil {
			out.Exit, err = r.test(ctx, s, c)
		}
		if errors.Is(unix.Kill(c.PID(), 0), unix.ESRCH) {
			<-c.Ended() // its end was taken, and is about to be told
		}
		select {
		case <-c.Ended():
			err = errors.Join(err, fmt.Errorf("%w with code %d", ErrDied, c.ExitCode()))
		default:
		}
	}
	err = errors.Join(err, tracer.Phase(profile.PhaseShutdown))
	killed, stopErr := c.Stop(ctx)
	out.Killed, out.Logs = killed, c.Logs()
	out.Err = errors.Join(out.Err, err, stopErr)
}

// tell reports the progress from time to time.
func (r *recording) tell(ctx context.Context, s run, tracer Tracer) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.notify(Event{Kind: EventProgress, Scenario: s.name, Progress: tracer.Progress()})
		}
	}
}

// test runs the test's command on the host.
func (r *recording) test(ctx context.Context, s run, c *sandbox.Container) (int, error) {
	cmd := exec.CommandContext(ctx, s.test.Args[0], s.test.Args[1:]...)
	cmd.Env = slices.Concat(r.o.Env, Environment(s.name, c.PID(), r.ports(c)))
	cmd.Stdout, cmd.Stderr = r.o.Output, r.o.Output
	// A group of its own: when it is stopped, so is what it started.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // mostly there is nobody left
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && ctx.Err() == nil:
		return exit.ExitCode(), fmt.Errorf("%w: %s ended with code %s%s", ErrTest, s.test.Args[0], strconv.Itoa(exit.ExitCode()), r.unreachable(c))
	}
	return -1, fmt.Errorf("%w: %w", ErrTest, err)
}

// unreachable says of a published port that the container does not let others
// connect to it, which a test sees as a connection that is reset.
func (r *recording) unreachable(c *sandbox.Container) string {
	if r.o.Container.Network.Mode == sandbox.NetworkHost {
		return ""
	}
	own, err := c.LoopbackOnly()
	if err != nil {
		return ""
	}
	for _, p := range c.Ports() {
		if slices.Contains(own, p.Port) {
			return fmt.Sprintf("; port %d is open on the container's own loopback only, where no published port leads: let it listen on all addresses", p.Port)
		}
	}
	return ""
}

// ports are where a test finds the container: published ones, or those that it
// listens on in the host's network.
func (r *recording) ports(c *sandbox.Container) []sandbox.Port {
	if r.o.Container.Network.Mode != sandbox.NetworkHost {
		return c.Ports()
	}
	open, err := c.Listening()
	if err != nil {
		return nil
	}
	var list []sandbox.Port
	for _, p := range open {
		list = append(list, sandbox.Port{Port: p, Host: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p)})
	}
	return list
}
