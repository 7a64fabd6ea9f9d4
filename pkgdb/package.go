package pkgdb

// Package is an installed package as its database describes it. Its slices
// are shared: they must not be changed.
type Package struct {
	Manager   string // "dpkg" or "apk"
	Name      string
	Version   string
	Arch      string
	Origin    string // the source package
	Essential bool
	Leftover  bool // removed but not purged, see [DB.Leftovers]

	Depends   []string // package names, alternatives flattened in order
	Provides  []string // names that it provides, without versions
	Files     []string // as recorded, directories included
	Conffiles []string

	// Diverted maps a recorded path to where dpkg put the file instead.
	Diverted map[string]string

	dirs map[string]bool // recorded paths known to be directories
}

// ID returns manager:name:arch, which is unique in a DB.
func (p Package) ID() string { return p.Manager + ":" + p.Name + ":" + p.Arch }

// RegularFiles returns where the package's files are, links included and
// directories not, diversions applied.
func (p Package) RegularFiles() []string { return nil }

// Dirs returns the recorded directories.
func (p Package) Dirs() []string { return nil }
