package pkgdb

import (
	"cmp"
	"io/fs"
	"slices"
)

// Problem is a difference between a package database and the root that it is
// in.
type Problem struct {
	Package string // ID
	Path    string // a listed path that is missing; "" when none of the package's files is there
}

// Check reads the databases of root and lists what they claim and the root
// does not hold: packages that list files of which none is there, and listed
// paths that are missing. The problems are sorted by package and path. A
// package that lists no file at all (a metapackage) is none, and what is below
// dev, proc and sys is not looked for: images leave it to the runtime.
func Check(root fs.FS) ([]Problem, error) {
	db, err := Read(root, Limits{})
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, p := range db.packages {
		files, dirs := p.split()
		lost, err := db.tree.lost(files)
		if err != nil {
			return nil, err
		}
		if len(lost) == len(files) && len(files) > 0 {
			problems = append(problems, Problem{Package: p.ID()})
		}
		lostDirs, err := db.tree.lost(dirs)
		if err != nil {
			return nil, err
		}
		for _, name := range append(lost, lostDirs...) {
			problems = append(problems, Problem{p.ID(), name})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Path, b.Path))
	})
	return slices.Compact(problems), nil
}

// lost returns the paths at which nothing is.
func (t *tree) lost(paths []string) ([]string, error) {
	var lost []string
	for _, p := range paths {
		if below(p, "dev", "proc", "sys") {
			continue
		}
		ok, err := t.exists(p)
		if err != nil {
			return nil, err
		}
		if !ok {
			lost = append(lost, p)
		}
	}
	return lost, nil
}
