package harden

import (
	"fmt"
	"io"

	"github.com/lathe-build/lathe/pkgdb"
)

// listed tells whether a package stays in its database: while something of it
// is left. At the level binaries a package without files stays too.
func (p *planner) listed(g *pkg) bool {
	return p.stays(g) || len(g.files) == 0 && p.level == Binaries
}

// databaseChanges are the changes that make the databases list what is left.
func (p *planner) databaseChanges() (pkgdb.Rewrite, error) {
	listed := map[string]bool{}
	for _, g := range p.pkgs {
		listed[g.ID()] = p.listed(g)
	}
	dropped := func(q pkgdb.Package) bool {
		if q.Leftover {
			return p.level != Binaries
		}
		return !listed[q.ID()]
	}
	gone := func(name string) bool {
		target, _, err := p.tree.ResolveParent(name)
		if err != nil {
			return false // was not there before either
		}
		f := p.find(target)
		return f != nil && !f.kept
	}
	changes, err := p.db.Without(dropped, gone)
	if err != nil {
		return nil, fmt.Errorf("rewriting the package databases: %w", err)
	}
	return changes, nil
}

// databaseEdits gives the new content of the package databases, by path. At the
// level binaries it also drops the files of packages that are gone.
func (p *planner) databaseEdits() (map[string][]byte, error) {
	changes, err := p.databaseChanges()
	if err != nil {
		return nil, err
	}
	edits := map[string][]byte{}
	for _, name := range changes.Paths() {
		target, _, err := p.tree.Resolve(name)
		f := p.find(target)
		if err != nil || f == nil || !f.kept {
			continue
		}
		if changes[name].Drop {
			f.kept = false
			continue
		}
		edits[target] = changes[name].Content
	}
	return edits, nil
}

// maxRead bounds how much of one file the rules read as a whole.
const maxRead = 4 << 20

// read gives the content of a small file.
func (p *planner) read(f *file) ([]byte, error) {
	b, err := p.readEntry(int(f.entry.ID))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", f.path, err)
	}
	return b, nil
}

func (p *planner) readEntry(id int) ([]byte, error) {
	r, err := p.tree.Content(id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxRead))
}
