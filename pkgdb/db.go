package pkgdb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// ErrLimit is wrapped by errors about a database that exceeds [Limits].
var ErrLimit = errors.New("package database limit")

// Limits bounds what [Read] accepts. A zero field means the default.
type Limits struct {
	FileSize int64 // bytes of one database file; default 256 MiB
	Packages int   // packages of all databases; default 100,000
	Paths    int   // recorded paths of all packages; default 4,000,000
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	return Limits{
		FileSize: cmp.Or(l.FileSize, 256<<20),
		Packages: cmp.Or(l.Packages, 100_000),
		Paths:    cmp.Or(l.Paths, 4_000_000),
	}
}

// DB holds the package databases of one root filesystem. It does not change
// after [Read] and is safe for concurrent use if the filesystem is.
type DB struct {
	tree      *tree
	dpkg      *dpkgDB  // nil when there is none
	apk       []*apkDB // one a directory
	rpm       []string // its files
	packages  []Package
	leftovers []Package
	index     sync.Once        // makes owners, which not every reader asks for
	owners    map[string][]int // indexes into packages by canonical path
}

// Read reads the package databases of root. A root without any gives an empty
// DB and no error. The errors are those of the filesystem and [ErrLimit].
func Read(root fs.FS, lim Limits) (*DB, error) {
	db := &DB{tree: &tree{root: root, lim: lim.withDefaults(), dirs: map[string]string{}}}
	b := &builder{lim: db.tree.lim, index: map[key]int{}}
	if err := db.readDpkg(b); err != nil {
		return nil, err
	}
	if err := db.readApk(b); err != nil {
		return nil, err
	}
	if err := db.readRpm(); err != nil {
		return nil, err
	}
	for _, p := range b.packages {
		if p.Leftover {
			db.leftovers = append(db.leftovers, p)
		} else {
			db.packages = append(db.packages, p)
		}
	}
	byID := func(a, b Package) int { return cmp.Compare(a.ID(), b.ID()) }
	slices.SortFunc(db.packages, byID)
	slices.SortFunc(db.leftovers, byID)
	db.findDirs(b.dirs)
	return db, nil
}

// key identifies a package of a DB.
type key struct {
	id       string
	leftover bool
}

func (p Package) key() key { return key{p.ID(), p.Leftover} }

// builder collects packages. A later one with the same key replaces the
// former, as dpkg does.
type builder struct {
	lim      Limits
	packages []Package
	index    map[key]int
	paths    int
	dirs     []string // recorded as directories
}

// add adds a package and counts it against the limits.
func (b *builder) add(p Package) error {
	b.paths += len(p.Files)
	if b.paths > b.lim.Paths {
		return fmt.Errorf("%w: more than %d recorded paths", ErrLimit, b.lim.Paths)
	}
	if i, ok := b.index[p.key()]; ok {
		b.packages[i] = p
		return nil
	}
	if len(b.packages) >= b.lim.Packages {
		return fmt.Errorf("%w: more than %d packages", ErrLimit, b.lim.Packages)
	}
	b.index[p.key()] = len(b.packages)
	b.packages = append(b.packages, p)
	return nil
}

// findDirs tells which recorded paths are directories: those that are parents
// of others, those recorded as such, and those that the root has as one.
func (db *DB) findDirs(recorded []string) {
	dirs := map[string]bool{}
	for _, d := range recorded {
		dirs[d] = true
	}
	for _, p := range db.packages {
		for _, f := range p.Files {
			addParents(dirs, f)
		}
	}
	for i, p := range db.packages {
		db.packages[i].dirs = dirs
		if p.Manager != "dpkg" {
			continue // apk records what is a directory
		}
		for _, f := range p.Files {
			if !dirs[f] && db.tree.isDir(f) {
				dirs[f] = true
			}
		}
	}
}

// indexOwners maps canonical paths to packages.
func (db *DB) indexOwners() {
	db.owners = map[string][]int{}
	for i, p := range db.packages {
		for _, f := range p.Files {
			at := db.tree.canonical(p.place(f))
			if list := db.owners[at]; len(list) == 0 || list[len(list)-1] != i {
				db.owners[at] = append(list, i)
			}
		}
	}
}

// Packages returns the installed packages, sorted by ID. A package whose
// installation has not finished counts as installed.
func (db *DB) Packages() []Package { return slices.Clone(db.packages) }

// Leftovers returns the packages that were removed but not purged (dpkg's
// config-files and not-installed states), sorted by ID: they are in the
// database and not installed. They are not in Packages, and own nothing.
// [DB.Without] asks dropped for them too, with Leftover set: who drops them all
// gets a database without what is no longer there.
func (db *DB) Leftovers() []Package { return slices.Clone(db.leftovers) }

// Owners returns the packages that own path, sorted by ID: several do for a
// directory. Diversions are honoured, and both spellings of a path through a
// linked directory are found.
func (db *DB) Owners(path string) []Package {
	db.index.Do(db.indexOwners)
	list := db.owners[db.tree.canonical(path)]
	if len(list) == 0 {
		return nil
	}
	owners := make([]Package, len(list))
	for i, at := range list {
		owners[i] = db.packages[at]
	}
	return owners
}

// Paths returns the files of the databases themselves by their canonical
// paths, sorted, without those for which [IsState] is true.
func (db *DB) Paths() []string {
	var paths []string
	if db.dpkg != nil {
		paths = append(paths, db.dpkg.paths...)
	}
	for _, a := range db.apk {
		paths = append(paths, a.paths...)
	}
	paths = append(paths, db.rpm...)
	paths = slices.DeleteFunc(paths, IsState)
	slices.Sort(paths)
	return slices.Compact(paths)
}

// Managers returns the package managers whose databases are there, sorted:
// "apk", "dpkg", "rpm".
func (db *DB) Managers() []string {
	var names []string
	if len(db.apk) > 0 {
		names = append(names, "apk")
	}
	if db.dpkg != nil {
		names = append(names, "dpkg")
	}
	if len(db.rpm) > 0 {
		names = append(names, "rpm")
	}
	return names
}

// ReadOnly says whether there is a database that this package cannot rewrite
// (rpm): packages cannot be dropped honestly then.
func (db *DB) ReadOnly() bool { return len(db.rpm) > 0 }

// readRpm looks for rpm databases: SQLite, Berkeley DB and NDB, at the places
// that rpm, dnf and zypper based distributions use.
func (db *DB) readRpm() error {
	for _, dir := range []string{"var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"} {
		at := db.tree.canonicalDir(dir)
		names, err := db.tree.list(at)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(names, func(n string) bool {
			return n == "rpmdb.sqlite" || n == "Packages" || n == "Packages.db"
		}) {
			continue
		}
		for _, n := range names {
			if !strings.HasPrefix(n, ".") && !slices.Contains(db.rpm, path.Join(at, n)) {
				db.rpm = append(db.rpm, path.Join(at, n))
			}
		}
	}
	return nil
}

// canonicalDir returns a directory with all its links resolved.
func (t *tree) canonicalDir(p string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dir(p, 0)
}
