//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// bodyLimit bounds the answers that [Container.Get] reads.
const bodyLimit = 16 << 20

// Answer is an HTTP answer.
type Answer struct {
	Status int
	Body   string
}

// Ready waits until the container accepts connections on a TCP port. Of an
// engine's container it wants an answer: the engine's proxy accepts before the
// container does.
func (c *Container) Ready(ctx context.Context, port int) error {
	err := poll(ctx, 2*time.Minute, func() bool {
		if c.published != "" {
			_, err := c.Get(ctx, port, "/")
			return err == nil
		}
		conn, err := c.dial(ctx, port)
		if err != nil {
			return c.ended()
		}
		return conn.Close() == nil
	})
	if err == nil && c.ended() {
		err = errors.New("it ended")
	}
	if err != nil {
		return fmt.Errorf("waiting for port %d: %w\n%s", port, err, c.Output())
	}
	return nil
}

// ended tells whether a container that this package started itself is gone.
func (c *Container) ended() bool { return c.published == "" && !alive(c.pid) }

// Get fetches a URL path from the container.
func (c *Container) Get(ctx context.Context, port int, path string) (answer Answer, err error) {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx, port) },
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+decimal(port)+path, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for %s: %w", path, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for %s: %w\n%s", path, err, c.Output())
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	if err != nil {
		return Answer{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return Answer{Status: response.StatusCode, Body: string(body)}, nil
}

// dial connects from inside the container's network namespace, or to where an
// engine published the port. The namespace is the thread's: it is entered on a
// thread that is thrown away afterwards.
func (c *Container) dial(ctx context.Context, port int) (net.Conn, error) {
	if c.published != "" {
		dialer := net.Dialer{Timeout: 5 * time.Second}
		return dialer.DialContext(ctx, "tcp", c.published)
	}
	var conn net.Conn
	var err error
	onSpareThread(func() { conn, err = dialInside(ctx, c.pid, port) })
	return conn, err
}

// onSpareThread runs f on a thread that ends afterwards. It is never the main
// thread: that one stays, and /proc/self shows its namespaces as the process's.
func onSpareThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onSpareThread(f) // cannot land here: this thread is locked
			runtime.UnlockOSThread()
			return
		}
		f() // never unlocked: the thread ends with the goroutine
	}()
	<-done
}

// dialInside moves the calling thread to the network namespace of pid and
// connects. It refuses the namespace of the host.
func dialInside(ctx context.Context, pid, port int) (net.Conn, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/ns/net"
	its, err := os.Readlink(name)
	if err != nil {
		return nil, fmt.Errorf("entering the container's network: %w", err)
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("entering the container's network: %w", err)
	}
	if its == ours {
		return nil, errors.New("entering the container's network: it is still the host's")
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("entering the container's network: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // opened to read
	if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the container's network: %w", err)
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(port))
}
