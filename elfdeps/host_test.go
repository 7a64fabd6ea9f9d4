package elfdeps_test

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
)

// TestHostLdd compares the closure with what the host's own loader says.
func TestHostLdd(t *testing.T) {
	t.Parallel()
	ldd, err := exec.LookPath("ldd")
	if err != nil {
		t.Skip("no ldd on this host")
	}
	root := os.DirFS("/")
	if _, err := fs.Stat(root, "etc/ld.so.cache"); err != nil {
		t.Skip("not a glibc host")
	}
	l, err := elfdeps.New(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"/bin/ls", "/bin/bash", "/usr/bin/python3", "/usr/bin/git", "/usr/bin/gcc", "/usr/bin/perl",
		"/usr/bin/curl", "/usr/bin/gdb", "/usr/sbin/sshd", "/usr/bin/openssl", "/usr/bin/vim.basic",
		"/usr/bin/node", "/usr/bin/psql", "/usr/bin/skopeo", "/usr/bin/ffmpeg", "/usr/bin/perf",
		"/lib/x86_64-linux-gnu/libpthread.so.0", "/usr/lib/x86_64-linux-gnu/libcurl.so.4",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat(name); err != nil {
				t.Skipf("no %s on this host", name)
			}
			out, err := exec.Command(ldd, name).Output()
			if err != nil {
				t.Skipf("ldd %s: %v", name, err)
			}
			want := lddPaths(t, out)
			got := realPaths(t, closure(t, l, strings.TrimPrefix(name, "/")))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("closure (-ldd +elfdeps):\n%s", diff)
			}
		})
	}
}

// closure returns all paths that path needs, directly or not, without variants
// for other processors.
func closure(t *testing.T, l *elfdeps.Loader, path string) []string {
	t.Helper()
	type job struct {
		path      string
		inherited []string
	}
	seen := map[string]bool{}
	todo := []job{{path, nil}}
	var out []string
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		deps, pass, err := l.Deps(next.path, next.inherited)
		if err != nil {
			t.Fatalf("Deps(%q): %v", next.path, err)
		}
		for _, d := range deps {
			if d.Path == "" {
				t.Errorf("%s: %s not found", next.path, d.Name)
			}
			if d.Path == "" || seen[d.Path] || strings.Contains(d.Path, "hwcaps") {
				continue
			}
			seen[d.Path] = true
			out = append(out, d.Path)
			todo = append(todo, job{d.Path, pass})
		}
	}
	return out
}

// lddPaths returns the resolved paths that ldd names.
func lddPaths(t *testing.T, out []byte) []string {
	t.Helper()
	var paths []string
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		line := sc.Text()
		if _, after, ok := strings.Cut(line, "=> "); ok {
			line = after
		}
		line = strings.TrimSpace(line)
		if path, _, ok := strings.Cut(line, " (0x"); ok && strings.HasPrefix(path, "/") {
			paths = append(paths, path[1:])
		}
	}
	return realPaths(t, paths)
}

// realPaths resolves links and sorts.
func realPaths(t *testing.T, paths []string) []string {
	t.Helper()
	seen := map[string]bool{}
	for _, p := range paths {
		target, err := filepath.EvalSymlinks("/" + p)
		if err != nil {
			t.Fatal(err)
		}
		seen[target] = true
	}
	return sorted(seen)
}
