//go:build linux

// Command fetch starts the image of an OCI layout under whatever runtime is
// there (runc or crun as root, else podman or docker), fetches a URL path from
// it and prints one line about the answer:
//
//	go run ./e2e/cmd/fetch -port 8080 .build/demo/out/image /
//
// It exits with 3 when no runtime is there.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lathe-build/lathe/e2e/container"
	"github.com/lathe-build/lathe/image"
)

var errNoRuntime = errors.New("no runtime is here: neither runc nor crun (with root and umoci), nor podman, nor docker")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "fetch:", err)
	if errors.Is(err, errNoRuntime) {
		os.Exit(3) //nolint:forbidigo // the main function of a program
	}
	os.Exit(1) //nolint:forbidigo // the main function of a program
}

func run(ctx context.Context) error {
	port := flag.Int("port", 8080, "TCP port of the server")
	tag := flag.String("tag", "latest", "tag of the image in the layout")
	flag.Parse()
	if flag.NArg() != 2 {
		return errors.New("usage: fetch [-port N] [-tag TAG] LAYOUT PATH")
	}
	dir, err := os.MkdirTemp("", "lathe-fetch-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing of worth
	layout, urlPath := flag.Arg(0), flag.Arg(1)
	_, noUmoci := exec.LookPath("umoci")
	if container.Runtime() != "" && os.Geteuid() == 0 && noUmoci == nil {
		return underRuntime(ctx, layout, *tag, filepath.Join(dir, "bundle"), *port, urlPath)
	}
	for _, engine := range []string{"podman", "docker"} {
		if exec.CommandContext(ctx, engine, "info").Run() == nil {
			return underEngine(ctx, engine, layout, *tag, filepath.Join(dir, "image.tar"), *port, urlPath)
		}
	}
	return errNoRuntime
}

func underRuntime(ctx context.Context, layout, tag, dir string, port int, urlPath string) (err error) {
	bundle, err := container.Unpack(ctx, layout, tag, dir)
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	c, err := container.Start(ctx, bundle, fmt.Sprintf("lathe-fetch-%d", os.Getpid()))
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	defer func() { err = errors.Join(err, c.Stop(ctx)) }()
	if err := c.Ready(ctx, port); err != nil {
		return fmt.Errorf("waiting: %w\n%s", err, c.Output())
	}
	answer, err := c.Get(ctx, port, urlPath)
	if err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	return tell(filepath.Base(container.Runtime()), urlPath, answer.Status, []byte(answer.Body))
}

// underEngine loads the image into an engine and publishes its port on loopback.
func underEngine(ctx context.Context, engine, layout, tag, archive string, port int, urlPath string) error {
	src, err := image.Read(ctx, image.Ref{Kind: image.OCI, Path: layout, Tag: tag}, image.Options{})
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // read only
	name := fmt.Sprintf("lathe-fetch-%d", os.Getpid())
	if err := image.WriteDockerArchive(ctx, archive, "localhost/"+name+":latest", src.Images[0].Image, true); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, engine, "load", "-i", archive).CombinedOutput(); err != nil {
		return fmt.Errorf("%s load: %w: %s", engine, err, out)
	}
	publish := fmt.Sprintf("127.0.0.1::%d", port)
	if out, err := exec.CommandContext(ctx, engine, "run", "-d", "--rm", "--name", name, "-p", publish, "localhost/"+name).CombinedOutput(); err != nil {
		return fmt.Errorf("%s run: %w: %s", engine, err, out)
	}
	defer func() {
		_ = exec.CommandContext(ctx, engine, "rm", "-f", name).Run()
		_ = exec.CommandContext(ctx, engine, "rmi", "-f", "localhost/"+name).Run()
	}()
	out, err := exec.CommandContext(ctx, engine, "port", name, fmt.Sprint(port)).Output()
	if err != nil {
		return fmt.Errorf("%s port: %w", engine, err)
	}
	address, _, _ := strings.Cut(string(bytes.TrimSpace(out)), "\n")
	return get(ctx, engine, "http://"+address+urlPath, urlPath)
}

func get(ctx context.Context, engine, url, urlPath string) error {
	var last error
	for range 50 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			body, err := io.ReadAll(resp.Body)
			if err = errors.Join(err, resp.Body.Close()); err != nil {
				return err
			}
			return tell(engine, urlPath, resp.StatusCode, body)
		}
		last = err
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("fetching: %w", last)
}

func tell(runtime, urlPath string, status int, body []byte) error {
	if status != http.StatusOK {
		return fmt.Errorf("GET %s under %s: status %d", urlPath, runtime, status)
	}
	fmt.Printf("GET %s under %s: %d, %d bytes\n", urlPath, runtime, status, len(body)) //nolint:forbidigo // the program's result
	return nil
}
