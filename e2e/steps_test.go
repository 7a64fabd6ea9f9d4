//go:build e2e && linux

package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/e2e/live"
	"github.com/lathe-build/lathe/internal/debimage"
)

// unpacked is the image of a layout: ready to be started, and as umoci, which
// shares no code with lathe, unpacks it.
type unpacked struct {
	*live.Image
	root string
}

// unpackTo unpacks the image of a layout; umoci's bundle is kept in a new
// directory.
func unpackTo(ctx context.Context, layout, bundle string) (*unpacked, error) {
	cmd := exec.CommandContext(ctx, "umoci", "unpack", "--image", layout+":"+debimage.Tag, bundle)
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("umoci unpacks %s: %w: %s", layout, err, output)
	}
	// The layers stay open for as long as the box, and not as this test.
	i, err := live.Open(context.WithoutCancel(ctx), layout)
	return &unpacked{Image: i, root: filepath.Join(bundle, "rootfs")}, err
}

// unpack unpacks the image of a layout for one test.
func unpack(t *testing.T, layout string) *unpacked {
	t.Helper()
	u, err := unpackTo(t.Context(), layout, filepath.Join(t.TempDir(), "bundle"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := u.Close(); err != nil {
			t.Error(err)
		}
	})
	return u
}

// place is where a running container is reached.
type place struct {
	pid     int    // its first process
	address string // of its port on the host
	client  string // the original's root: the result has no clients any more
}

// takePlain is this program as the test of a recording: it takes the plain steps
// of a stack against the container that its environment names.
func takePlain(name string) error {
	s := readStack(name)
	if s.err != nil {
		return s.err
	}
	pid, err := strconv.Atoi(os.Getenv("LATHE_PID"))
	if err != nil {
		return err
	}
	at := place{pid: pid, address: os.Getenv("LATHE_ADDR"), client: os.Getenv("LATHE_E2E_ROOT")}
	_, err = s.take(context.Background(), at, s.Plain)
	return err
}

// readyLimit is how long a server may answer that it is not ready yet.
const readyLimit = time.Minute

// ready waits until the server answers, and not only listens.
func (s *stack) ready(ctx context.Context, at place) error {
	if len(s.Ready) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := at.runClient(ctx, slices.Concat(s.Client, s.Ready))
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// take takes the steps of a probe, up to the first that cannot be taken at all.
// The error names all answers that are not what they have to be.
func (s *stack) take(ctx context.Context, at place, steps []step) (map[string]string, error) {
	if err := s.ready(ctx, at); err != nil {
		return nil, err
	}
	out := map[string]string{}
	var wrong []error
	for _, p := range steps {
		var got string
		var err error
		switch {
		case p.Get != "":
			answer, failed := live.Get(ctx, at.address, p.Get)
			if got, err = answer.Body, failed; err == nil && answer.Status != cmp.Or(p.Status, 200) {
				wrong = append(wrong, fmt.Errorf("%s: status %d: %s", p.name(), answer.Status, answer.Body))
			}
		case p.Signal != "":
			err = unix.Kill(at.pid, unix.SignalNum("SIG"+p.Signal))
		case len(p.Ask) > 0:
			got, err = at.runClient(ctx, slices.Concat(s.Client, p.Ask))
		case len(p.Run) > 0:
			got, err = at.runClient(ctx, p.Run)
		default:
			got, err = at.runInside(ctx, p.Inside)
		}
		if err != nil {
			return out, errors.Join(append(wrong, err)...)
		}
		if !strings.Contains(got, p.Want) {
			wrong = append(wrong, fmt.Errorf("%s: want %q in the answer: %s", p.name(), p.Want, got))
		}
		out[p.name()] = got
	}
	return out, errors.Join(wrong...)
}

// runInside runs a command inside the container and returns what it prints. It
// is one of the container's processes: it finds itself below /proc, and the
// process that it signals is not one of the host.
func (at place) runInside(ctx context.Context, argv []string) (string, error) {
	return enter(ctx, append([]string{"--target", strconv.Itoa(at.pid), "--mount", "--net", "--pid", "--root", "--wd", "--"}, argv...))
}

// asClient mounts what programs need besides a root filesystem and changes to
// it. $1 is the root; what follows is run.
const asClient = `set -e
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
exec chroot "$@"`

// runClient runs a command of the original's root in the container's network.
func (at place) runClient(ctx context.Context, argv []string) (string, error) {
	return enter(ctx, append([]string{
		"--target", strconv.Itoa(at.pid), "--net", "--", "unshare", "--mount", "--propagation=private", "sh", "-c", asClient, "sh", at.client,
	}, argv...))
}

// enter runs nsenter with the environment of a plain container.
func enter(ctx context.Context, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %q: %w\n%s", args, err, output)
	}
	return string(output), nil
}
