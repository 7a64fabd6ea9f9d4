//go:build linux

// Command fetch starts the image of an OCI layout, fetches URL paths from it,
// prints status, size and type of each answer, and stops it again:
//
//	go run ./e2e/cmd/fetch -port 8080 .build/nginx /
//
// As root it uses runc or crun with umoci, else podman or docker. Where none of
// them works it says so and succeeds: there is nothing to show.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/lathe-build/lathe/e2e/container"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1) //nolint:forbidigo // the main function of a program
	}
}

func run(ctx context.Context) (err error) {
	port := flag.Int("port", 8080, "TCP port of the server")
	tag := flag.String("tag", "latest", "tag of the image in the layout")
	flag.Parse()
	if flag.NArg() < 2 {
		return errors.New("usage: fetch [-port N] [-tag TAG] LAYOUT PATH…")
	}
	temp, err := os.MkdirTemp("", "lathe-fetch-*")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	c, with, err := start(ctx, temp, flag.Arg(0), *tag, *port)
	if err != nil {
		return err
	}
	if c == nil {
		_, err := fmt.Println("skipped: no runtime works here (runc or crun with umoci as root, podman, or docker)") //nolint:forbidigo // a program's output
		return err
	}
	defer func() { err = errors.Join(err, c.Stop(context.WithoutCancel(ctx))) }()
	if err := c.Ready(ctx, *port); err != nil {
		return err
	}
	for _, path := range flag.Args()[1:] {
		answer, err := c.Get(ctx, *port, path)
		if err != nil {
			return err
		}
		fmt.Printf("%s %d %s, %d bytes (%s)\n", //nolint:forbidigo // a program's output
			path, answer.Status, http.StatusText(answer.Status), len(answer.Body), with)
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%s answered %d", path, answer.Status)
		}
	}
	return nil
}

// start starts the image with what the host has; the container is nil where it
// has nothing.
func start(ctx context.Context, temp, layout, tag string, port int) (c *container.Container, with string, err error) {
	if _, err := exec.LookPath("umoci"); err == nil && os.Geteuid() == 0 && container.Runtime() != "" {
		bundle, err := container.Unpack(ctx, layout, tag, filepath.Join(temp, "bundle"))
		if err != nil {
			return nil, "", err
		}
		c, err = container.Start(ctx, bundle, filepath.Base(temp))
		return c, filepath.Base(container.Runtime()), err
	}
	engine := container.Engine(ctx)
	if engine == "" {
		return nil, "", nil
	}
	c, err = container.StartEngine(ctx, engine, layout, tag, port)
	return c, engine, err
}
