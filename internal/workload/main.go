//go:build linux

// Workload is what the tests of record/trace record: a program that does
// everything once that a recorder has to see. It is one static program with many
// names, as busybox is:
//
//	launch ROOT   enters ROOT in new namespaces, waits for a line, executes /entry
//	interp        interprets the script /entry: it executes app
//	app           does everything
//	nop, probe, old
//	              do nothing
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "workload:", err)
		os.Exit(1) //nolint:forbidigo // a program of its own
	}
}

func run() error {
	name := filepath.Base(os.Args[0])
	if len(os.Args) > 2 && os.Args[1] == "launch" {
		return launch(os.Args[2], os.Args[3:])
	}
	switch name {
	case "interp":
		i := slices.Index(os.Args, "/entry")
		return unix.Exec("/bin/app", append([]string{"app"}, os.Args[i+1:]...), os.Environ())
	case "app":
		if len(os.Args) > 1 {
			return part(os.Args[1])
		}
		return errors.Join(files(), programs(), uring(), network(), names())
	case "nop", "probe", "old":
		return nil
	default:
		return fmt.Errorf("nobody called %q", name)
	}
}

// part does one thing of many.
func part(name string) error {
	switch name {
	case "files":
		return files()
	case "network":
		return errors.Join(network(), names())
	case "storm":
		return storm()
	case "wait":
		return wait()
	case "serve":
		return serve()
	case "walk":
		return walk()
	case "old":
		return exec.Command("/bin/old").Run()
	default:
		return fmt.Errorf("there is no part %q", name)
	}
}

// launch makes root the root of this process, says so, and executes /entry once
// a line was read.
func launch(root string, args []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	root, err := mountRoot(root, os.Getenv("WORKLOAD_OVERLAY"))
	if err != nil {
		return err
	}
	for dir, kind := range map[string]string{"vol": "tmpfs", "proc": "proc"} {
		if err := unix.Mount(kind, filepath.Join(root, dir), kind, 0, ""); err != nil {
			return fmt.Errorf("mounting /%s: %w", dir, err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "vol/kept"), []byte("x"), 0o600); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := loopback(); err != nil {
		return err
	}
	// What a runtime does inside must not be recorded.
	if _, err := os.ReadFile("/etc/of-the-runtime"); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(os.Stdout, "ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting: %w", err)
	}
	return unix.Exec("/entry", append([]string{"/entry"}, args...), []string{"PATH=/bin"})
}

// mountRoot makes root a mount of its own, or with a directory for changes the
// lower part of an overlay, and gives its place.
func mountRoot(root, upper string) (string, error) {
	if upper == "" {
		if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return "", fmt.Errorf("binding the root: %w", err)
		}
		return root, nil
	}
	merged, options := filepath.Join(upper, "merged"), "lowerdir="+root
	for _, part := range []string{"upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(upper, part), 0o755); err != nil {
			return "", err
		}
	}
	options += ",upperdir=" + filepath.Join(upper, "upper") + ",workdir=" + filepath.Join(upper, "work")
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return "", fmt.Errorf("mounting an overlay: %w", err)
	}
	return merged, nil
}
