package strace

import "testing"

// TestPIDReuse takes a pid for another process once its own has ended, also
// where the new one never executes anything.
func TestPIDReuse(t *testing.T) {
	t.Parallel()
	scenario{log: `
1 execve("/app/a", ["a"], 0x7ffe /* 3 vars */) = 0
1 fork() = 2
2 execve("/app/b", ["b"], 0x7ffe /* 3 vars */) = 0
2 access("/of-b", R_OK) = 0
2 exit_group(0) = ?
2 +++ exited with 0 +++
1 fork() = 2
2 access("/of-a", R_OK) = 0
2 +++ killed by SIGKILL +++
1 fork() = 2
2 execve("/app/c", ["c"], 0x7ffe /* 3 vars */) = 0
2 access("/of-c", R_OK) = 0
`, want: `
exec /app/a of [] [entrypoint] [startup]
exec /app/b of [/app/a] [child] [startup]
exec /app/c of [/app/a] [child] [startup]
file "/of-a" via [] [stat] by [/app/a] [startup]
file "/of-b" via [] [stat] by [/app/b] [startup]
file "/of-c" via [] [stat] by [/app/c] [startup]
`}.run(t)
}
