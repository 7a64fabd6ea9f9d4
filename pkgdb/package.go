package pkgdb

import "strings"

// Package is an installed package as its database describes it. Its slices
// and its map are shared: they must not be changed.
type Package struct {
	Manager   string // "dpkg" or "apk"
	Name      string
	Version   string
	Arch      string
	Origin    string // the source package
	Essential bool
	Leftover  bool // removed but not purged, see [DB.Leftovers]

	// Depends holds package names, alternatives flattened in order. Of apk's
	// so:, cmd: and path dependencies these are the names of the packages that
	// provide them; one that no package provides stays as written.
	Depends   []string
	Provides  []string // names that it provides, without versions
	Files     []string // as recorded, directories included
	Conffiles []string

	// Diverted maps a recorded path to where dpkg put the file instead.
	Diverted map[string]string

	dirs map[string]bool // paths known to be directories, of all packages
}

// ID returns manager:name:arch, which is unique in a DB.
func (p Package) ID() string { return p.Manager + ":" + p.Name + ":" + p.Arch }

// RegularFiles returns where the package's files are, links included and
// directories not, diversions applied. A recorded path that is a parent of
// another one is a directory, even where the image has a link (/bin, /lib64).
func (p Package) RegularFiles() []string {
	files, _ := p.split()
	return files
}

// Dirs returns the recorded directories.
func (p Package) Dirs() []string {
	_, dirs := p.split()
	return dirs
}

// split tells files and directories apart.
func (p Package) split() (files, dirs []string) {
	known := p.dirs
	if known == nil {
		known = map[string]bool{}
		for _, f := range p.Files {
			addParents(known, f)
		}
	}
	for _, f := range p.Files {
		if known[f] {
			dirs = append(dirs, f)
		} else {
			files = append(files, p.place(f))
		}
	}
	return files, dirs
}

// place returns where the file recorded as path is.
func (p Package) place(path string) string {
	if to, ok := p.Diverted[path]; ok {
		return to
	}
	return path
}

// addParents adds the directories above path to the set.
func addParents(set map[string]bool, path string) {
	for {
		i := strings.LastIndexByte(path, '/')
		if i <= 0 {
			return
		}
		path = path[:i]
		if set[path] {
			return
		}
		set[path] = true
	}
}
