package pkgdb

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
)

// apkWorld is the list of what the user asked apk for.
const apkWorld = "etc/apk/world"

// apkDirs returns the directories where apk-tools 2 and 3 have databases.
func apkDirs() []string {
	return []string{"lib/apk/db", "usr/lib/apk/db"}
}

// apkDB is where one of apk's databases is.
type apkDB struct {
	dir   string   // canonical
	paths []string // all files of the database
	// sums maps the checksums of installed packages, by which the other files
	// name them, to the packages.
	sums map[string]key
}

// readApk reads apk's databases.
func (db *DB) readApk(b *builder) error {
	first := len(b.packages)
	for _, dir := range apkDirs() {
		a := &apkDB{dir: db.tree.canonicalDir(dir), sums: map[string]key{}}
		if slices.ContainsFunc(db.apk, func(other *apkDB) bool { return other.dir == a.dir }) {
			continue
		}
		content, ok, err := db.tree.read(a.dir + "/installed")
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		names, err := db.tree.list(a.dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			a.paths = append(a.paths, path.Join(a.dir, name))
		}
		if world := db.tree.canonical(apkWorld); len(db.apk) == 0 {
			if ok, err := db.tree.exists(world); err != nil {
				return err
			} else if ok {
				a.paths = append(a.paths, world)
			}
		}
		if err := a.readInstalled(b, content); err != nil {
			return err
		}
		db.apk = append(db.apk, a)
	}
	return resolveDepends(b.packages[first:], b.lim.Paths)
}

// readInstalled adds the packages of an installed file.
func (a *apkDB) readInstalled(b *builder, content []byte) error {
	for _, raw := range apkRecords(content) {
		pkg, sum, dirs := newApkPackage(raw)
		if pkg.Name == "" {
			continue
		}
		a.sums[sum] = pkg.key()
		b.dirs = append(b.dirs, dirs...)
		if err := b.add(pkg); err != nil {
			return err
		}
	}
	return nil
}

// apkRecords splits an installed file into records, each with the empty lines
// that follow it.
func apkRecords(content []byte) [][]byte {
	var out [][]byte
	start, ended := 0, false
	for at := 0; at < len(content); {
		next := lineEnd(content, at)
		empty := len(bytes.TrimRight(content[at:next], "\r\n")) == 0
		if ended && !empty {
			out = append(out, content[start:at])
			start = at
		}
		ended = empty
		at = next
	}
	if start < len(content) {
		out = append(out, content[start:])
	}
	return out
}

// apkLine returns the letter and the value of a line, 0 when it has none.
func apkLine(line []byte) (letter byte, value string) {
	line = bytes.TrimRight(line, "\r\n")
	if len(line) < 2 || line[1] != ':' {
		return 0, ""
	}
	return line[0], string(line[2:])
}

// newApkPackage reads a record. The letters are those of apk's installed
// database: P name, V version, A architecture, o origin, D dependencies,
// p provides, C checksum; F begins a directory and R a file in it.
func newApkPackage(raw []byte) (pkg Package, sum string, dirs []string) {
	pkg.Manager = "apk"
	dir := ""
	for at := 0; at < len(raw); {
		next := lineEnd(raw, at)
		letter, value := apkLine(raw[at:next])
		at = next
		switch letter {
		case 'P':
			pkg.Name = value
		case 'V':
			pkg.Version = value
		case 'A':
			pkg.Arch = value
		case 'o':
			pkg.Origin = value
		case 'C':
			sum = value
		case 'D':
			pkg.Depends = apkNames(value)
		case 'p':
			pkg.Provides = apkNames(value)
		case 'F':
			dir = value
			if name, ok := recorded(value); ok {
				pkg.Files = append(pkg.Files, name)
				dirs = append(dirs, name)
			}
		case 'R':
			if name, ok := recorded(dir + "/" + value); ok {
				pkg.Files = append(pkg.Files, name)
			}
		default:
		}
	}
	if pkg.Origin == "" {
		pkg.Origin = pkg.Name
	}
	return pkg, sum, dirs
}

// apkNames returns the names of a dependency list without versions and
// repository tags; conflicts (!name) are left out.
func apkNames(value string) []string {
	var names []string
	for token := range strings.FieldsSeq(value) {
		if name := apkName(token); name != "" && token[0] != '!' {
			names = append(names, name)
		}
	}
	return names
}

// apkName returns the name in a dependency such as foo, foo=1.2, foo>=1,
// foo~1, foo@edge, !foo.
func apkName(token string) string {
	token = strings.TrimPrefix(token, "!")
	if i := strings.IndexAny(token, "<>=~@"); i >= 0 {
		token = token[:i]
	}
	return token
}

// resolveDepends replaces what packages depend on by the packages that are so
// named, or else provide it. There may be limit dependencies in all.
func resolveDepends(packages []Package, limit int) error {
	named := map[string]bool{}
	providers := map[string][]string{}
	for _, p := range packages {
		named[p.Name] = true
		for _, name := range p.Provides {
			providers[name] = append(providers[name], p.Name)
		}
	}
	for i, p := range packages {
		var depends []string
		seen := map[string]bool{}
		for _, name := range p.Depends {
			list := providers[name]
			if named[name] || len(list) == 0 {
				list = []string{name}
			}
			for _, n := range list {
				if limit--; limit < 0 {
					return fmt.Errorf("%w: too many dependencies", ErrLimit)
				}
				if !seen[n] && n != p.Name {
					seen[n] = true
					depends = append(depends, n)
				}
			}
		}
		packages[i].Depends = depends
	}
	return nil
}
