package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/internal/debimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/record/sandbox"
)

// Sizes of the loads.
const (
	serverPort  = 8080
	connections = 20
	requests    = 10_000
)

// readyLimit bounds how long the server may take to listen.
const readyLimit = time.Minute

// lastWords is how many bytes of a container's output an error repeats.
const lastWords = 500

// load is something that a container does.
type load struct {
	name, what string
	options    sandbox.Options
	// exercise waits for the work to be done.
	exercise func(context.Context, *sandbox.Container) (wall, client, workload time.Duration, err error)
}

func loads() []load {
	return []load{
		{
			name: "nginx",
			what: fmt.Sprintf("the nginx of `examples/nginx` answers %d requests for four files on %d connections that stay open", requests, connections),
			options: sandbox.Options{
				Network: sandbox.Network{Mode: sandbox.NetworkNone},
			},
			exercise: askServer,
		},
		{
			name: "files",
			what: "`find` and `cat` in the same image read every file of `/usr` and `/etc` once",
			options: sandbox.Options{
				Network:    sandbox.Network{Mode: sandbox.NetworkNone},
				Entrypoint: []string{"/bin/sh", "-c", "find /usr /etc -type f -print0 | xargs -0 cat >/dev/null"},
			},
			exercise: waitForEnd,
		},
	}
}

// recordings measures what recording costs.
func (o *options) recordings(ctx context.Context) (*recordings, error) {
	err := errors.Join(record.Supported(""), record.CanTrace(ctx))
	for _, name := range []string{"strace", "mmdebstrap"} { // the latter installs nginx
		_, missing := exec.LookPath(name)
		err = errors.Join(err, missing)
	}
	if err != nil {
		why := strings.Join(strings.Fields(err.Error()), " ")
		fmt.Fprintf(os.Stderr, "\nbench: NOT MEASURED, what recording costs: %s\n\n", why)
		return &recordings{Missing: why}, nil
	}
	box, tree, err := o.nginx(ctx)
	if err != nil {
		return nil, err
	}
	defer tree.Close() //nolint:errcheck // read only
	defer box.Close()  //nolint:errcheck // a temporary directory
	out := &recordings{}
	for _, l := range loads() {
		w := watched{Name: l.name, What: l.what}
		for i := range o.rounds + 1 {
			r, order := round{}, arms()
			for j := range order {
				arm := order[(i+j)%len(order)]
				if r[arm], err = measureArm(ctx, box, tree, l, arm); err != nil {
					return nil, fmt.Errorf("%s under %s: %w", l.name, arm, err)
				}
				fmt.Fprintf(os.Stderr, "%-8s %-8s %6.2f s wall %6.2f s CPU of the container %6.2f s of the recorder %6.2f s of the client\n", l.name, arm,
					r[arm].Wall.Seconds(), r[arm].Workload.Seconds(), r[arm].Recorder.Seconds(), r[arm].Client.Seconds())
			}
			if i > 0 { // the first round warms the caches
				w.Rounds = append(w.Rounds, r)
			}
		}
		out.Loads = append(out.Loads, w)
	}
	return out, nil
}

// nginx builds the image of the example and unpacks it.
func (o *options) nginx(ctx context.Context) (*sandbox.Box, *layers.Tree, error) {
	dir := filepath.Join("examples", "nginx")
	recipe, err := debimage.ReadRecipe(os.DirFS(dir))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the recipe of nginx (run this in the repository's root): %w", err)
	}
	builder := debimage.Builder{
		Cache: filepath.Join(".build", "cache"), Note: func(text string) { fmt.Fprintln(os.Stderr, text) },
	}
	img, err := builder.Build(ctx, dir, recipe)
	if err != nil {
		return nil, nil, fmt.Errorf("building the image of nginx: %w", err)
	}
	tree, err := layers.Open(ctx, img, o.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the image of nginx: %w", err)
	}
	box, err := sandbox.Open(ctx, tree, sandbox.BoxOptions{})
	if err != nil {
		return nil, nil, errors.Join(err, tree.Close())
	}
	return box, tree, nil
}

// watcher is who watches a container. Its end gives the CPU that it took.
type watcher func(context.Context) (time.Duration, error)

// watch starts the watcher of an arm.
func watch(ctx context.Context, tree *layers.Tree, arm string, pid int) (watcher, error) {
	switch arm {
	case armLathe:
		return watchLathe(ctx, tree, pid)
	case armStrace:
		return watchStrace(ctx, pid)
	}
	before, err := ownCPU()
	if err != nil {
		return nil, err
	}
	return func(context.Context) (time.Duration, error) {
		now, err := ownCPU()
		return now - before, err
	}, nil
}

func watchLathe(ctx context.Context, tree *layers.Tree, pid int) (watcher, error) {
	tracer, err := record.EBPF(ctx, record.TraceOptions{PID: pid, Tree: tree})
	if err != nil {
		return nil, err
	}
	before, err := ownCPU()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (time.Duration, error) {
		p, err := tracer.Stop(ctx)
		if err != nil {
			return 0, err
		}
		if !p.Complete() {
			return 0, fmt.Errorf("the recording is not complete: %q", p.Sources[0].Notes)
		}
		now, err := ownCPU()
		return now - before, err
	}, nil
}

func watchStrace(ctx context.Context, pid int) (watcher, error) {
	output, err := os.CreateTemp("", "lathe-bench-strace-")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "strace", "-f", "-ttt", "-y", "-yy", "-s", "4096", "-qq", "-o", output.Name(), "-p", strconv.Itoa(pid))
	if err := errors.Join(output.Close(), cmd.Start()); err != nil {
		return nil, errors.Join(err, os.Remove(output.Name()))
	}
	for !isTraced(pid) {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Millisecond):
		}
	}
	return func(context.Context) (time.Duration, error) {
		err := errors.Join(cmd.Wait(), os.Remove(output.Name()))
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
	}, nil
}

// isTraced tells whether a process has a tracer.
func isTraced(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err == nil && !bytes.Contains(status, []byte("\nTracerPid:\t0\n"))
}

// ownCPU is the CPU that this process has taken.
func ownCPU() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("reading the CPU of this process: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// measureArm runs a load once in a fresh container.
func measureArm(ctx context.Context, box *sandbox.Box, tree *layers.Tree, l load, arm string) (s sample, err error) {
	store, err := box.NewStore()
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, store.Remove()) }()
	var stop watcher
	o := l.options
	o.Created = func(ctx context.Context, pid int) (err error) {
		begin := time.Now()
		stop, err = watch(ctx, tree, arm, pid)
		s.Attach = time.Since(begin)
		return err
	}
	c, err := box.Start(ctx, store, o)
	if err != nil {
		return s, err
	}
	s.Wall, s.Client, s.Workload, err = l.exercise(ctx, c)
	_, stopErr := c.Stop(ctx)
	if err := errors.Join(err, stopErr); err != nil {
		logs := c.Logs()
		return s, fmt.Errorf("%w; the container said: %s", err, logs[max(0, len(logs)-lastWords):])
	}
	s.Recorder, err = stop(ctx)
	return s, err
}

// askServer waits until the server listens and asks it for files.
func askServer(ctx context.Context, c *sandbox.Container) (wall, client, workload time.Duration, err error) {
	timed, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for {
		open, err := c.Listening()
		if err != nil {
			return 0, 0, 0, err
		}
		if slices.Contains(open, serverPort) {
			break
		}
		select {
		case <-c.Ended():
			return 0, 0, 0, errors.New("the server has ended")
		case <-timed.Done():
			return 0, 0, 0, fmt.Errorf("the server does not listen on port %d: %w", serverPort, timed.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	before, err := groupCPU(c.PID())
	if err != nil {
		return 0, 0, 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, 0, 0, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, loadCommand, strconv.Itoa(c.PID()), strconv.Itoa(serverPort))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, 0, 0, fmt.Errorf("the client: %w", err)
	}
	if err := json.Unmarshal(out, &wall); err != nil {
		return 0, 0, 0, fmt.Errorf("the client said %q: %w", out, err)
	}
	after, err := groupCPU(c.PID())
	return wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), after - before, err
}

// waitForEnd waits until the container has done its work.
func waitForEnd(ctx context.Context, c *sandbox.Container) (wall, client, workload time.Duration, err error) {
	begin := time.Now()
	group, err := groupOf(c.PID())
	if err != nil {
		return 0, 0, 0, err
	}
	select {
	case <-c.Ended():
	case <-ctx.Done():
		return 0, 0, 0, context.Cause(ctx)
	}
	wall = time.Since(begin)
	if code := c.ExitCode(); code != 0 {
		return 0, 0, 0, fmt.Errorf("it ended with %d", code)
	}
	workload, err = group()
	return wall, 0, workload, err
}

func groupCPU(pid int) (time.Duration, error) {
	read, err := groupOf(pid)
	if err != nil {
		return 0, err
	}
	return read()
}

// groupOf finds the control group of a process that counts CPU, and gives a
// function that reads how much its processes have taken: those that have ended
// count.
func groupOf(pid int) (func() (time.Duration, error), error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, fmt.Errorf("finding the control group of the container: %w", err)
	}
	const root = "/sys/fs/cgroup"
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if slices.Contains(strings.Split(fields[1], ","), "cpuacct") {
			return nanoseconds(filepath.Join(root, fields[1], fields[2], "cpuacct.usage")), nil
		}
		if name := filepath.Join(root, fields[2], "cpu.stat"); fields[1] == "" && isFile(name) {
			return cpuStat(name), nil
		}
	}
	return nil, fmt.Errorf("no control group of process %d counts CPU", pid)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// nanoseconds reads a file of control groups, version 1.
func nanoseconds(name string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, fmt.Errorf("reading the CPU of the container: %w", err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		return time.Duration(n), err
	}
}

// cpuStat reads a file of control groups, version 2.
func cpuStat(name string) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, fmt.Errorf("reading the CPU of the container: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if number, ok := strings.CutPrefix(strings.TrimSpace(line), "usage_usec "); ok {
				n, err := strconv.ParseInt(number, 10, 64)
				return time.Duration(n) * time.Microsecond, err
			}
		}
		return 0, fmt.Errorf("%s: %w", name, io.ErrUnexpectedEOF)
	}
}
