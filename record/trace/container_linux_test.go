package trace

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lathe-build/lathe/internal/livetest"
	"github.com/lathe-build/lathe/profile"
)

// needRecorder skips, aloud, where this machine cannot record.
func needRecorder(t testing.TB) {
	t.Helper()
	livetest.Need(t, func() error {
		if os.Getuid() != 0 {
			return fs.ErrPermission
		}
		return Supported(t.Context())
	})
}

var (
	buildOnce sync.Once
	built     string
	buildErr  error
)

// workload is the path of internal/workload's program.
func workload(t testing.TB) string {
	t.Helper()
	buildOnce.Do(func() {
		dir, err := os.MkdirTemp("", "lathe-workload-") //nolint:usetesting // for all tests; TestMain removes it
		if err != nil {
			buildErr = err
			return
		}
		built = filepath.Join(dir, "box")
		cmd := exec.Command("go", "build", "-o", built, "github.com/lathe-build/lathe/internal/workload")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		buildErr = cmd.Run()
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return built
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

// image is a root filesystem in a directory, and what was in it before it ran.
type image struct {
	dir     string
	upper   string            // of an overlay over dir, if any
	entries map[string]string // path to the target of a link, "" for others
}

// newImage makes the root filesystem of internal/workload.
func newImage(t testing.TB) image {
	t.Helper()
	img := image{dir: t.TempDir(), entries: map[string]string{}}
	box := workload(t)
	write := func(name, content string, mode fs.FileMode) {
		file := filepath.Join(img.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(box)
	if err != nil {
		t.Fatal(err)
	}
	write("bin/box", string(program), 0o755)
	write("bin/by-fd", "", 0o755)
	if err := os.WriteFile(filepath.Join(img.dir, "bin/by-fd"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	write("entry", "#!/bin/interp\n", 0o755)
	for _, name := range strings.Fields(`etc/stat-only etc/accessed etc/no-link etc/dir/listed etc/openat2 etc/statx etc/chmod
		etc/chown etc/truncate etc/unlink etc/thread etc/uring etc/of-the-runtime etc/never etc/kept-open etc/after etc/page
		data/rel/v1/conf data/rel/v1/other data/rel/v1/at data/rel/v1/cwd lib/code.so lib/data.bin dev/null`) {
		write(name, "content of "+name, 0o644)
	}
	for _, dir := range []string{"tmp", "vol", "proc", "run", "dev"} {
		if err := os.MkdirAll(filepath.Join(img.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"bin/interp": "box", "bin/app": "/bin/box", "bin/nop": "box", "bin/probe": "box", "bin/wait": "box",
		"data/current": "rel/latest", "data/rel/latest": "v1",
	} {
		if err := os.Symlink(target, filepath.Join(img.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	img.snapshot(t)
	return img
}

func (img image) snapshot(t testing.TB) {
	t.Helper()
	err := filepath.WalkDir(img.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := ""
		if d.Type()&fs.ModeSymlink != 0 {
			if target, err = os.Readlink(name); err != nil {
				return err
			}
		}
		img.entries["/"+strings.TrimPrefix(strings.TrimPrefix(name, img.dir), "/")] = target
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// resolve is a profile.Resolver.
func (img image) resolve(name string) (target string, links []string, ok bool) {
	at := "/"
	rest := strings.Split(name, "/")
	for steps := 0; len(rest) > 0 && steps < 200; steps++ {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		next := path.Join(at, part)
		link, found := img.entries[next]
		switch {
		case !found:
			return "", links, false
		case link == "":
			at = next
		default:
			links = append(links, next)
			if strings.HasPrefix(link, "/") {
				at = "/"
			}
			rest = append(strings.Split(link, "/"), rest...)
		}
	}
	return at, links, true
}

// container is a process that waits in an image to be started.
type container struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// create makes a container that start starts.
func create(t testing.TB, img image, args ...string) *container {
	t.Helper()
	c := &container{cmd: exec.Command(workload(t), append([]string{"launch", img.dir}, args...)...)}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	c.cmd.Stderr = os.Stderr
	c.cmd.Env = append(os.Environ(), "WORKLOAD_OVERLAY="+img.upper)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdout = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(5*time.Minute, func() { _ = c.cmd.Process.Kill() })
	t.Cleanup(func() {
		timer.Stop()
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	})
	c.expect(t, "ready")
	return c
}

func (c *container) expect(t testing.TB, want string) {
	t.Helper()
	line, err := c.stdout.ReadString('\n')
	if err != nil || strings.TrimSpace(line) != want {
		t.Fatalf("the workload said %q (%v), want %q", line, err, want)
	}
}

func (c *container) start(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(c.stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
}

// enter executes a program in the container, as a healthcheck would.
func (c *container) enter(program string) ([]byte, error) {
	return exec.Command("nsenter", "-t", strconv.Itoa(c.cmd.Process.Pid), "-m", "-r", "-w", program).CombinedOutput()
}

func (c *container) wait(t testing.TB) {
	t.Helper()
	_, _ = io.Copy(io.Discard, c.stdout)
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("the workload: %v", err)
	}
}

// record runs a whole container under a recorder.
func record(t testing.TB, img image, opts Options, args ...string) *profile.Profile {
	t.Helper()
	c := create(t, img, args...)
	opts.Target.PID = c.cmd.Process.Pid
	r, err := Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	c.wait(t)
	return stop(t, r)
}

func stop(t testing.TB, r *Recorder) *profile.Profile {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := r.Stop(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
