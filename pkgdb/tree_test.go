package pkgdb_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/pkgdb"
)

const (
	statusPath = "var/lib/dpkg/status"
	infoPath   = "var/lib/dpkg/info/"
)

// tree makes a root of files, links ("-> target") and directories (names that
// end in a slash).
func tree(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, content := range files {
		switch target, isLink := strings.CutPrefix(content, "-> "); {
		case isLink:
			root[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		case strings.HasSuffix(name, "/"):
			root[strings.TrimSuffix(name, "/")] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		default:
			root[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
		}
	}
	return root
}

// read reads the databases of a tree.
func read(t *testing.T, files map[string]string) *pkgdb.DB {
	t.Helper()
	db, err := pkgdb.Read(tree(files), pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// named drops the packages of these names.
func named(names ...string) func(pkgdb.Package) bool {
	return func(p pkgdb.Package) bool {
		for _, n := range names {
			if p.Name == n {
				return true
			}
		}
		return false
	}
}

// lost says that these paths are gone.
func lost(paths ...string) func(string) bool {
	return func(path string) bool {
		for _, p := range paths {
			if p == path {
				return true
			}
		}
		return false
	}
}

// contents shows a rewrite as text, a dropped file as "(dropped)".
func contents(r pkgdb.Rewrite) map[string]string {
	out := map[string]string{}
	for name, c := range r {
		out[name] = string(c.Content)
		if c.Drop {
			out[name] = "(dropped)"
		}
	}
	return out
}

// checkWithout compares a rewrite.
func checkWithout(t *testing.T, db *pkgdb.DB, dropped func(pkgdb.Package) bool, gone func(string) bool, want map[string]string) {
	t.Helper()
	got, err := db.Without(dropped, gone)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(got)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestNoDatabase(t *testing.T) {
	t.Parallel()
	db := read(t, map[string]string{"bin/app": "x", "var/lib/dpkg/info/": "", "lib/apk/db/": ""})
	if got := len(db.Packages()) + len(db.Leftovers()) + len(db.Managers()) + len(db.Paths()) + len(db.Owners("bin/app")); got != 0 {
		t.Errorf("%d things in an empty database", got)
	}
	checkWithout(t, db, named(), lost("bin/app"), map[string]string{})
}

func TestRpm(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db"} {
		db := read(t, map[string]string{name: "x"})
		if !db.ReadOnly() {
			t.Errorf("%s: not read-only", name)
		}
		if diff := cmp.Diff([]string{"rpm"}, db.Managers()); diff != "" {
			t.Errorf("%s: managers (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{name}, db.Paths()); diff != "" {
			t.Errorf("%s: paths (-want +got):\n%s", name, diff)
		}
	}
	if read(t, map[string]string{"var/lib/rpm/.lock": "", statusPath: ""}).ReadOnly() {
		t.Error("an rpm directory without a database makes it read-only")
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	root := tree(map[string]string{
		statusPath:                 "Package: a\n\nPackage: b\n",
		infoPath + "a.list":        "/.\n/usr\n/usr/x\n",
		"lib/apk/db/installed":     "P:c\nD:x\n",
		"etc/apk/world":            "c\n",
		"lib/apk/db/scripts.tar":   "",
		"var/lib/dpkg/diversions":  "",
		"var/lib/dpkg/status.d/d":  "Package: d\n",
		"usr/lib/apk/db/installed": "P:e\n",
	})
	for _, lim := range []pkgdb.Limits{{FileSize: 10}, {Packages: 4}, {Paths: 1}} {
		if _, err := pkgdb.Read(root, lim); !errors.Is(err, pkgdb.ErrLimit) {
			t.Errorf("%+v: error %v, want ErrLimit", lim, err)
		}
	}
	if _, err := pkgdb.Read(root, pkgdb.Limits{FileSize: 100, Packages: 5, Paths: 2}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

// brokenFS fails for one name.
type brokenFS struct {
	fstest.MapFS
	name string
}

var errMedium = errors.New("medium error")

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, errMedium
	}
	return b.MapFS.Open(name)
}

func (b brokenFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == b.name {
		return nil, errMedium
	}
	return b.MapFS.ReadDir(name)
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	root := tree(map[string]string{
		statusPath: "Package: a\n", infoPath + "a.list": "/usr\n", "var/lib/dpkg/diversions": "",
		"var/lib/dpkg/status.d/d": "Package: d\n", "var/lib/dpkg/status.d/d.md5sums": "",
		"lib/apk/db/installed": "P:c\n", "lib/apk/db/triggers": "", "lib/apk/db/scripts.tar": "", "etc/apk/world": "",
		"var/lib/dpkg/statoverride": "", infoPath + "a.md5sums": "", "var/lib/rpm/x": "",
	})
	for _, name := range []string{
		statusPath, infoPath + "a.list", "var/lib/dpkg/info", "var/lib/dpkg/status.d", "var/lib/dpkg/diversions",
		"var/lib/dpkg/status.d/d", "var/lib/dpkg/status.d/d.md5sums", "var/lib/dpkg", "lib/apk/db/installed", "lib/apk/db", "var/lib/rpm",
	} {
		if _, err := pkgdb.Read(brokenFS{root, name}, pkgdb.Limits{}); !errors.Is(err, errMedium) {
			t.Errorf("Read with a failing %s: error %v", name, err)
		}
	}
	for _, name := range []string{
		"lib/apk/db/triggers", "lib/apk/db/scripts.tar", "etc/apk/world", "var/lib/dpkg/statoverride", infoPath + "a.md5sums",
	} {
		db, err := pkgdb.Read(brokenFS{root, name}, pkgdb.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Without(nothing, noPath); !errors.Is(err, errMedium) {
			t.Errorf("Without with a failing %s: error %v", name, err)
		}
	}
}
