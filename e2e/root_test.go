//go:build e2e && linux

package e2e

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/pkgdb"
)

// root is an unpacked root filesystem.
type root struct {
	dir      string
	files    map[string]fs.FileMode // by absolute path, links included, directories not
	packages map[string]pkgdb.Package
}

func readRoot(t *testing.T, dir string) *root {
	t.Helper()
	r := &root{dir: dir, files: map[string]fs.FileMode{}, packages: map[string]pkgdb.Package{}}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		r.files[strings.TrimPrefix(name, dir)] = info.Mode()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := pkgdb.Read(os.DirFS(dir), pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range db.Packages() {
		r.packages[p.ID()] = p
	}
	return r
}

// tools are names of programs that no hardened image here may have, whatever
// lathe's own catalogue says: shells, downloaders, network tools and package
// managers.
var tools = strings.Fields(`
	sh ash bash dash rbash busybox
	curl wget ftpget ftpput tftp ssl_client
	nc ncat netcat telnet ip ss tc bridge ping ping6 traceroute nslookup ifconfig route arp arping netstat
	apk apt apt-get apt-cache apt-key apt-mark dpkg dpkg-deb dpkg-query dpkg-divert dpkg-split debconf rpm update-alternatives`)

// tools returns the paths in the root that lead to tools.
func (r *root) tools() []string {
	var found []string
	for name, mode := range r.files {
		if slices.Contains(tools, filepath.Base(name)) && (mode&fs.ModeSymlink != 0 || mode&0o111 != 0) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// checkNoTools looks for tools other than those that stay for a reason.
func (r *root) checkNoTools(t *testing.T, stays []string) {
	t.Helper()
	found := slices.DeleteFunc(r.tools(), func(name string) bool { return slices.Contains(stays, filepath.Base(name)) })
	if len(found) > 0 {
		t.Errorf("tools are left: %s", strings.Join(found, " "))
	}
}

// checkHasTools makes sure that there is something to drop.
func (r *root) checkHasTools(t *testing.T, want []string) {
	t.Helper()
	found := r.tools()
	for _, name := range want {
		if !slices.ContainsFunc(found, func(p string) bool { return filepath.Base(p) == name }) {
			t.Errorf("the original has no %s: nothing would be proved", name)
		}
	}
}

// checkNoToolPackages looks for the tools' packages in the databases.
func (r *root) checkNoToolPackages(t *testing.T) {
	t.Helper()
	gone := strings.Fields("bash dash busybox busybox-binsh curl wget iproute2 apt dpkg debconf apk-tools cron perl-base coreutils")
	for id, p := range r.packages {
		if slices.Contains(gone, p.Name) {
			t.Errorf("the database still lists %s", id)
		}
	}
}

// checkDatabase compares the database with the files that are left: every
// package of which a file is left is listed, with exactly the files that are
// left, and no other.
func (r *root) checkDatabase(t *testing.T, original *root) {
	t.Helper()
	problems, err := pkgdb.Check(os.DirFS(r.dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("the database lists what is not there: %+v", p)
	}
	for id, before := range original.packages {
		var left []string
		for _, name := range before.RegularFiles() {
			if r.has(name) && original.has(name) {
				left = append(left, name)
			}
		}
		after, listed := r.packages[id]
		switch {
		case listed && len(left) == 0 && len(before.RegularFiles()) > 0:
			t.Errorf("%s is listed, but nothing of it is left", id)
		case !listed && len(left) > 0:
			t.Errorf("%s is not listed, but has %d files left, such as %s", id, len(left), left[0])
		case listed:
			for _, name := range left {
				if !slices.Contains(after.RegularFiles(), name) {
					t.Errorf("%s: %s is there and not listed", id, name)
				}
			}
		}
	}
	for id := range r.packages {
		if _, ok := original.packages[id]; !ok {
			t.Errorf("%s is listed and was not before", id)
		}
	}
	r.checkWithDpkg(t)
}

// has tells whether a path is there, links above it resolved in the root.
func (r *root) has(name string) bool {
	if _, ok := r.files[name]; ok {
		return true
	}
	dir, base := filepath.Split(name)
	for range 8 {
		resolved, changed := r.resolveOnce(strings.TrimSuffix(dir, "/"))
		if !changed {
			break
		}
		dir = resolved
	}
	_, ok := r.files[filepath.Join("/", dir, base)]
	return ok
}

// resolveOnce replaces the first link on a path by its target.
func (r *root) resolveOnce(dir string) (resolved string, changed bool) {
	parts := strings.Split(strings.Trim(dir, "/"), "/")
	for i := range parts {
		at := "/" + strings.Join(parts[:i+1], "/")
		if mode, ok := r.files[at]; ok && mode&fs.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(r.dir, at))
			if err != nil {
				return dir, false
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			return filepath.Join(append([]string{target}, parts[i+1:]...)...), true
		}
	}
	return dir, false
}

// checkWithDpkg lets dpkg itself read the database.
func (r *root) checkWithDpkg(t *testing.T) {
	t.Helper()
	admin := filepath.Join(r.dir, "var/lib/dpkg")
	if _, err := os.Stat(filepath.Join(admin, "status")); errors.Is(err, fs.ErrNotExist) {
		return
	}
	output, err := exec.Command("dpkg-query", "--admindir="+admin, "--show", "--showformat=dpkg:${Package}:${Architecture}\n").CombinedOutput()
	if err != nil {
		t.Fatalf("dpkg-query cannot read the database: %v\n%s", err, output)
	}
	listed := strings.Fields(string(output))
	slices.Sort(listed)
	if want := slices.Sorted(maps.Keys(r.packages)); !slices.Equal(listed, want) {
		t.Errorf("dpkg-query lists %d packages, pkgdb %d:\n%v\n%v", len(listed), len(want), listed, want)
	}
}
