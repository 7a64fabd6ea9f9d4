package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// Found is a running container.
type Found struct {
	PID    int           // its first process, on the host
	Engine string        // docker, podman or containerd
	ID     string        // as the engine has it
	Image  profile.Image // as far as the engine tells; the zero value: not at all
}

// engineAnswer is the most that is read of an engine's answer.
const engineAnswer = 4 << 20

// FindContainer asks docker, podman and containerd for a running container, by
// its ID or name. They are asked through their own programs, which heed the
// environment: DOCKER_HOST, CONTAINER_HOST, CONTAINERD_ADDRESS.
func FindContainer(ctx context.Context, id string) (Found, error) {
	if id == "" || strings.HasPrefix(id, "-") {
		return Found{}, fmt.Errorf("the container %q: that is no ID", id)
	}
	var said []string // by those who do not know it, or do not answer
	for _, engine := range []string{"docker", "podman"} {
		if _, err := exec.LookPath(engine); err != nil {
			continue
		}
		out, err := ask(ctx, engine, "container", "inspect", id)
		if err != nil {
			said = append(said, engine+": "+err.Error())
			continue
		}
		found, err := parseInspect(out)
		if err != nil {
			return Found{}, fmt.Errorf("asking %s for the container %q: %w", engine, id, err)
		}
		found.Engine = engine
		return found, nil
	}
	if _, err := exec.LookPath("ctr"); err == nil {
		found, err := findTask(ctx, id)
		if err == nil {
			return found, nil
		}
		said = append(said, "containerd: "+err.Error())
	}
	if len(said) == 0 {
		return Found{}, errors.New("neither docker, podman nor ctr is installed: --pid and --cgroup work without")
	}
	return Found{}, fmt.Errorf("no running container %q is known: %s", id, strings.Join(said, "; "))
}

func ask(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if text := strings.TrimSpace(string(exit.Stderr)); text != "" {
			err = errors.New(text[strings.LastIndexByte(text, '\n')+1:])
		}
	}
	if err == nil && len(out) > engineAnswer {
		err = fmt.Errorf("an answer of more than %d bytes", engineAnswer)
	}
	return out, err
}

// parseInspect reads the answer of docker and podman container inspect.
func parseInspect(out []byte) (Found, error) {
	var list []struct {
		ID    string `json:"Id"`
		Image string
		State struct{ Pid int }
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return Found{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(list) != 1 {
		return Found{}, fmt.Errorf("%d containers have that name", len(list))
	}
	c := list[0]
	if c.State.Pid <= 1 {
		return Found{}, errors.New("it does not run")
	}
	found := Found{PID: c.State.Pid, ID: c.ID}
	if hex := strings.TrimPrefix(c.Image, "sha256:"); len(hex) == 64 { // podman leaves the algorithm out
		found.Image.ConfigDigest = []string{"sha256:" + hex}
	} else if c.Image != "" {
		found.Image.Refs = []string{c.Image}
	}
	return found, nil
}

// findTask asks containerd, in all its namespaces.
func findTask(ctx context.Context, id string) (Found, error) {
	spaces, err := ask(ctx, "ctr", "namespaces", "ls", "-q")
	if err != nil {
		return Found{}, err
	}
	for space := range strings.FieldsSeq(string(spaces)) {
		tasks, err := ask(ctx, "ctr", "-n", space, "tasks", "ls")
		if err != nil {
			continue
		}
		if pid, full, ok := parseTasks(string(tasks), id); ok {
			return Found{PID: pid, Engine: "containerd", ID: full, Image: taskImage(ctx, space, full)}, nil
		}
	}
	return Found{}, errors.New("no such task")
}

// taskImage asks for the image of a container, as far as containerd knows it.
func taskImage(ctx context.Context, space, id string) profile.Image {
	out, err := ask(ctx, "ctr", "-n", space, "containers", "info", id)
	if err != nil {
		return profile.Image{}
	}
	var info struct{ Image string }
	if err := json.Unmarshal(out, &info); err != nil || info.Image == "" {
		return profile.Image{}
	}
	table, err := ask(ctx, "ctr", "-n", space, "images", "ls", "name=="+info.Image)
	if err != nil {
		return profile.Image{Refs: []string{info.Image}}
	}
	return parseImages(string(table), info.Image)
}

// parseImages finds an image in the table that ctr images ls prints: REF TYPE
// DIGEST.
func parseImages(table, ref string) profile.Image {
	about := profile.Image{Refs: []string{ref}}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != ref || !strings.HasPrefix(f[2], "sha256:") {
			continue
		}
		if strings.Contains(f[1], "index") || strings.Contains(f[1], "list") {
			about.IndexDigest = []string{f[2]}
		} else {
			about.Digest = f[2]
		}
	}
	return about
}

// parseTasks finds a task in the table that ctr tasks ls prints: TASK PID
// STATUS. A long enough beginning of an ID is enough, if only one task has it.
func parseTasks(table, id string) (int, string, bool) {
	pid, full := 0, ""
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "RUNNING" {
			continue
		}
		n, err := strconv.Atoi(f[1])
		if err != nil || n <= 1 {
			continue
		}
		if f[0] == id {
			return n, f[0], true
		}
		if len(id) >= 8 && strings.HasPrefix(f[0], id) {
			if full != "" {
				return 0, "", false
			}
			pid, full = n, f[0]
		}
	}
	return pid, full, full != ""
}
