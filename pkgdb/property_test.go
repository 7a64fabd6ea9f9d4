package pkgdb_test

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/pkgdb"
)

// TestAnySubset drops every subset of the packages of a root with both
// databases, with all files that only these own: the databases then list
// exactly what stays, the root has what they list, and a second pass with the
// same question changes nothing.
func TestAnySubset(t *testing.T) {
	t.Parallel()
	files := debian()
	for name, content := range alpineFiles(t) {
		if strings.HasPrefix(name, "bin/") {
			name = "usr/" + name // bin is a link here
		}
		files[name] = content
	}
	root := tree(files)
	db, err := pkgdb.Read(root, pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	all := append(db.Packages(), db.Leftovers()...)
	for set := range 1 << len(all) {
		dropped := map[string]bool{}
		for i, p := range all {
			if set&(1<<i) != 0 {
				dropped[p.ID()] = true
			}
		}
		drop := func(p pkgdb.Package) bool { return dropped[p.ID()] }
		gone := func(path string) bool {
			owners := db.Owners(path)
			return len(owners) > 0 && !slices.ContainsFunc(owners, func(p pkgdb.Package) bool { return !drop(p) })
		}
		if msg := checkSubset(db, root, drop, gone); msg != "" {
			t.Fatalf("without %v: %s", slices.Sorted(maps.Keys(dropped)), msg)
		}
	}
}

// goneFS is a root from which the gone files are missing.
type goneFS struct {
	overlay
	gone func(string) bool
}

func (g goneFS) Lstat(name string) (fs.FileInfo, error) {
	info, err := g.overlay.Lstat(name)
	if err == nil && !info.IsDir() && name != "bin" && name != "lib64" && g.gone(name) {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return info, err
}

// checkSubset says what is wrong after one rewrite, "" for nothing.
func checkSubset(db *pkgdb.DB, root fs.FS, drop func(pkgdb.Package) bool, gone func(string) bool) string {
	changes, err := db.Without(drop, gone)
	if err != nil {
		return err.Error()
	}
	after := goneFS{overlay{root, changes}, gone}
	left, err := pkgdb.Read(after, pkgdb.Limits{})
	if err != nil {
		return err.Error()
	}
	for _, lists := range [][2][]pkgdb.Package{
		{db.Packages(), left.Packages()}, {db.Leftovers(), left.Leftovers()},
	} {
		if diff := cmp.Diff(ids(slices.DeleteFunc(lists[0], drop)), ids(lists[1])); diff != "" {
			return "packages (-want +got):\n" + diff
		}
	}
	problems, err := pkgdb.Check(after)
	if err != nil || len(problems) > 0 {
		return fmt.Sprintf("problems %v, error %v", problems, err)
	}
	again, err := left.Without(drop, gone)
	if err != nil || len(again) > 0 {
		return fmt.Sprintf("a second pass changes %q, error %v", again.Paths(), err)
	}
	return ""
}
