//go:build linux

package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// endLimit is how long strace may take to write down the end of a container.
const endLimit = 30 * time.Second

// Tracer is strace on a container that has yet to start.
type Tracer struct {
	cmd  *exec.Cmd
	stop context.CancelFunc
	said *bufio.Reader
}

// Strace attaches strace to the process of a container that was created and not
// started, which writes what the importer reads to log: it is for
// sandbox.Options.Created. The log is whole when [Tracer.Wait] returns.
func Strace(ctx context.Context, pid int, log string) (*Tracer, error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	t := &Tracer{stop: stop}
	t.cmd = exec.CommandContext(ctx, "strace", "-f", "-ttt", "-y", "-yy", "-s", "4096", "-o", log, "-p", strconv.Itoa(pid))
	messages, err := t.cmd.StderrPipe()
	if err == nil {
		err = t.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting strace: %w", err)
	}
	t.said = bufio.NewReader(messages)
	line, err := t.said.ReadString('\n')
	if err == nil && !strings.Contains(line, "attached") {
		err = errors.New("it did not attach")
	}
	if err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("starting strace: %w: %s", err, line), t.cmd.Wait())
	}
	return t, nil
}

// Wait waits for the end of strace, which comes after that of the container.
func (t *Tracer) Wait() error {
	timer := time.AfterFunc(endLimit, t.stop)
	defer timer.Stop()
	defer t.stop()
	_, _ = io.Copy(io.Discard, t.said)
	if err := t.cmd.Wait(); err != nil {
		return fmt.Errorf("waiting for strace: %w", err)
	}
	return nil
}
