//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/lathe-build/lathe/image"
)

// answers tells whether this user can start containers with an engine.
func answers(ctx context.Context, engine string) bool {
	return exec.CommandContext(ctx, engine, "info").Run() == nil
}

// startEngine runs the image of a layout with an engine. The container's port is
// published on the loopback, on a port that the engine chooses.
func startEngine(ctx context.Context, engine, layout string, port int) (*server, error) {
	ref, err := load(ctx, engine, layout)
	if err != nil {
		return nil, err
	}
	id, err := output(ctx, engine, "run", "--detach", "--publish", "127.0.0.1::"+strconv.Itoa(port), ref)
	if err != nil {
		_, removed := output(ctx, engine, "rmi", "--force", ref)
		return nil, errors.Join(err, removed)
	}
	stop := func(ctx context.Context) error {
		_, stopped := output(ctx, engine, "rm", "--force", id)
		_, removed := output(ctx, engine, "rmi", "--force", ref)
		return errors.Join(stopped, removed)
	}
	published, err := output(ctx, engine, "port", id, strconv.Itoa(port))
	if err != nil {
		return nil, errors.Join(err, stop(context.WithoutCancel(ctx)))
	}
	address, _, _ := strings.Cut(published, "\n")
	return &server{address: address, with: engine, stop: stop}, nil
}

// load gives the engine the image of a layout, and returns the name that it has
// there.
func load(ctx context.Context, engine, dir string) (ref string, err error) {
	at, err := image.ParseRef("oci:" + dir)
	if err != nil {
		return "", fmt.Errorf("loading the image: %w", err)
	}
	src, err := image.Read(ctx, at, image.Options{})
	if err != nil {
		return "", fmt.Errorf("loading the image: %w", err)
	}
	defer src.Close() //nolint:errcheck // read only
	if len(src.Images) != 1 {
		return "", fmt.Errorf("loading the image: %s has %d", dir, len(src.Images))
	}
	img := src.Images[0].Image
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("loading the image: %w", err)
	}
	tag, err := name.NewTag("localhost/lathe-fetch:" + digest.Hex[:12])
	if err != nil {
		return "", fmt.Errorf("loading the image: %w", err)
	}
	temp, err := os.MkdirTemp("", "lathe-fetch-*")
	if err != nil {
		return "", fmt.Errorf("loading the image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	archive := filepath.Join(temp, "image.tar")
	if err := tarball.WriteToFile(archive, tag, img); err != nil {
		return "", fmt.Errorf("loading the image: %w", err)
	}
	_, err = output(ctx, engine, "load", "--input", archive)
	return tag.String(), err
}

// output runs a program of the host and returns what it printed.
func output(ctx context.Context, program string, args ...string) (string, error) {
	text, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			text = exit.Stderr
		}
		return "", fmt.Errorf("running %s %s: %w\n%s", program, args[0], err, text)
	}
	return strings.TrimSpace(string(text)), nil
}
