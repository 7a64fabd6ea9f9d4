package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNoRuntime says that neither runc nor crun is installed.
var ErrNoRuntime = errors.New("neither runc nor crun is installed")

// Where control groups of version 2 are mounted: alone, or beside version 1.
const (
	cgroupRoot    = "/sys/fs/cgroup"
	cgroupUnified = cgroupRoot + "/unified"
)

func isCgroup2(dir string) bool {
	var at unix.Statfs_t
	return unix.Statfs(dir, &at) == nil && at.Type == unix.CGROUP2_SUPER_MAGIC
}

// hides tells whether a runtime has to be shown version 1 only: crun refuses to
// run where version 2 is mounted beside it and has a controller of its own, such
// as hugetlb. It has no use for those, and works with version 1 then.
func hides(runtime string) bool {
	if filepath.Base(runtime) != "crun" || !isCgroup2(cgroupUnified) {
		return false
	}
	controllers, err := os.ReadFile(cgroupUnified + "/cgroup.controllers")
	return err == nil && len(bytes.TrimSpace(controllers)) > 0
}

// FindRuntime gives the path of the runtime with this name or path, or of the
// one that is installed where the name is "".
func FindRuntime(name string) (string, error) {
	names := []string{"runc", "crun"}
	if name != "" {
		names = []string{name}
	}
	for _, n := range names {
		found, err := exec.LookPath(n)
		if err != nil {
			continue
		}
		return filepath.Abs(found)
	}
	if name != "" {
		return "", fmt.Errorf("the runtime %q is not installed: %w", name, exec.ErrNotFound)
	}
	return "", ErrNoRuntime
}

// engine calls a runtime for one container.
type engine struct {
	path  string // of the runtime
	state string // directory in which it keeps its state
	id    string
	in    *mountThread // whose mounts it sees
}

// run runs a command among the mounts of the engine.
func (e engine) run(cmd *exec.Cmd) error {
	if err := e.in.do(cmd.Start); err != nil {
		return err
	}
	return cmd.Wait()
}

// flags are those of every command.
func (e engine) flags() []string { return []string{"--root", e.state} }

// messageLimit bounds what of a runtime's complaint is repeated.
const messageLimit = 4 << 10

// call runs a command of the runtime that says nothing when all is well.
func (e engine) call(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, e.path, append(e.flags(), args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := e.run(cmd); err != nil {
		return e.failed(args[0], err, complaint.Bytes())
	}
	return nil
}

func (e engine) failed(what string, err error, complaint []byte) error {
	text := strings.TrimSpace(string(complaint[:min(len(complaint), messageLimit)]))
	if text == "" {
		return fmt.Errorf("%s %s: %w", filepath.Base(e.path), what, err)
	}
	return fmt.Errorf("%s %s: %w: %s", filepath.Base(e.path), what, err, text)
}

// create makes the container and returns its first process, which waits. The
// runtime's own complaints come on the descriptors of the container, as the
// process inherits them; they are in what tail returns.
func (e engine) create(ctx context.Context, bundle string, output *os.File, tail func() string) (int, error) {
	pidFile := filepath.Join(bundle, "pid")
	log := filepath.Join(bundle, "runtime.log")
	args := append(e.flags(), "--log", log, "create", "--bundle", bundle, "--pid-file", pidFile, e.id)
	cmd := exec.CommandContext(ctx, e.path, args...)
	cmd.Stdout, cmd.Stderr = output, output
	if err := e.run(cmd); err != nil {
		complaint, _ := os.ReadFile(log)
		return 0, e.failed("create", err, append(complaint, tail()...))
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return 0, fmt.Errorf("reading the container's process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return 0, fmt.Errorf("reading the container's process: %q is no process", text)
	}
	return pid, nil
}

func (e engine) start(ctx context.Context) error { return e.call(ctx, "start", e.id) }

func (e engine) kill(ctx context.Context, signal string) error {
	return e.call(ctx, "kill", e.id, signal)
}

// delete removes the container, its processes and its control group.
func (e engine) delete(ctx context.Context) error { return e.call(ctx, "delete", "--force", e.id) }

// exec runs one more process in the container and gives its exit code and the
// end of its output.
func (e engine) exec(ctx context.Context, process any, bundle string) (int, string, error) {
	f, err := os.CreateTemp(bundle, "process-*.json")
	if err != nil {
		return 0, "", fmt.Errorf("running in the container: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // goes with the bundle
	if err := errors.Join(json.NewEncoder(f).Encode(process), f.Close()); err != nil {
		return 0, "", fmt.Errorf("running in the container: %w", err)
	}
	cmd := exec.CommandContext(ctx, e.path, append(e.flags(), "exec", "--process", f.Name(), e.id)...)
	out := newTail(messageLimit)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	err = e.run(cmd)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		return 0, out.String(), fmt.Errorf("running in the container: %w", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), nil
}
