//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// must joins the errors of steps that have to succeed.
func must(steps ...func() error) error {
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// failing checks that a step fails as it has to.
func failing(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("got %w, want %w", err, want)
	}
	return nil
}

func read(path string) func() error {
	return func() error {
		_, err := os.ReadFile(path)
		return err
	}
}

// files uses files in every way.
func files() error {
	var st unix.Stat_t
	buf := make([]byte, 64)
	return must(
		read("/data/current/conf"),
		read("/data/../data/./rel/v1/other"),
		func() error { return unix.Stat("/etc/stat-only", &st) },
		func() error { return unix.Lstat("/data/current", &st) },
		func() error { return unix.Access("/etc/accessed", unix.R_OK) },
		func() error { _, err := unix.Readlink("/data/rel/latest", buf); return err },
		func() error { _, err := unix.Readlink("/etc/no-link", buf); return failing(err, unix.EINVAL) },
		func() error { _, err := os.ReadDir("/etc/dir"); return err },
		func() error { return failing(unix.Stat("/etc/missing", &st), unix.ENOENT) },
		func() error { return failing(unix.Stat("/etc/no-link/below", &st), unix.ENOTDIR) },
		func() error { return failing(unix.Exec("/bin/missing", []string{"x"}, nil), unix.ENOENT) },
		relative, modern, mappings, changes, thread,
		read("/vol/kept"),
		func() error { return os.WriteFile("/vol/new", nil, 0o600) },
		read("/proc/self/status"),
	)
}

// relative opens paths that are relative to directories.
func relative() error {
	dir, err := unix.Open("/data", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	fd, err := unix.Openat(dir, "rel/v1/at", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	_ = unix.Close(dir)
	if err := os.Chdir("/data"); err != nil {
		return err
	}
	defer func() { _ = os.Chdir("/") }()
	return read("rel/v1/cwd")()
}

// modern opens with the newer calls.
func modern() error {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/etc/openat2", &unix.OpenHow{Flags: unix.O_RDONLY})
	if err != nil {
		return err
	}
	_ = unix.Close(fd)
	var stx unix.Statx_t
	return unix.Statx(unix.AT_FDCWD, "/etc/statx", 0, unix.STATX_BASIC_STATS, &stx)
}

func mappings() error {
	for path, prot := range map[string]int{"/lib/code.so": unix.PROT_READ | unix.PROT_EXEC, "/lib/data.bin": unix.PROT_READ} {
		fd, err := unix.Open(path, unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		if _, err := unix.Mmap(fd, 0, 1, prot, unix.MAP_PRIVATE); err != nil {
			return err
		}
		_ = unix.Close(fd)
	}
	return nil
}

// changes writes, in the image and beside it.
func changes() error {
	return must(
		func() error { return os.WriteFile("/tmp/new", []byte("x"), 0o600) },
		func() error { return unix.Rename("/tmp/new", "/tmp/newer") },
		func() error { return unix.Link("/tmp/newer", "/tmp/hard") },
		func() error { return unix.Symlink("/tmp/newer", "/tmp/soft") },
		func() error { return unix.Unlink("/tmp/hard") },
		func() error { return unix.Mkdir("/tmp/made", 0o700) },
		func() error { return unix.Chmod("/etc/chmod", 0o640) },
		func() error { return unix.Chown("/etc/chown", 7, 7) },
		func() error { return unix.Truncate("/etc/truncate", 1) },
		func() error { return os.WriteFile("/etc/written", []byte("x"), 0o600) },
		func() error { return unix.Unlink("/etc/unlink") },
	)
}

// thread opens a file on a thread of its own.
func thread() error {
	var wait sync.WaitGroup
	var err error
	wait.Add(1)
	go func() {
		defer wait.Done()
		runtime.LockOSThread() // and never unlocked: the thread ends
		err = read("/etc/thread")()
	}()
	wait.Wait()
	return err
}

// programs executes in every way.
func programs() error {
	return must(
		func() error { return exec.Command("/bin/nop").Run() },
		func() error {
			fd, err := unix.Open("/bin/by-fd", unix.O_PATH, 0)
			if err != nil {
				return err
			}
			return execAt(fd, "", unix.AT_EMPTY_PATH)
		},
		memfd, storm,
	)
}

// execAt executes by execveat in a child, which is this program again.
func execAt(fd int, path string, flags int) error {
	argv0, _ := unix.BytePtrFromString("nop")
	pathname, _ := unix.BytePtrFromString(path)
	argv := []*byte{argv0, nil}
	env := []*byte{nil}
	pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		_, _, _ = unix.RawSyscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(pathname)),
			uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])), uintptr(flags), 0)
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 9, 0, 0)
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(int(pid), &status, 0, nil); err != nil {
		return err
	}
	if status.ExitStatus() != 0 {
		return fmt.Errorf("the child of execveat: %v", status)
	}
	return nil
}

// memfd executes a program that is in no file system.
func memfd() error {
	raw, err := os.ReadFile("/bin/box")
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("ghost", 0)
	if err != nil {
		return err
	}
	for len(raw) > 0 {
		n, err := unix.Write(fd, raw)
		if err != nil {
			return err
		}
		raw = raw[n:]
	}
	return execAt(fd, "", unix.AT_EMPTY_PATH)
}

// storm makes many short processes at once.
func storm() error {
	var wait sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs[i] = exec.Command("/bin/nop").Run()
		}()
	}
	wait.Wait()
	return errors.Join(errs...)
}
