package pkgdb

import "io/fs"

// Problem is a difference between a package database and the root that it is
// in.
type Problem struct {
	Package string // ID
	Path    string // a listed file that is missing; "" when none of the package's files is there
}

// Check reads the databases of root and lists what they claim and the root
// does not hold, sorted by package and path.
func Check(root fs.FS) ([]Problem, error) { return nil, nil }
