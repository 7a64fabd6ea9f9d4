package elfdeps

import (
	"debug/elf"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxExpansions bounds the directories that one entry with tokens stands for.
const maxExpansions = 32

// search is how the loader looks for what one file needs.
type search struct {
	l      *Loader
	f      *File
	path   string
	musl   bool
	before []string // searched before the cache
	system []string // searched after it
	pass   []string // inherited by the dependencies
}

// search prepares the search path of f at path.
//
// glibc: DT_RPATH of the file and of those that loaded it, unless the file has
// a DT_RUNPATH, LD_LIBRARY_PATH, DT_RUNPATH, ld.so.cache, the built-in
// directories. Directories of ld.so.conf that the cache does not know come
// last: they take effect when ldconfig runs.
//
// musl: LD_LIBRARY_PATH, DT_RUNPATH or else DT_RPATH of the file and of those
// that loaded it, ld-musl-ARCH.path or the built-in directories.
func (l *Loader) search(f *File, path string, inherited []string) *search {
	s := &search{l: l, f: f, path: path, musl: l.isMusl(f)}
	if s.musl {
		own := f.RunPath
		if len(own) == 0 {
			own = f.RPath
		}
		s.pass = bounded(s.expandAll(own), inherited)
		s.before = bounded(l.libraryPath, s.pass)
		s.system = l.muslDirs(f)
		return s
	}
	s.pass = inherited
	if len(f.RunPath) == 0 {
		s.pass = bounded(s.expandAll(f.RPath), inherited)
		s.before = bounded(s.pass, l.libraryPath)
	} else {
		s.before = bounded(l.libraryPath, s.expandAll(f.RunPath))
	}
	if !f.NoDefaultLib {
		s.system = append(archOf(f).systemDirs(), l.confDirs...)
	}
	return s
}

// bounded joins directory lists without repetitions.
func bounded(lists ...[]string) []string {
	dirs := unique(slices.Concat(lists...))
	return dirs[:min(len(dirs), maxDirs)]
}

// isMusl says whether musl's loader loads f: by the interpreter, else by the
// name of the C library that it needs, else by what the root has.
func (l *Loader) isMusl(f *File) bool {
	if f.Interp != "" {
		return strings.HasPrefix(path.Base(f.Interp), "ld-musl-")
	}
	for _, name := range f.Needed {
		switch {
		case strings.HasPrefix(name, "libc.musl-"), name == "libc.so":
			return true
		case strings.HasPrefix(name, "libc.so."):
			return false
		}
	}
	return l.muslRoot
}

// muslDirs returns musl's system directories for the machine of f.
func (l *Loader) muslDirs(f *File) []string {
	names := archOf(f).musl
	if own, ok := strings.CutPrefix(path.Base(f.Interp), "ld-musl-"); ok {
		names = []string{strings.TrimSuffix(own, ".so.1")}
	}
	for _, name := range names {
		if dirs, ok := l.muslPaths[name]; ok {
			return dirs
		}
	}
	return []string{"lib", "usr/local/lib", "usr/lib"}
}

// muslLoader returns the path of musl's loader for f, which is its C library
// too, "" when there is none.
func (l *Loader) muslLoader(f *File) string {
	names := []string{f.Interp}
	for _, a := range archOf(f).musl {
		names = append(names, "lib/ld-musl-"+a+".so.1", "usr/lib/ld-musl-"+a+".so.1")
	}
	for _, name := range names {
		if p := l.lookup(name); name != "" && l.isFile(p) {
			return p
		}
	}
	return ""
}

// muslProvides says whether musl's loader takes a needed library for a part of
// itself (reserved in ldso/dynlink.c of musl).
func muslProvides(name string) bool {
	rest, ok := strings.CutPrefix(name, "lib")
	if !ok {
		return false
	}
	for _, part := range []string{"c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."} {
		if strings.HasPrefix(rest, part) {
			return true
		}
	}
	return false
}

// find returns where the loader finds name: the plain file first, then its
// variants for better processors.
func (s *search) find(name string) []string {
	if strings.Contains(name, "/") {
		for _, p := range s.expand(name) {
			if s.fits(p) {
				return []string{p}
			}
		}
		return nil
	}
	if !plainName(name) {
		return nil
	}
	if s.musl && muslProvides(name) {
		if p := s.l.muslLoader(s.f); p != "" {
			return []string{p}
		}
	}
	var variants []string
	if plain := s.inDirs(name, s.before, &variants); plain != "" {
		return found(plain, variants)
	}
	if !s.musl {
		if plain := s.inCache(name, &variants); plain != "" {
			return found(plain, variants)
		}
	}
	return found(s.inDirs(name, s.system, &variants), variants)
}

// plainName says whether name can be a file in a directory of fs.FS.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxString && fs.ValidPath(name)
}

// found joins the plain file and the variants, without repetitions.
func found(plain string, variants []string) []string {
	if plain != "" {
		variants = append([]string{plain}, variants...)
	}
	return unique(variants)
}

// inDirs returns the first dir/name that fits. The variants up to there are
// added too, since which of them is taken depends on the processor.
func (s *search) inDirs(name string, dirs []string, variants *[]string) string {
	for _, dir := range dirs {
		if !s.l.isDir(dir) {
			continue
		}
		s.addVariants(name, dir, variants)
		if p := path.Join(dir, name); s.fits(p) {
			return p
		}
	}
	return ""
}

// addVariants adds the variants of dir/name for better processors.
func (s *search) addVariants(name, dir string, variants *[]string) {
	if s.musl {
		return
	}
	for _, sub := range s.l.variantDirs(dir) {
		if p := path.Join(sub, name); s.fits(p) {
			*variants = append(*variants, p)
		}
	}
}

// inCache returns the first path for name in ld.so.cache that fits and is no
// variant.
func (s *search) inCache(name string, variants *[]string) string {
	var system []string
	if s.f.NoDefaultLib {
		system = archOf(s.f).systemDirs()
	}
	plain := ""
	for _, p := range s.l.cache[name] {
		if slices.Contains(system, path.Dir(p)) || !s.fits(p) {
			continue
		}
		switch {
		case isVariant(p):
			*variants = append(*variants, p)
		case plain == "":
			plain = p
			s.addVariants(name, path.Dir(p), variants)
		}
	}
	return plain
}

// isVariant says whether p is in a subdirectory for better processors.
func isVariant(p string) bool {
	dir := path.Dir(p)
	if path.Base(path.Dir(dir)) == "glibc-hwcaps" {
		return true
	}
	return slices.ContainsFunc(legacyHwcaps(), func(sub string) bool {
		return strings.HasSuffix(dir, "/"+sub)
	})
}

// variantDirs returns the subdirectories of dir for better processors.
func (l *Loader) variantDirs(dir string) []string {
	l.mu.Lock()
	subs, ok := l.variants[dir]
	l.mu.Unlock()
	if ok {
		return subs
	}
	if entries, err := fs.ReadDir(l.root, path.Join(dir, "glibc-hwcaps")); err == nil {
		for _, e := range entries[:min(len(entries), maxExpansions)] {
			subs = append(subs, path.Join(dir, "glibc-hwcaps", e.Name()))
		}
	}
	for _, sub := range legacyHwcaps() {
		p := path.Join(dir, sub)
		if l.isDir(p) {
			subs = append(subs, p)
		}
	}
	l.mu.Lock()
	l.variants[dir] = subs
	l.mu.Unlock()
	return subs
}

// fits says whether path is a shared object for the machine of s.f: the loader
// goes on searching when it is not.
func (s *search) fits(path string) bool {
	c, _ := s.l.File(path) // what cannot be read does not fit; a damaged one is tried
	return c != nil && c.Type == elf.ET_DYN && c.Class == s.f.Class &&
		c.Machine == s.f.Machine && c.BigEndian == s.f.BigEndian
}

// expandAll returns the directories of a run path.
func (s *search) expandAll(entries []string) []string {
	var dirs []string
	for _, e := range entries {
		if e != "" && len(dirs) < maxDirs {
			dirs = append(dirs, s.expand(e)...)
		}
	}
	return dirs
}

// expand replaces the tokens of a path. Several values are possible: $LIB and
// $PLATFORM depend on the build of glibc and on the processor; $ORIGIN is the
// directory of the resolved file for a program, and of the path by which it
// was found for a library, but that path need not be the one given here. A
// relative path is taken from $ORIGIN: the working directory is not known.
func (s *search) expand(entry string) []string {
	if !strings.HasPrefix(entry, "/") && !strings.HasPrefix(entry, "$") {
		entry = "$ORIGIN/" + entry
	}
	list := []string{entry}
	if strings.Contains(entry, "$") {
		a := archOf(s.f)
		list = replaceToken(list, "ORIGIN", s.origins)
		if !s.musl {
			list = replaceToken(list, "LIB", a.libNames)
			list = replaceToken(list, "PLATFORM", func() []string { return a.platforms })
		}
	}
	var paths []string
	for _, p := range list {
		if s.musl && strings.Contains(p, "$") {
			continue // musl ignores what it cannot expand
		}
		if p = s.l.lookup(p); p != "" {
			paths = append(paths, p)
		}
	}
	return unique(paths)
}

// origins returns the values of $ORIGIN, the likelier first.
func (s *search) origins() []string {
	given := "/" + path.Dir(s.path)
	resolved := "/" + path.Dir(s.l.realpath(s.path))
	if s.f.IsProgram() {
		return []string{resolved, given}
	}
	return []string{given, resolved}
}

// replaceToken replaces $NAME and ${NAME} by each of the values.
func replaceToken(list []string, name string, values func() []string) []string {
	var out []string
	for _, s := range list {
		if !strings.Contains(s, "$"+name) && !strings.Contains(s, "${"+name+"}") {
			out = append(out, s)
			continue
		}
		tokens := strings.Count(s, "$")
		for _, v := range values() {
			if len(s)+tokens*len(v) > 2*maxString {
				continue // no path is that long
			}
			r := strings.NewReplacer("${"+name+"}", v, "$"+name, v)
			out = append(out, r.Replace(s))
		}
	}
	return out[:min(len(out), maxExpansions)]
}

// Dirs returns the directories that are there and where a dlopen by name that
// f makes is searched, the entries of its own DT_RPATH and DT_RUNPATH with
// $ORIGIN excepted.
func (l *Loader) Dirs(f *File) []string {
	without := *f
	isOrigin := func(e string) bool { return !strings.HasPrefix(e, "/") || strings.Contains(e, "ORIGIN") }
	without.RPath = slices.DeleteFunc(slices.Clone(f.RPath), isOrigin)
	without.RunPath = slices.DeleteFunc(slices.Clone(f.RunPath), isOrigin)
	s := l.search(&without, ".", nil)
	dirs := s.before
	if !s.musl {
		dirs = append(dirs, l.cacheDirs...)
	}
	dirs = unique(append(dirs, s.system...))
	return slices.DeleteFunc(dirs, func(dir string) bool { return !l.isDir(dir) })
}

// Find returns the paths where the loader finds the library name for the file
// f at path: the plain one first, then its variants for better processors.
// The inherited directories are those of [Loader.Deps].
func (l *Loader) Find(name string, f *File, path string, inherited []string) []string {
	return l.search(f, path, inherited).find(name)
}
