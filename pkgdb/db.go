package pkgdb

import "io/fs"

// Limits bounds what [Read] accepts. A zero field means the default.
type Limits struct {
	FileSize int64 // bytes of one database file; default 256 MiB
	Packages int   // packages of all databases; default 100,000
	Paths    int   // recorded paths of all packages; default 4,000,000
}

// DB holds the package databases of one root filesystem. It does not change
// after [Read] and is safe for concurrent use if the filesystem is.
type DB struct {
	root fs.FS
}

// Read reads the package databases of root. A root without any gives an empty
// DB and no error.
func Read(root fs.FS, lim Limits) (*DB, error) { return &DB{root: root}, nil }

// Packages returns the installed packages, sorted by ID.
func (db *DB) Packages() []Package { return nil }

// Leftovers returns the packages that were removed but not purged (dpkg's
// config-files state): they are in the database and not installed. They are
// not in Packages, and [DB.Without] asks dropped for them too.
func (db *DB) Leftovers() []Package { return nil }

// Owners returns the packages that own path, sorted by ID: several do for a
// directory. Diversions are honoured, and both spellings of a path through a
// linked directory are found.
func (db *DB) Owners(path string) []Package { return nil }

// Paths returns the files of the databases themselves, sorted, without those
// for which [IsState] is true.
func (db *DB) Paths() []string { return nil }

// Managers returns the package managers whose databases are there, sorted:
// "apk", "dpkg", "rpm".
func (db *DB) Managers() []string { return nil }

// ReadOnly says whether there is a database that this package cannot rewrite
// (rpm): packages cannot be dropped honestly then.
func (db *DB) ReadOnly() bool { return false }

// IsState says whether path is state of a package manager that nothing but
// the package manager reads.
func IsState(path string) bool { return false }
