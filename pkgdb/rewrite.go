package pkgdb

// Change is what happens to one database file.
type Change struct {
	Drop    bool   // the file goes
	Content []byte // its new content otherwise
}

// Rewrite maps the paths of database files to their changes; files that do not
// change are not in it.
type Rewrite map[string]*Change

// Paths returns the paths of the rewrite, sorted.
func (r Rewrite) Paths() []string { return nil }

// Without returns the changes that make the databases those of a root without
// the dropped packages and the gone paths. It asks gone for paths as they are
// recorded, diversions applied, and dropped for leftovers too.
func (db *DB) Without(dropped func(Package) bool, gone func(path string) bool) (Rewrite, error) {
	return nil, nil
}
