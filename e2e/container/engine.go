//go:build linux

package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Engine returns the container engine that this user can start containers
// with, podman or docker, "" when there is none or its daemon does not answer.
func Engine(ctx context.Context) string {
	for _, engine := range []string{"podman", "docker"} {
		if exec.CommandContext(ctx, engine, "info").Run() == nil {
			return engine
		}
	}
	return ""
}

// StartEngine runs the image tagged tag of the layout dir with an engine. The
// container's port is published on the host's loopback, on a port that the
// engine chooses.
func StartEngine(ctx context.Context, engine, dir, tag string, port int) (*Container, error) {
	img, err := taggedImage(dir, tag)
	if err != nil {
		return nil, err
	}
	ref, err := load(ctx, engine, img)
	if err != nil {
		return nil, err
	}
	id, err := output(ctx, engine, "run", "--detach", "--publish", "127.0.0.1::"+decimal(port), ref)
	if err != nil {
		return nil, errors.Join(err, tool(ctx, engine, "rmi", "--force", ref))
	}
	c := &Container{
		stop: func(ctx context.Context) error {
			return errors.Join(tool(ctx, engine, "rm", "--force", id), tool(ctx, engine, "rmi", "--force", ref))
		},
		output: func() string {
			text, err := exec.CommandContext(ctx, engine, "logs", id).CombinedOutput()
			if err != nil {
				return err.Error()
			}
			return string(text)
		},
	}
	published, err := output(ctx, engine, "port", id, decimal(port))
	if err != nil {
		return nil, errors.Join(err, c.Stop(ctx))
	}
	c.published, _, _ = strings.Cut(published, "\n")
	return c, nil
}

// load gives the engine an image and returns the name that it has there.
func load(ctx context.Context, engine string, img v1.Image) (ref string, err error) {
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
	return tag.String(), tool(ctx, engine, "load", "--input", archive)
}

// taggedImage returns the image of a layout that has a tag.
func taggedImage(dir, tag string) (v1.Image, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the layout %s: %w", dir, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading the layout %s: %w", dir, err)
	}
	for _, desc := range manifest.Manifests {
		if desc.Annotations["org.opencontainers.image.ref.name"] != tag {
			continue
		}
		img, err := index.Image(desc.Digest)
		if err != nil {
			return nil, fmt.Errorf("reading the image %s of %s: %w", tag, dir, err)
		}
		return img, nil
	}
	return nil, fmt.Errorf("reading the layout %s: no image is tagged %q", dir, tag)
}

// output runs a program of the host and returns its first output.
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
