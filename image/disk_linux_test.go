package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// mountTmpfs mounts a small filesystem for the time of a test.
func mountTmpfs(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting a filesystem needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	parent := mountTmpfs(t, "size=64k")
	big := newImage(t, "linux/amd64", rawLayer(t, "f", strings.Repeat("x", 1<<20)))
	final := filepath.Join(parent, "out")
	writeTestFile(t, filepath.Join(final, "oci-layout"), []byte("old"))
	before := tree(t, parent)

	s, err := Stage(final, true)
	if err != nil {
		t.Fatal(err)
	}
	err = WriteLayout(t.Context(), s.Path(), []Entry{{Image: big}})
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("layout: %v", err)
	}
	wantErr(t, err, "no space left")
	if err := s.Abort(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(parent, "x.tar")
	if err := writeArchiveFile(t.Context(), file, "", big, false); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("docker archive: %v", err)
	}
	if err := WriteFile(file, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("file: %v", err)
	}
	if diff := cmp.Diff(before, tree(t, parent)); diff != "" {
		t.Errorf("after the failures (-want +got):\n%s", diff)
	}
}

func TestReadOnlyParent(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if os.Geteuid() == 0 {
		parent = mountTmpfs(t, "size=64k,ro")
	} else if err := os.Chmod(parent, 0o555); err != nil {
		t.Fatal(err)
	}
	_, err := Stage(filepath.Join(parent, "out"), false)
	if !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES) {
		t.Errorf("got %v", err)
	}
}

func TestStageMountPoint(t *testing.T) {
	t.Parallel()
	final := mountTmpfs(t, "size=64k")
	_, err := Stage(final, true)
	wantErr(t, err, "mount point")
}

// Where the filesystem cannot exchange two names, two renames do it.
func TestReplaceWithoutExchange(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	final := filepath.Join(parent, "out")
	writeTestFile(t, filepath.Join(final, "oci-layout"), []byte("old"))
	s := stageOrFail(t, final, true)
	writeTestFile(t, filepath.Join(s.Path(), "oci-layout"), []byte("new"))
	if err := s.replace(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"oci-layout": "new"}, tree(t, final)); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}

	// If the second rename fails the first is undone.
	before := tree(t, final)
	broken := stageOrFail(t, final, true)
	if err := os.Remove(broken.Path()); err != nil {
		t.Fatal(err)
	}
	if err := broken.replace(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, tree(t, final)); diff != "" {
		t.Errorf("after a failure (-want +got):\n%s", diff)
	}
}
