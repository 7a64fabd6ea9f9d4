package pkgdb

import (
	"bytes"
	"maps"
	"slices"
)

// Change is what happens to one database file.
type Change struct {
	Drop    bool   // the file goes
	Content []byte // its new content otherwise
}

// Rewrite maps the canonical paths of database files to their changes; files
// that do not change are not in it.
type Rewrite map[string]*Change

// Paths returns the paths of the rewrite, sorted.
func (r Rewrite) Paths() []string { return slices.Sorted(maps.Keys(r)) }

// set records new content, unless it is the old one.
func (r Rewrite) set(path string, old, content []byte) {
	if !bytes.Equal(old, content) {
		r[path] = &Change{Content: content}
	}
}

// Without returns the changes that make the databases those of a root without
// the dropped packages and the gone paths. It asks gone for paths as they are
// recorded, diversions applied, and dropped once for each package, leftovers
// too. Packages that stay keep their dependency fields as they are.
//
// dpkg: paragraphs, status.d and info files of dropped packages go, and their
// diversions unless they move a file that stays; lists, md5sums, conffiles and statoverride lose the lines of gone
// paths. apk: records, scripts, triggers and world entries of dropped packages
// go; the others lose the lines of gone files. An rpm database stays as it is,
// see [DB.ReadOnly].
func (db *DB) Without(dropped func(Package) bool, gone func(path string) bool) (Rewrite, error) {
	e := &edit{tree: db.tree, packages: map[key]*Package{}, drop: map[key]bool{}, gone: gone, out: Rewrite{}}
	for _, list := range [][]Package{db.packages, db.leftovers} {
		for i := range list {
			k := list[i].key()
			e.packages[k], e.drop[k] = &list[i], dropped(list[i])
		}
	}
	if db.dpkg != nil {
		if err := e.dpkg(db.dpkg); err != nil {
			return nil, err
		}
	}
	for _, a := range db.apk {
		if err := e.apk(a); err != nil {
			return nil, err
		}
	}
	return e.out, nil
}

// edit is one run of Without.
type edit struct {
	tree     *tree
	packages map[key]*Package
	drop     map[key]bool
	gone     func(path string) bool
	out      Rewrite
}

// names returns the names of the packages of a manager that are dropped while
// no package of that name stays.
func (e *edit) names(manager string) map[string]bool {
	names := map[string]bool{}
	for k, p := range e.packages {
		if p.Manager == manager && e.drop[k] && !p.Leftover {
			names[p.Name] = true
		}
	}
	for k, p := range e.packages {
		if p.Manager == manager && !e.drop[k] && !p.Leftover {
			delete(names, p.Name)
		}
	}
	return names
}

// filterLines returns content without the lines that keep refuses. The lines
// are given without their end.
func filterLines(content []byte, keep func(line []byte) bool) []byte {
	out := make([]byte, 0, len(content))
	for at := 0; at < len(content); {
		next := lineEnd(content, at)
		if keep(bytes.TrimRight(content[at:next], "\r\n")) {
			out = append(out, content[at:next]...)
		}
		at = next
	}
	return out
}
