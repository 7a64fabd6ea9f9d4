//go:build linux

package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/record/sandbox"
)

// Limits of what is waited for and read.
const (
	bodyLimit  = 16 << 20
	readyLimit = 2 * time.Minute
	lookEvery  = 20 * time.Millisecond
)

// Image is an unpacked image.
type Image struct {
	Box    *sandbox.Box
	spool  string // for layers
	tree   *layers.Tree
	source *image.Source
}

// Open unpacks the image of the layout dir.
func Open(ctx context.Context, dir string) (_ *Image, err error) {
	ref, err := image.ParseRef("oci:" + dir)
	if err != nil {
		return nil, err
	}
	i := &Image{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening the image of %s: %w", dir, err), i.Close())
		}
	}()
	if i.source, err = image.Read(ctx, ref, image.Options{}); err != nil {
		return nil, err
	}
	if len(i.source.Images) != 1 {
		return nil, fmt.Errorf("it has %d images", len(i.source.Images))
	}
	if i.spool, err = os.MkdirTemp("", "lathe-e2e-"); err != nil {
		return nil, err
	}
	if i.tree, err = layers.Open(ctx, i.source.Images[0].Image, i.spool); err != nil {
		return nil, err
	}
	i.Box, err = sandbox.Open(ctx, i.tree, sandbox.BoxOptions{})
	return i, err
}

// Close removes what was unpacked. Its containers must be gone.
func (i *Image) Close() error {
	var list []error
	if i.Box != nil {
		list = append(list, i.Box.Close())
	}
	if i.tree != nil {
		list = append(list, i.tree.Close())
	}
	return errors.Join(append(list, os.RemoveAll(i.spool))...)
}

// Loopback publishes a port of the container on a free one of the loopback.
func Loopback(port int) []sandbox.Publish {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	return []sandbox.Publish{{Host: at, Port: uint16(port)}} //nolint:gosec // a test's port
}

// Ready waits until a container listens on a TCP port.
func Ready(ctx context.Context, c *sandbox.Container, port int) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		open, err := c.Listening()
		if err == nil && slices.Contains(open, uint16(port)) { //nolint:gosec // a test's port
			return nil
		}
		select {
		case <-c.Ended():
			return fmt.Errorf("waiting for port %d: the container ended with code %d\n%s", port, c.ExitCode(), c.Logs())
		case <-ctx.Done():
			return fmt.Errorf("waiting for port %d: %w\n%s", port, errors.Join(err, ctx.Err()), c.Logs())
		case <-tick.C:
		}
	}
}

// Answer is an HTTP answer.
type Answer struct {
	Status int
	Body   string
}

// Get fetches a URL path from the server at an address.
func Get(ctx context.Context, address, path string) (answer Answer, err error) {
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for %s: %w", path, err)
	}
	request.Host = "localhost" // the port on the host differs from run to run, and pages of errors name it
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("asking for %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	if err != nil {
		return Answer{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return Answer{Status: response.StatusCode, Body: string(body)}, nil
}
