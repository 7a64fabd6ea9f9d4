package pkgdb_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/pkgdb"
)

// readTarGz reads an archive into a MapFS, absolute links made relative since
// MapFS does not follow them otherwise.
func readTarGz(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	root := fstest.MapFS{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		mode := h.FileInfo().Mode()
		if mode.Type() == fs.ModeSymlink {
			target := h.Linkname
			if path.IsAbs(target) {
				depth := strings.Count(path.Clean(h.Name), "/")
				target = strings.Repeat("../", depth) + target[1:]
			}
			data = []byte(target)
		}
		if at := path.Clean(h.Name); at != "." {
			root[at] = &fstest.MapFile{Data: data, Mode: mode}
		}
	}
}

// alpine returns the root filesystem of Alpine's minirootfs.
func alpine(t *testing.T) fstest.MapFS {
	t.Helper()
	const name = "shared/images/alpine-minirootfs-3.20.3-x86_64.tar.gz"
	for dir := ".."; len(dir) < 20; dir = filepath.Join("..", dir) {
		if at := filepath.Join(dir, name); exists(at) {
			return readTarGz(t, at)
		}
	}
	t.Skipf("no %s above this checkout", name)
	return nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// nothing drops and loses nothing.
func nothing(pkgdb.Package) bool { return false }

func noPath(string) bool { return false }

// overlay is a root with changed files.
type overlay struct {
	fs.FS
	changes pkgdb.Rewrite
}

func (o overlay) Open(name string) (fs.File, error) {
	c, ok := o.changes[name]
	if !ok {
		return o.FS.Open(name)
	}
	if c.Drop {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return fstest.MapFS{"f": {Data: c.Content}}.Open("f")
}

func (o overlay) Stat(name string) (fs.FileInfo, error) {
	if _, ok := o.changes[name]; !ok {
		return fs.Stat(o.FS, name)
	}
	f, err := o.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Stat()
}

func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		c, ok := o.changes[path.Join(name, e.Name())]
		return ok && c.Drop
	}), err
}

func (o overlay) ReadLink(name string) (string, error)   { return fs.ReadLink(o.FS, name) }
func (o overlay) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(o.FS, name) }

func ids(list []pkgdb.Package) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.ID())
	}
	return out
}

// checkDropping reads a database, changes nothing, then drops each of the
// packages in turn and reads again.
func checkDropping(t *testing.T, root fs.FS, names ...string) {
	t.Helper()
	db, err := pkgdb.Read(root, pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	same, err := db.Without(nothing, noPath)
	if err != nil {
		t.Fatal(err)
	}
	if len(same) != 0 {
		t.Errorf("dropping nothing changes %q", same.Paths())
	}
	for _, name := range names {
		drop := func(p pkgdb.Package) bool { return p.Name == name }
		changes, err := db.Without(drop, noPath)
		if err != nil {
			t.Fatal(err)
		}
		after, err := pkgdb.Read(overlay{root, changes}, pkgdb.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(db.Packages(), drop)
		if len(want) == len(db.Packages()) {
			t.Errorf("no package %s to drop", name)
		}
		if diff := cmp.Diff(ids(want), ids(after.Packages())); diff != "" {
			t.Errorf("without %s (-want +got):\n%s", name, diff)
		}
		got := after.Packages()
		for i := range min(len(got), len(want)) {
			if !slices.Equal(got[i].Files, want[i].Files) {
				t.Errorf("without %s, the files of %s differ", name, want[i].ID())
			}
		}
	}
}

func TestAlpine(t *testing.T) {
	t.Parallel()
	root := alpine(t)
	db, err := pkgdb.Read(root, pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(db.Packages()); got != 14 {
		t.Errorf("%d packages, want 14", got)
	}
	busybox := db.Owners("bin/busybox")
	if diff := cmp.Diff([]string{"apk:busybox:x86_64"}, ids(busybox)); diff != "" {
		t.Errorf("owners of bin/busybox (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"musl"}, busybox[0].Depends); diff != "" {
		t.Errorf("dependencies of busybox (-want +got):\n%s", diff)
	}
	problems, err := pkgdb.Check(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]pkgdb.Problem(nil), problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	checkDropping(t, root, ids2names(db.Packages())...)
}

func ids2names(list []pkgdb.Package) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	return out
}

// TestAlpineEverything drops all: what is left names no package.
func TestAlpineEverything(t *testing.T) {
	t.Parallel()
	root := alpine(t)
	db, err := pkgdb.Read(root, pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := db.Without(func(pkgdb.Package) bool { return true }, noPath)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"etc/apk/world", "lib/apk/db/installed", "lib/apk/db/scripts.tar", "lib/apk/db/triggers"}
	if diff := cmp.Diff(want, changes.Paths()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	for name, c := range changes {
		if len(bytes.Trim(c.Content, "\x00")) > 0 {
			t.Errorf("%s still holds %q", name, c.Content)
		}
	}
}

func TestHostDpkg(t *testing.T) {
	t.Parallel()
	root := os.DirFS("/")
	if _, err := fs.Stat(root, "var/lib/dpkg/status"); err != nil {
		t.Skip("not a dpkg host")
	}
	db, err := pkgdb.Read(root, pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d packages, %d leftovers", len(db.Packages()), len(db.Leftovers()))
	checkDropping(t, root, "dash", "libc6")
	all, err := db.Without(func(pkgdb.Package) bool { return true }, noPath)
	if err != nil {
		t.Fatal(err)
	}
	if got := all["var/lib/dpkg/status"]; got == nil || len(bytes.TrimSpace(got.Content)) > 0 {
		t.Error("status is not empty without any package")
	}
}
