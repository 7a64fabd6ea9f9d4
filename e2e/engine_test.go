//go:build e2e && linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// engine is a container engine that was started for a test, in a directory of
// its own and without a network: nothing of the host's is touched.
type engine struct {
	name string
	env  []string
	load []string // command that takes the archive of an image as its last argument
	run  []string // and the name of an image
	stop []string
}

// engines are those that are installed. It says what is missing.
func engines(t *testing.T) map[string]func(*testing.T) engine {
	t.Helper()
	list := map[string]func(*testing.T) engine{}
	for name, e := range map[string]struct {
		needs []string
		start func(*testing.T) engine
	}{
		"docker":     {[]string{"docker", "dockerd", "containerd", "runc"}, startDocker},
		"podman":     {[]string{"podman", "runc"}, startPodman},
		"containerd": {[]string{"ctr", "containerd", "runc"}, startContainerd},
	} {
		missing := ""
		for _, program := range e.needs {
			if _, err := exec.LookPath(program); err != nil {
				missing = program
			}
		}
		if missing != "" {
			t.Errorf("NOT TESTED with %s: %s is not installed: try `scripts/deps.sh engines`", name, missing)
			continue
		}
		list[name] = e.start
	}
	return list
}

func startDocker(t *testing.T) engine {
	dir := shortDir(t)
	socket, config := filepath.Join(dir, "sock"), filepath.Join(dir, "daemon.json")
	if err := os.WriteFile(config, []byte("{}"), 0o600); err != nil { // and not that of the host
		t.Fatal(err)
	}
	serve(t, socket, "dockerd", "--host", "unix://"+socket, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--iptables=false", "--ip6tables=false", "--bridge=none", "--config-file", config)
	return engine{
		name: "docker", env: []string{"DOCKER_HOST=unix://" + socket, "DOCKER_CONFIG=" + dir},
		load: []string{"docker", "load", "--input"},
		run:  []string{"docker", "run", "--detach", "--network", "none", "--name", "web"},
		stop: []string{"docker", "rm", "--force", "web"},
	}
}

func startPodman(t *testing.T) engine {
	dir := shortDir(t)
	storage, config := filepath.Join(dir, "storage.conf"), filepath.Join(dir, "containers.conf")
	for name, text := range map[string]string{
		storage: fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(dir, "data"), filepath.Join(dir, "run")),
		config: "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n" +
			"[engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\ntmp_dir = \"" + filepath.Join(dir, "tmp") + "\"\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return engine{
		name: "podman", env: []string{"CONTAINERS_STORAGE_CONF=" + storage, "CONTAINERS_CONF=" + config, "DOCKER_HOST=unix:///nothing.sock"},
		load: []string{"podman", "load", "--quiet", "--input"},
		run:  []string{"podman", "run", "--detach", "--network", "none", "--name", "web"},
		stop: []string{"podman", "rm", "--force", "web"},
	}
}

func startContainerd(t *testing.T) engine {
	dir := shortDir(t)
	socket, config := filepath.Join(dir, "sock"), filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		filepath.Join(dir, "data"), filepath.Join(dir, "state"), socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, socket, "containerd", "--config", config)
	return engine{
		name: "containerd", env: []string{"CONTAINERD_ADDRESS=" + socket, "DOCKER_HOST=unix:///nothing.sock"},
		load: []string{"ctr", "images", "import"},
		run:  []string{"ctr", "run", "--detach"},
		stop: []string{"ctr", "tasks", "rm", "--force", "web"},
	}
}

// shortDir is a directory whose name is short enough for a socket in it.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "le") //nolint:usetesting // its names are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, _ := exec.Command("findmnt", "--list", "--noheadings", "--output", "TARGET").Output()
		for at := range strings.Lines(string(left)) { // an engine's own bind mounts
			if at = strings.TrimSpace(at); strings.HasPrefix(at, dir+"/") {
				_ = syscall.Unmount(at, syscall.MNT_DETACH)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serve starts a daemon and waits until it answers. It ends with the test.
func serve(t *testing.T, socket, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	log, err := os.Create(filepath.Join(t.TempDir(), program+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = log.Close()
	})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("%s ended: %s", program, said)
		case <-late:
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not answer: %s", program, said)
		}
	}
}

// command runs a command of an engine, which must succeed.
func (e engine) command(t *testing.T, line []string, more ...string) string {
	t.Helper()
	r := run("", e.env, line[0], append(line[1:len(line):len(line)], more...)...)
	if r.code != 0 {
		t.Fatalf("%s %s: exit %d: %s", strings.Join(line, " "), strings.Join(more, " "), r.code, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}
