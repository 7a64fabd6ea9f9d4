//go:build linux

package container

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// setUp prepares the namespaces that strace and the container share. $1 is the
// container's root; what follows is run.
const setUp = `set -e
ip link set lo up
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
shift
exec "$@"`

// RecordCommand returns the command with which [Record] runs a bundle. Strace
// sees the program through a change of root, so that the paths which it
// resolves itself begin with the bundle's root: the importer's option for that
// takes [Bundle.Root].
func RecordCommand(b *Bundle, log string) []string {
	p := b.spec.Process
	args := []string{"unshare", "--mount", "--net", "--uts", "--ipc", "--propagation=private", "sh", "-c", setUp, "sh", b.Root()}
	args = append(args, "env", "-i")
	args = append(args, p.Env...)
	args = append(args, "strace", "-f", "-y", "-yy", "-ttt", "-s", "4096", "-o", log)
	args = append(args, "unshare", "--root="+b.Root(), "--wd="+p.Cwd)
	if p.User.UID != 0 || p.User.GID != 0 {
		args = append(args, "--setgid="+decimal(p.User.GID), "--setuid="+decimal(p.User.UID))
	}
	return append(args, p.Args...)
}

// Record runs the bundle under strace, which writes to log. [Container.Stop]
// completes the log.
func Record(ctx context.Context, b *Bundle, log string) (*Container, error) {
	args := RecordCommand(b, log)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	output := &buffer{}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Dir, cmd.WaitDelay = "/", 10*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // servers signal their whole group when they stop
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	c := &Container{pid: cmd.Process.Pid, output: output.String}
	c.stop = func(context.Context) error {
		main, err := firstChild(cmd.Process.Pid)
		if err != nil {
			return errors.Join(fmt.Errorf("recording: %w\n%s", err, output), cmd.Process.Kill(), cmd.Wait())
		}
		if err := syscall.Kill(main, unix.SignalNum("SIG"+b.Stop)); err != nil {
			return fmt.Errorf("recording: stopping with %s: %w", b.Stop, err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			return fmt.Errorf("recording: %w\n%s", err, output)
		}
		return nil
	}
	return c, nil
}

// firstChild returns the process that strace started.
func firstChild(pid int) (int, error) {
	name := fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, fmt.Errorf("finding the traced program: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return 0, errors.New("finding the traced program: it ended")
	}
	return strconv.Atoi(fields[0])
}

// buffer is a bytes.Buffer that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// RecordGets records a run of the bundle in which each URL path is fetched
// once and answered with 200.
func RecordGets(ctx context.Context, b *Bundle, log string, port int, paths []string) (err error) {
	c, err := Record(ctx, b, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop(ctx)) }()
	if err := c.Ready(ctx, port); err != nil {
		return err
	}
	for _, path := range paths {
		answer, err := c.Get(ctx, port, path)
		if err != nil {
			return err
		}
		if answer.Status != 200 {
			return fmt.Errorf("recording: %s answered %d: %s", path, answer.Status, answer.Body)
		}
	}
	return nil
}
