package pkgdb

import (
	"path"
	"strings"
)

// dpkgDir is dpkg's administrative directory.
const dpkgDir = "var/lib/dpkg"

// dpkgDB is where dpkg's database is and which files describe which package.
type dpkgDB struct {
	dir     string   // canonical
	paths   []string // all files of the database
	info    []string // names in info/
	statusD []string // names in status.d/
	// bases maps the part of an info file's name before the extension to the
	// packages that it describes.
	bases map[string][]key
}

// diversion is where a path is diverted to, for all packages but one.
type diversion struct{ to, by string }

// readDpkg reads dpkg's database: status with info/, and status.d as
// distroless images have it, with one file a package.
func (db *DB) readDpkg(b *builder) error {
	d := &dpkgDB{dir: db.tree.canonicalDir(dpkgDir), bases: map[string][]key{}}
	status, hasStatus, err := db.tree.read(d.dir + "/status")
	if err != nil {
		return err
	}
	if d.statusD, err = db.tree.list(d.dir + "/status.d"); err != nil {
		return err
	}
	if !hasStatus && len(d.statusD) == 0 {
		return nil
	}
	db.dpkg = d
	if d.info, err = db.tree.list(d.dir + "/info"); err != nil {
		return err
	}
	if err := d.listPaths(db.tree); err != nil {
		return err
	}
	diversions, _, err := db.tree.read(d.dir + "/diversions")
	if err != nil {
		return err
	}
	r := &dpkgReader{
		tree: db.tree, db: d, builder: b,
		info: map[string]bool{}, bases: map[string]bool{},
		diversions: parseDiversions(diversions), lists: map[string]list{},
	}
	for _, name := range d.info {
		r.info[name] = true
		r.bases[strings.TrimSuffix(name, path.Ext(name))] = true
	}
	for _, p := range paragraphs(status) {
		if err := r.status(p); err != nil {
			return err
		}
	}
	for _, name := range d.statusD {
		if err := r.statusFile(name); err != nil {
			return err
		}
	}
	return nil
}

// listPaths collects the files of the database.
func (d *dpkgDB) listPaths(t *tree) error {
	names, err := t.list(d.dir)
	if err != nil {
		return err
	}
	for dir, names := range map[string][]string{"": names, "info": d.info, "status.d": d.statusD} {
		for _, name := range names {
			d.paths = append(d.paths, path.Join(d.dir, dir, name))
		}
	}
	return nil
}

// dpkgReader makes packages of paragraphs.
type dpkgReader struct {
	tree       *tree
	db         *dpkgDB
	builder    *builder
	info       map[string]bool      // names in info/
	bases      map[string]bool      // the same without their extensions
	diversions map[string]diversion // by path
	lists      map[string]list      // by base, of info/
}

// list is a file list and the package that it is of.
type list struct {
	of    key
	files []string
}

// newDpkgPackage reads the fields of a paragraph; ok is false when it names no
// package.
func newDpkgPackage(p paragraph) (pkg Package, ok bool) {
	pkg = Package{
		Manager:   "dpkg",
		Name:      p.get("package"),
		Version:   p.get("version"),
		Arch:      p.get("architecture"),
		Essential: strings.EqualFold(p.get("essential"), "yes"),
		Depends:   append(relations(p.get("pre-depends")), relations(p.get("depends"))...),
		Provides:  relations(p.get("provides")),
	}
	pkg.Origin = pkg.Name
	if source := strings.Fields(p.get("source")); len(source) > 0 {
		pkg.Origin = source[0]
	}
	if state := strings.Fields(p.get("status")); len(state) == 3 {
		pkg.Leftover = state[2] == "config-files" || state[2] == "not-installed"
	}
	for line := range strings.Lines(p.get("conffiles")) {
		if f := strings.Fields(line); len(f) > 0 {
			if name, ok := recorded(f[0]); ok {
				pkg.Conffiles = append(pkg.Conffiles, name)
			}
		}
	}
	return pkg, pkg.Name != ""
}

// status adds the package of a paragraph of status, with its list in info/.
func (r *dpkgReader) status(p paragraph) error {
	pkg, ok := newDpkgPackage(p)
	if !ok {
		return nil
	}
	base := pkg.Name + ":" + pkg.Arch
	if !r.bases[base] {
		base = pkg.Name
	}
	r.db.bases[base] = append(r.db.bases[base], pkg.key())
	if !pkg.Leftover {
		var err error
		if pkg.Files, err = r.files(base, pkg.key()); err != nil {
			return err
		}
	}
	return r.add(pkg)
}

// files returns the list of a package, or the files of its checksums where
// there is no list. One list is of one package.
func (r *dpkgReader) files(base string, of key) ([]string, error) {
	if known, ok := r.lists[base]; ok {
		if known.of != of {
			return nil, nil
		}
		return known.files, nil
	}
	known := list{of: of}
	for _, format := range []struct {
		ext   string
		parse func([]byte) []string
	}{{".list", parseList}, {".md5sums", parseSums}} {
		if !r.info[base+format.ext] {
			continue
		}
		content, _, err := r.tree.read(path.Join(r.db.dir, "info", base+format.ext))
		if err != nil {
			return nil, err
		}
		known.files = format.parse(content)
		break
	}
	r.lists[base] = known
	return known.files, nil
}

// statusFile adds the packages of a file in status.d.
func (r *dpkgReader) statusFile(name string) error {
	if strings.HasSuffix(name, ".md5sums") {
		return nil
	}
	dir := r.db.dir + "/status.d/"
	content, _, err := r.tree.read(dir + name)
	if err != nil {
		return err
	}
	sums, _, err := r.tree.read(dir + name + ".md5sums")
	if err != nil {
		return err
	}
	files := parseSums(sums)
	for _, p := range paragraphs(content) {
		pkg, ok := newDpkgPackage(p)
		if !ok {
			continue
		}
		pkg.Files = files
		if err := r.add(pkg); err != nil {
			return err
		}
	}
	return nil
}

// add applies the diversions and hands the package on.
func (r *dpkgReader) add(pkg Package) error {
	if len(r.diversions) > 0 {
		for _, f := range pkg.Files {
			if d, ok := r.diversions[f]; ok && d.by != pkg.Name {
				if pkg.Diverted == nil {
					pkg.Diverted = map[string]string{}
				}
				pkg.Diverted[f] = d.to
			}
		}
	}
	return r.builder.add(pkg)
}

// recorded returns a path of the database without its leading slash; ok is
// false for the root itself and for what can be no path of a filesystem.
func recorded(p string) (name string, ok bool) {
	name = strings.Trim(p, "/")
	if name == "" || name == "." || len(name) > maxPath || strings.ContainsRune(name, 0) {
		return "", false
	}
	clean := path.Clean("/" + name)[1:]
	return name, clean == name
}

// parseList returns the paths of an info/*.list file.
func parseList(content []byte) []string {
	var files []string
	for line := range strings.Lines(string(content)) {
		if name, ok := recorded(strings.TrimRight(line, "\r\n")); ok {
			files = append(files, name)
		}
	}
	return files
}

// parseSums returns the paths of a *.md5sums file.
func parseSums(content []byte) []string {
	var files []string
	for line := range strings.Lines(string(content)) {
		if name, ok := sumPath(strings.TrimRight(line, "\r\n")); ok {
			files = append(files, name)
		}
	}
	return files
}

// sumPath returns the path of a line of a *.md5sums file.
func sumPath(line string) (name string, ok bool) {
	_, rest, ok := strings.Cut(line, " ")
	if !ok {
		return "", false
	}
	return recorded(strings.TrimPrefix(strings.TrimLeft(rest, " *"), "./"))
}

// parseDiversions reads the diversions file: three lines an entry, the path,
// where it is diverted to, and the package that does not divert, ":" for none.
func parseDiversions(content []byte) map[string]diversion {
	out := map[string]diversion{}
	lines := strings.Split(string(content), "\n")
	for ; len(lines) >= 3; lines = lines[3:] {
		from, ok := recorded(lines[0])
		to, ok2 := recorded(lines[1])
		if ok && ok2 {
			out[from] = diversion{to, lines[2]}
		}
	}
	return out
}
