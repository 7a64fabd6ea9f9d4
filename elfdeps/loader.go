package elfdeps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// maxSequential bounds what is read from a file that cannot be read at an
// offset, in bytes.
const maxSequential = 256 << 20

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
	root        fs.FS
	libraryPath []string            // LD_LIBRARY_PATH
	cache       map[string][]string // paths by name, in the order of ld.so.cache
	cacheDirs   []string            // their directories
	confDirs    []string            // of ld.so.conf
	muslPaths   map[string][]string // of ld-musl-ARCH.path by ARCH
	muslRoot    bool                // musl is there, and glibc is not

	mu       sync.Mutex
	files    map[string]parsed   // by path, those that are there
	dirs     map[string]bool     // whether a path leads to a directory
	variants map[string][]string // subdirectories for better processors by directory
}

// parsed is what Parse returned.
type parsed struct {
	file *File
	err  error
}

// New reads the loader's configuration from root. The libraryPath directories
// are those of LD_LIBRARY_PATH in the environment that the image sets. A
// configuration that is damaged counts as absent, as it does for the loader.
func New(root fs.FS, libraryPath ...string) (*Loader, error) {
	l := &Loader{
		root: root, cache: map[string][]string{},
		files: map[string]parsed{}, dirs: map[string]bool{}, variants: map[string][]string{},
	}
	b, err := readFile(root, "etc/ld.so.cache")
	if err != nil {
		return nil, err
	}
	for _, e := range parseCache(b) {
		p := relative(e.path)
		l.cache[e.name] = append(l.cache[e.name], p)
		l.cacheDirs = append(l.cacheDirs, path.Dir(p))
	}
	l.cacheDirs = unique(l.cacheDirs)
	if l.confDirs, err = readConf(root); err != nil {
		return nil, err
	}
	if l.muslPaths, err = readMuslPaths(root); err != nil {
		return nil, err
	}
	for _, dir := range libraryPath {
		if p := l.lookup(dir); strings.HasPrefix(dir, "/") && p != "" {
			l.libraryPath = append(l.libraryPath, p)
		}
	}
	l.muslRoot = l.hasLoader("ld-musl-") && !l.hasLoader("ld-linux") && !l.hasLoader("ld64.so")
	return l, nil
}

// hasLoader says whether a usual directory holds a loader of that name.
func (l *Loader) hasLoader(prefix string) bool {
	for _, dir := range []string{"lib", "lib64", "usr/lib", "usr/lib64"} {
		entries, err := fs.ReadDir(l.root, dir)
		if err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			return strings.HasPrefix(e.Name(), prefix)
		}) {
			return true
		}
	}
	return false
}

// File opens and parses the ELF file path. The errors are those of [Parse]
// and of the filesystem; what is no regular file gives [ErrNotELF]. The result
// is remembered and must not be changed.
func (l *Loader) File(path string) (*File, error) {
	l.mu.Lock()
	p, ok := l.files[path]
	l.mu.Unlock()
	if ok {
		return p.file, p.err
	}
	p.file, p.err = l.parse(path)
	if missing(p.err) {
		return nil, p.err // there are too many such paths to remember
	}
	l.mu.Lock()
	l.files[path] = p
	l.mu.Unlock()
	return p.file, p.err
}

// parse is File without the memory.
func (l *Loader) parse(path string) (f *File, err error) {
	info, err := fs.Stat(l.root, path)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %q: %w", path, ErrNotELF)
	}
	file, err := l.root.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	r, ok := file.(io.ReaderAt)
	if !ok {
		r = &sequential{r: file}
	}
	f, err = Parse(r, info.Size())
	if err != nil {
		return f, fmt.Errorf("reading %q: %w", path, err)
	}
	return f, nil
}

// sequential is an io.ReaderAt over a file that can only be read in order. It
// keeps what it has read.
type sequential struct {
	r   io.Reader
	buf []byte
}

// ReadAt implements io.ReaderAt up to maxSequential.
func (s *sequential) ReadAt(b []byte, off int64) (int, error) {
	end := off + int64(len(b))
	if end > maxSequential {
		return 0, fmt.Errorf("%w: tables behind %d bytes of a file that is read in order", ErrMalformed, maxSequential)
	}
	if missing := end - int64(len(s.buf)); missing > 0 {
		more, err := io.ReadAll(io.LimitReader(s.r, missing))
		s.buf = append(s.buf, more...)
		if err != nil {
			return 0, err
		}
	}
	if off >= int64(len(s.buf)) {
		return 0, io.EOF
	}
	n := copy(b, s.buf[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Deps returns the direct dependencies of path, in the order of the file, and
// the DT_RPATH directories that these inherit. A name that is found in several
// variants (glibc-hwcaps) gives one Dep each; one that is not found gives one
// with an empty Path: another library that is loaded before may still provide
// it by its soname. The inherited directories are those that Deps returned for
// the file that loads path, nil for a program. Where path is a library, it
// should be the Path of a Dep, not the target of a link there: $ORIGIN goes by
// the name that was found. What is no ELF file has no dependencies. For a malformed one those that could be read are returned
// together with an error that wraps [ErrMalformed].
func (l *Loader) Deps(path string, inherited []string) ([]Dep, []string, error) {
	f, err := l.File(path)
	if f == nil {
		if errors.Is(err, ErrNotELF) {
			err = nil
		}
		return nil, inherited, err
	}
	var deps []Dep
	if f.HasInterp {
		dep := Dep{Kind: Interpreter, Name: f.Interp}
		if p := l.lookup(f.Interp); f.Interp != "" && l.isFile(p) {
			dep.Path = p
		}
		deps = append(deps, dep)
	}
	s := l.search(f, path, inherited)
	for _, name := range f.Needed {
		paths := s.find(name)
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, p := range paths {
			deps = append(deps, Dep{Kind: Needed, Name: name, Path: p})
		}
	}
	return deps, s.pass, err
}

// isDir says whether path leads to a directory.
func (l *Loader) isDir(path string) bool {
	l.mu.Lock()
	is, ok := l.dirs[path]
	l.mu.Unlock()
	if ok {
		return is
	}
	info, err := fs.Stat(l.root, path)
	is = err == nil && info.IsDir()
	l.mu.Lock()
	l.dirs[path] = is
	l.mu.Unlock()
	return is
}

// isFile says whether path leads to a regular file.
func (l *Loader) isFile(path string) bool {
	if path == "" {
		return false
	}
	info, err := fs.Stat(l.root, path)
	return err == nil && info.Mode().IsRegular()
}
