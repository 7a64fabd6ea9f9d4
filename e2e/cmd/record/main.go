//go:build linux

// Command record runs the image of an OCI layout under strace, fetches URL
// paths from it and stops it as a container engine would:
//
//	go run ./e2e/cmd/record -port 8080 -o .build/nginx.strace .build/nginx /
//
// It prints the command that it runs, and what to give to the importer. It
// needs root, umoci and strace.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/lathe-build/lathe/e2e/container"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1) //nolint:forbidigo // the main function of a program
	}
}

func run(ctx context.Context) (err error) {
	output := flag.String("o", "", "log to write")
	port := flag.Int("port", 8080, "TCP port of the server")
	tag := flag.String("tag", "latest", "tag of the image in the layout")
	flag.Parse()
	if *output == "" || flag.NArg() < 2 {
		return errors.New("usage: record -o LOG [-port N] [-tag TAG] LAYOUT PATH…")
	}
	log, err := filepath.Abs(*output)
	if err != nil {
		return fmt.Errorf("finding %s: %w", *output, err)
	}
	temp, err := os.MkdirTemp("", "lathe-record-*")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := os.Chmod(temp, 0o755); err != nil { // the image's user must reach its root
		return fmt.Errorf("making a directory: %w", err)
	}
	bundle, err := container.Unpack(ctx, flag.Arg(0), *tag, filepath.Join(temp, "bundle"))
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "record: running", strings.Join(container.RecordCommand(bundle, log), " "))
	return container.RecordGets(ctx, bundle, log, *port, flag.Args()[1:])
}
