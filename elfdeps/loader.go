package elfdeps

import "io/fs"

// Kind is why a file needs another one.
type Kind int

// The kinds of dependencies.
const (
	Interpreter Kind = iota + 1 // PT_INTERP
	Needed                      // DT_NEEDED
)

// Dep is a direct dependency of an ELF file.
type Dep struct {
	Kind Kind
	Name string // as in the file
	Path string // where the loader finds it, before links are resolved; "" when it does not
}

// Loader finds libraries in one root filesystem as the dynamic loader does.
// It is safe for concurrent use if the filesystem is.
type Loader struct {
	root fs.FS
}

// New reads the loader's configuration from root. The libraryPath directories
// are those of LD_LIBRARY_PATH in the environment that the image sets.
func New(root fs.FS, libraryPath ...string) (*Loader, error) { return &Loader{root: root}, nil }

// File opens and parses the ELF file path. The errors are those of [Parse]
// and of the filesystem.
func (l *Loader) File(path string) (*File, error) { return nil, ErrNotELF }

// Deps returns the direct dependencies of path, in the order of the file, and
// the DT_RPATH directories that these inherit. A name that is found in several
// variants (glibc-hwcaps) gives one Dep each; one that is not found gives one
// with an empty Path. The inherited directories are those that Deps returned
// for the file that loads path, nil for a program. What is no ELF file has no
// dependencies.
func (l *Loader) Deps(path string, inherited []string) ([]Dep, []string, error) {
	return nil, nil, nil
}

// Dirs returns the directories where a dlopen by name searches that f makes,
// those of its own DT_RPATH and DT_RUNPATH with $ORIGIN excepted.
func (l *Loader) Dirs(f *File) []string { return nil }

// Find returns the paths where the loader finds the library name for the file
// f at path: the plain one first, then its variants for other processors.
func (l *Loader) Find(name string, f *File, path string, inherited []string) []string { return nil }
