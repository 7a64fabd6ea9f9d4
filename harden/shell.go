package harden

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lathe-build/lathe/elfdeps"
)

// scanShellCalls reports programs and libraries that stay and would run a shell
// where the shell goes: functions of the C library that pass a line to /bin/sh,
// and those that start a program in files that name /bin/sh. That the profile
// saw none run is why the shell goes; this says where one would be missed.
func (p *planner) scanShellCalls() {
	shell, _ := p.resolve("bin/sh")
	if shell == nil || shell.kept {
		return
	}
	for _, f := range p.order {
		if !f.kept || f.elf == nil || !f.elf.Dynamic || strings.HasPrefix(f.elf.Soname, "libc.") {
			continue // the C library has these functions
		}
		r, err := p.tree.Content(int(f.entry.ID))
		if err != nil {
			continue
		}
		calls, err := elfdeps.Imports(r, r.Size(), append(shellCalls(), spawnCalls()...)...)
		if err != nil || len(calls) == 0 {
			continue // what is malformed was noted
		}
		if direct := among(calls, shellCalls()); len(direct) > 0 {
			calls = direct
		} else if !contains(r, r.Size(), []byte("/bin/sh\x00")) {
			continue
		}
		p.note("shell-call", f.path, fmt.Sprintf("calls %s, which would run /bin/sh, and that goes: the profile never saw it (--keep /bin/sh keeps it)",
			strings.Join(calls, ", ")))
	}
}

// shellCalls pass a line to a shell (system(3), popen(3)). wordexp does for
// command substitution only, which its callers mostly forbid.
func shellCalls() []string { return []string{"popen", "system"} }

// spawnCalls start a program, which can be a shell.
func spawnCalls() []string {
	return []string{"execl", "execle", "execlp", "execv", "execve", "execvp", "execvpe", "posix_spawn", "posix_spawnp"}
}

// among gives what is in both lists, in the order of the first.
func among(list, of []string) []string {
	var both []string
	for _, s := range list {
		for _, o := range of {
			if s == o {
				both = append(both, s)
			}
		}
	}
	return both
}

// contains looks for a few bytes in content, without holding all of it.
func contains(r io.ReaderAt, size int64, what []byte) bool {
	const chunk = 256 << 10
	buf := make([]byte, chunk+len(what))
	for off := int64(0); off < size; off += chunk {
		n := min(int64(len(buf)), size-off)
		if _, err := r.ReadAt(buf[:n], off); err != nil && !errors.Is(err, io.EOF) {
			return false
		}
		if bytes.Contains(buf[:n], what) {
			return true
		}
	}
	return false
}
