//go:build linux

// Command fetch starts the image of an OCI layout, fetches URL paths from it,
// prints status, size and type of each answer, and stops it again:
//
//	go run ./e2e/cmd/fetch -port 8080 .build/nginx /
//
// As root it uses runc or crun, else podman or docker. Where none of them works
// it says so and succeeds: there is nothing to show.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lathe-build/lathe/e2e/live"
	"github.com/lathe-build/lathe/record/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1) //nolint:forbidigo // the main function of a program
	}
}

// server is a started image.
type server struct {
	address string
	with    string // what runs it
	stop    func(context.Context) error
}

func run(ctx context.Context) (err error) {
	port := flag.Int("port", 8080, "TCP port of the server")
	flag.Parse()
	if flag.NArg() < 2 {
		return errors.New("usage: fetch [-port N] LAYOUT PATH…")
	}
	s, err := start(ctx, flag.Arg(0), *port)
	if err != nil {
		return err
	}
	if s == nil {
		_, err := fmt.Println("skipped: no runtime works here (runc or crun as root, podman, or docker)") //nolint:forbidigo // a program's output
		return err
	}
	defer func() { err = errors.Join(err, s.stop(context.WithoutCancel(ctx))) }()
	for _, path := range flag.Args()[1:] {
		answer, err := get(ctx, s.address, path)
		if err != nil {
			return err
		}
		fmt.Printf("%s %d %s, %d bytes (%s)\n", //nolint:forbidigo // a program's output
			path, answer.Status, http.StatusText(answer.Status), len(answer.Body), s.with)
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%s answered %d", path, answer.Status)
		}
	}
	return nil
}

// get asks until there is an answer: an engine's proxy accepts connections
// before the container does.
func get(ctx context.Context, address, path string) (live.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := live.Get(ctx, address, path)
		if err == nil {
			return answer, nil
		}
		select {
		case <-ctx.Done():
			return answer, err
		case <-tick.C:
		}
	}
}

// start starts the image with what the host has; there is no server where it
// has nothing.
func start(ctx context.Context, layout string, port int) (*server, error) {
	if sandbox.Supported("") == nil {
		return startHere(ctx, layout, port)
	}
	for _, engine := range []string{"podman", "docker"} {
		if answers(ctx, engine) {
			return startEngine(ctx, engine, layout, port)
		}
	}
	return nil, nil //nolint:nilnil // nothing to start it with is not an error
}

// startHere starts the image as lathe does.
func startHere(ctx context.Context, layout string, port int) (_ *server, err error) {
	i, err := live.Open(ctx, layout)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.Close())
		}
	}()
	store, err := i.Box.NewStore()
	if err != nil {
		return nil, err
	}
	o := sandbox.Options{Network: sandbox.Network{Mode: sandbox.NetworkNone}, Publish: live.Loopback(port)}
	c, err := i.Box.Start(ctx, store, o)
	if err != nil {
		return nil, err
	}
	stop := func(ctx context.Context) error {
		_, err := c.Stop(ctx)
		return errors.Join(err, i.Close())
	}
	if err := live.Ready(ctx, c, port); err != nil {
		_, stopped := c.Stop(context.WithoutCancel(ctx))
		return nil, errors.Join(err, stopped)
	}
	return &server{address: c.Ports()[0].Host.String(), with: "lathe's sandbox", stop: stop}, nil
}
