package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Found is a running container.
type Found struct {
	PID    int    // its first process, on the host
	Engine string // docker, podman or containerd
	ID     string // as the engine has it
	Image  string // config digest, sha256:…, or a name; "" when not known
}

// engineAnswer is the most that is read of an engine's answer.
const engineAnswer = 4 << 20

// FindContainer asks docker, podman and containerd for a running container, by
// its ID or name.
func FindContainer(ctx context.Context, id string) (Found, error) {
	if id == "" || strings.HasPrefix(id, "-") {
		return Found{}, fmt.Errorf("the container %q: that is no ID", id)
	}
	var asked []string
	for _, engine := range []string{"docker", "podman"} {
		if _, err := exec.LookPath(engine); err != nil {
			continue
		}
		asked = append(asked, engine)
		out, err := ask(ctx, engine, "container", "inspect", id)
		if err != nil {
			continue // not there, or the daemon does not answer
		}
		found, err := parseInspect(out)
		if err != nil {
			return Found{}, fmt.Errorf("asking %s for the container %q: %w", engine, id, err)
		}
		found.Engine = engine
		return found, nil
	}
	if _, err := exec.LookPath("ctr"); err == nil {
		asked = append(asked, "containerd")
		if found, ok := findTask(ctx, id); ok {
			return found, nil
		}
	}
	if len(asked) == 0 {
		return Found{}, errors.New("neither docker, podman nor ctr is installed: --pid and --cgroup work without")
	}
	return Found{}, fmt.Errorf("%s know no running container %q", strings.Join(asked, ", "), id)
}

func ask(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
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
	if hex := strings.TrimPrefix(c.Image, "sha256:"); len(hex) == 64 {
		c.Image = "sha256:" + hex // podman leaves the algorithm out
	}
	return Found{PID: c.State.Pid, ID: c.ID, Image: c.Image}, nil
}

// findTask asks containerd, in all its namespaces.
func findTask(ctx context.Context, id string) (Found, bool) {
	spaces, err := ask(ctx, "ctr", "namespaces", "ls", "-q")
	if err != nil {
		return Found{}, false
	}
	for space := range strings.FieldsSeq(string(spaces)) {
		tasks, err := ask(ctx, "ctr", "-n", space, "tasks", "ls")
		if err != nil {
			continue
		}
		if pid, full, ok := parseTasks(string(tasks), id); ok {
			return Found{PID: pid, Engine: "containerd", ID: full}, true
		}
	}
	return Found{}, false
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
