package sandbox

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// deep makes directories below directories, and a file in the last one.
func deep(t *testing.T, dir string, levels int) {
	t.Helper()
	at, err := openDir(unix.AT_FDCWD, dir)
	if err != nil {
		t.Fatal(err)
	}
	for range levels {
		if err := unix.Mkdirat(int(at.Fd()), "d", 0o700); err != nil {
			t.Fatal(err)
		}
		next, err := openDir(int(at.Fd()), "d")
		if err != nil {
			t.Fatal(err)
		}
		_ = at.Close()
		at = next
	}
	defer at.Close()
	fd, err := unix.Openat(int(at.Fd()), "last", unix.O_CREAT|unix.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(fd)
}

func TestRemoveTree(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(t *testing.T, dir string){
		"empty": func(*testing.T, string) {},
		"deep":  func(t *testing.T, dir string) { deep(t, dir, 4_000) },
		"wide": func(t *testing.T, dir string) {
			for i := range readBatch + 100 {
				if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		},
		"links": func(t *testing.T, dir string) {
			for link, target := range map[string]string{"up": "..", "abs": "/etc", "self": "self"} {
				if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"shut": func(t *testing.T, dir string) {
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, "a/b"), 0o700), os.Chmod(filepath.Join(dir, "a/b"), 0), os.Chmod(filepath.Join(dir, "a"), 0)); err != nil {
				t.Fatal(err)
			}
			if os.Geteuid() != 0 {
				_ = os.Chmod(filepath.Join(dir, "a"), 0o700)
				_ = os.Chmod(filepath.Join(dir, "a/b"), 0o700)
			}
		},
		"the names of the pit": func(t *testing.T, dir string) {
			for _, name := range []string{"0/0/0", "1/1", "2", "0/1/2/3"} {
				if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer := t.TempDir()
			dir := filepath.Join(outer, "tree")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			build(t, dir)
			if err := removeTree(dir); err != nil {
				t.Error(err)
			}
			if list, err := os.ReadDir(outer); err != nil || len(list) > 0 {
				t.Errorf("left: %v, %v", list, err)
			}
		})
	}
}

// TestRemoveFrozen removes what chattr +i and +a forbid to change.
func TestRemoveFrozen(t *testing.T) {
	t.Parallel()
	outer := t.TempDir()
	dir := filepath.Join(outer, "tree")
	if err := os.MkdirAll(filepath.Join(dir, "a/frozen/in/it"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a/frozen/file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"+i", file}, {"+a", filepath.Join(dir, "a/frozen/in")}, {"+i", filepath.Join(dir, "a/frozen")}, {"+i", dir}} {
		if out, err := exec.Command("chattr", args...).CombinedOutput(); err != nil {
			_ = exec.Command("chattr", "-R", "-i", "-a", dir).Run()
			t.Skipf("NOT TESTED: chattr %v: %v: %s", args, err, out)
		}
	}
	if err := removeTree(dir); err != nil {
		t.Error(err)
		_ = exec.Command("chattr", "-R", "-i", "-a", dir).Run()
	}
	if list, err := os.ReadDir(outer); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

// TestRemoveGoesOn removes what an interrupted removal left, and nothing where
// nothing is.
func TestRemoveGoesOn(t *testing.T) {
	t.Parallel()
	outer := t.TempDir()
	dir := filepath.Join(outer, "tree")
	for _, name := range []string{"tree/a/b", "tree.gone/0/x/y", "tree.gone/7"} {
		if err := os.MkdirAll(filepath.Join(outer, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := removeTree(dir); err != nil {
			t.Error(err)
		}
	}
	if list, err := os.ReadDir(outer); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	if err := removeTree(filepath.Join(outer, "no/such/place")); err != nil {
		t.Error(err)
	}
}
