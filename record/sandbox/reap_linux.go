package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reapEvery is how often is looked for orphans of a container.
const reapEvery = 200 * time.Millisecond

// reapOrphans takes the ends of those who were executed in a container by a
// runtime that did not wait for them: they are this process's now, and as long
// as one is a zombie the kernel does not let the container end. It goes on until
// the container has ended.
func reapOrphans(ended <-chan struct{}) {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			for _, pid := range children() {
				reap(pid)
			}
		}
	}
}

// reap takes the end of an orphan. Children of this process that others wait for
// are left alone: programs of this host, and the first process of a container.
func reap(pid int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err == nil && isOrphan(string(status)) {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // it may be gone
	}
}

// children are those of this process, of whatever thread.
func children() []int {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return nil
	}
	var pids []int
	for _, name := range lists {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for f := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// isOrphan reads from the text of /proc/PID/status whether a process has ended in
// a PID namespace below that of this process, and was not its first.
func isOrphan(status string) bool {
	ended := false
	for line := range strings.Lines(status) {
		if state, ok := strings.CutPrefix(line, "State:"); ok {
			ended = strings.HasPrefix(strings.TrimSpace(state), "Z")
		}
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			f := strings.Fields(numbers)
			return ended && len(f) > 1 && f[len(f)-1] != "1"
		}
	}
	return false
}
