//go:build linux

// Command strace runs the image of an OCI layout under strace, fetches URL
// paths from it and stops it as a container engine would:
//
//	go run ./e2e/cmd/strace -port 8080 -o .build/nginx.strace .build/nginx /
//
// It needs root, strace, and runc or crun.
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

	"github.com/lathe-build/lathe/e2e/live"
	"github.com/lathe-build/lathe/record/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "strace:", err)
		os.Exit(1) //nolint:forbidigo // the main function of a program
	}
}

func run(ctx context.Context) (err error) {
	output := flag.String("o", "", "log to write")
	port := flag.Int("port", 8080, "TCP port of the server")
	flag.Parse()
	if *output == "" || flag.NArg() < 2 {
		return errors.New("usage: strace -o LOG [-port N] LAYOUT PATH…")
	}
	i, err := live.Open(ctx, flag.Arg(0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	store, err := i.Box.NewStore()
	if err != nil {
		return err
	}
	var tracer *live.Tracer
	c, err := i.Box.Start(ctx, store, sandbox.Options{
		Network: sandbox.Network{Mode: sandbox.NetworkNone}, Publish: live.Loopback(*port),
		Created: func(ctx context.Context, pid int) (err error) {
			tracer, err = live.Strace(ctx, pid, *output)
			return err
		},
	})
	if tracer != nil {
		defer func() { err = errors.Join(err, tracer.Wait()) }()
	}
	if err != nil {
		return err
	}
	defer func() {
		_, stopped := c.Stop(context.WithoutCancel(ctx))
		err = errors.Join(err, stopped)
	}()
	if err := live.Ready(ctx, c, *port); err != nil {
		return err
	}
	for _, path := range flag.Args()[1:] {
		answer, err := live.Get(ctx, c.Ports()[0].Host.String(), path)
		if err != nil {
			return err
		}
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%s answered %d: %s", path, answer.Status, answer.Body)
		}
	}
	return nil
}
