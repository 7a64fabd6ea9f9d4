//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
)

// Run runs a command inside the container and returns what it prints.
func (c *Container) Run(ctx context.Context, argv []string) (string, error) {
	if c.published != "" {
		return "", errors.New("running a command inside: the container is an engine's")
	}
	enter := []string{"--target", strconv.Itoa(c.pid), "--mount", "--net", "--root", "--wd=/", "--"}
	return c.command(ctx, append(enter, argv...))
}

// asClient mounts what programs need besides a root filesystem and changes to
// it. $1 is the root; what follows is run.
const asClient = `set -e
mount --rbind /dev "$1/dev"
mount -t proc proc "$1/proc"
exec chroot "$@"`

// RunFrom runs a command of another root filesystem in the container's network:
// the client of a server whose image has none any more.
func (c *Container) RunFrom(ctx context.Context, root string, argv []string) (string, error) {
	if c.published != "" {
		return "", errors.New("running a client: the container is an engine's")
	}
	enter := []string{"--target", strconv.Itoa(c.pid), "--net", "--", "unshare", "--mount", "--propagation=private", "sh", "-c", asClient, "sh", root}
	return c.command(ctx, append(enter, argv...))
}

// command runs nsenter with the environment of a plain container.
func (c *Container) command(ctx context.Context, args []string) (string, error) {
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %q: %w\n%s\n%s", args, err, output, c.Output())
	}
	return string(output), nil
}
