package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// logLimit is how much of a container's output is kept.
const logLimit = 1 << 20

// removeTimeout bounds the removal of a container whose start was cancelled.
const removeTimeout = 30 * time.Second

// Container is a started image.
type Container struct {
	engine    engine
	bundle    string
	merged    string
	box       *Box
	spec      *specs.Spec
	net       *network
	published []listener
	pid       int
	ended     chan struct{}
	status    unix.WaitStatus // once ended
	logs      *tail
	output    *os.File
	signal    string
	grace     time.Duration
	before    map[uint16]bool // ports that others listen on in a shared network
	removing  sync.Once
	removed   error
}

// Start starts the image on a store. The container is removed by Stop, or here
// when it does not start.
func (b *Box) Start(ctx context.Context, s *Store, o Options) (_ *Container, err error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	c := &Container{
		box: b, ended: make(chan struct{}), logs: newTail(logLimit), grace: o.Grace,
		engine: engine{path: b.runtime, state: b.slot.state(), id: id, in: b.mounts}, bundle: filepath.Join(b.dir, id),
		signal: cmpOr(cmpOr(o.StopSignal, b.config.StopSignal), "SIGTERM"),
	}
	if c.grace == 0 {
		c.grace = DefaultGrace
	}
	defer func() {
		if err != nil { // also when the context has ended
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
			defer cancel()
			err = errors.Join(fmt.Errorf("starting the container: %w", err), c.remove(late))
		}
	}()
	c.merged = filepath.Join(c.bundle, "root")
	if err := errors.Join(os.Mkdir(c.bundle, 0o711), os.Mkdir(c.merged, 0o755)); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, s, o); err != nil {
		return nil, err
	}
	if err := c.create(ctx); err != nil {
		return nil, err
	}
	if c.published, err = c.net.publish(context.WithoutCancel(ctx), o.Publish); err != nil {
		return nil, err
	}
	if o.Created != nil {
		if err := o.Created(ctx, c.pid); err != nil {
			return nil, err
		}
	}
	if err := c.engine.start(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// prepare makes network, mounts and configuration.
func (c *Container) prepare(ctx context.Context, s *Store, o Options) (err error) {
	who := c.box.config.User
	if o.User != "" {
		who = o.User
	}
	u, err := findUser(c.box.tree.FS(), who)
	if err != nil {
		return err
	}
	if c.net, err = connect(ctx, o); err != nil {
		return err
	}
	if c.before, err = c.net.listening(); err != nil {
		return err
	}
	hostname := cmpOr(o.Hostname, strings.TrimPrefix(c.engine.id, "lathe-"))
	mounts, err := c.mounts(ctx, s, o, hostname)
	if err != nil {
		return err
	}
	p := place{root: c.merged, cgroup: "/lathe/" + c.engine.id, netns: c.net.path(), mounts: mounts, unified: isCgroup2(cgroupRoot)}
	if c.spec, err = newSpec(c.box.config, o, u, hostname, p); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(c.bundle, "config.json"), c.spec); err != nil {
		return err
	}
	return c.box.mounts.do(func() error { return mountOverlay(c.box.lower, s, c.merged) })
}

// mountOverlay puts the writable layer over the image.
func mountOverlay(lower string, s *Store, at string) error {
	options := "lowerdir=" + lower + ",upperdir=" + s.upper() + ",workdir=" + s.work()
	if strings.ContainsAny(lower, ",:") {
		return fmt.Errorf("the directory %q has a comma or a colon in its name: point TMPDIR to another", lower)
	}
	if err := unix.Mount("overlay", at, "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting an overlay over the image (TMPDIR on an ordinary disk helps where it is an overlay itself): %w", err)
	}
	return nil
}

// create calls the runtime and watches the process that it made.
func (c *Container) create(ctx context.Context) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	c.output = read
	go func() { _, _ = io.Copy(c.logs, read) }() // ends when nobody writes any more, or it is closed
	defer write.Close()                          //nolint:errcheck // the container has its own
	if c.pid, err = c.engine.create(ctx, c.bundle, write, c.logs.String); err != nil {
		return err
	}
	go reapOrphans(c.ended)
	go func() {
		defer close(c.ended)
		for {
			_, err := unix.Wait4(c.pid, &c.status, 0, nil)
			if !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return nil
}

// PID is the container's first process, as the host sees it.
func (c *Container) PID() int { return c.pid }

// Ended is closed when the container's first process has ended.
func (c *Container) Ended() <-chan struct{} { return c.ended }

// ExitCode is that of the first process, 128 and the signal's number if one
// ended it. It counts once Ended is closed.
func (c *Container) ExitCode() int {
	if c.status.Signaled() {
		return 128 + int(c.status.Signal())
	}
	return c.status.ExitStatus()
}

// Logs is the end of what the container wrote to its standard output and
// error.
func (c *Container) Logs() string { return c.logs.String() }

// Ports are the published ports, in the order of the options. In the host's
// network nothing is published: ports are where they are.
func (c *Container) Ports() []Port {
	var list []Port
	for _, l := range c.published {
		list = append(list, Port{l.Port, l.Host})
	}
	return list
}

// Publish publishes one more port while the container runs.
func (c *Container) Publish(ctx context.Context, p Publish) (Port, error) {
	list, err := c.net.publish(context.WithoutCancel(ctx), []Publish{p})
	if err != nil {
		return Port{}, fmt.Errorf("publishing port %d: %w", p.Port, err)
	}
	c.published = append(c.published, list...)
	return Port{list[0].Port, list[0].Host}, nil
}

// Exec runs a command in the container, as its user, and gives the exit code
// and the end of the output.
func (c *Container) Exec(ctx context.Context, args []string) (int, string, error) {
	process := *c.spec.Process
	process.Args = args
	return c.engine.exec(ctx, &process, c.bundle)
}

// Stop asks the container to stop, kills it when it does not, and removes it.
// It returns whether it had to be killed.
func (c *Container) Stop(ctx context.Context) (killed bool, err error) {
	select {
	case <-c.ended:
	default:
		err = c.engine.kill(ctx, c.signal)
		timer := time.NewTimer(c.grace)
		defer timer.Stop()
		select {
		case <-c.ended:
			err = nil // it may have ended before it was asked
		case <-timer.C:
			killed = true
		case <-ctx.Done():
			killed = true
		}
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if killed {
		err = errors.Join(c.engine.kill(late, "SIGKILL"))
		select {
		case <-c.ended:
		case <-late.Done():
		}
	}
	return killed, errors.Join(err, c.remove(late))
}

// remove takes away all that Start made, as far as it got.
func (c *Container) remove(ctx context.Context) error {
	c.removing.Do(func() {
		var list []error
		list = append(list, closeAll(c.published))
		if c.pid != 0 {
			list = append(list, c.engine.delete(ctx))
			select {
			case <-c.ended:
			case <-ctx.Done():
				list = append(list, fmt.Errorf("the container's process %d did not end: %w", c.pid, ctx.Err()))
			}
		}
		if c.net != nil {
			list = append(list, c.net.close())
		}
		if c.output != nil {
			list = append(list, c.output.Close())
		}
		list = append(list, c.box.mounts.do(func() error {
			err := unix.Unmount(c.merged, unix.MNT_DETACH)
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
				return nil // it was not mounted
			}
			return err
		}), removeTree(c.bundle))
		if err := errors.Join(list...); err != nil {
			c.removed = fmt.Errorf("removing the container %s: %w", c.engine.id, err)
		}
	})
	return c.removed
}
