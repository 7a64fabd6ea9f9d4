package elfdeps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Bounds of what is read of the loader's configuration.
const (
	maxFile     = 16 << 20 // bytes of one file
	maxDirs     = 1024     // directories in a search path
	maxIncludes = 256      // include patterns, and files that they name, at any depth
)

// readFile returns the content of a regular file, nil when there is none.
func readFile(root fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(root, name)
	if missing(err) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading loader configuration %q: %w", name, err)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading loader configuration %q: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("reading loader configuration %q: %w", name, err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("reading loader configuration %q: more than %d bytes", name, maxFile)
	}
	return b, nil
}

// missing says whether err means that a path leads nowhere in the image.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid)
}

// confReader reads ld.so.conf and what it includes.
type confReader struct {
	root     fs.FS
	dirs     []string
	seen     map[string]bool
	includes int
}

// readConf returns the directories of etc/ld.so.conf in order.
func readConf(root fs.FS) ([]string, error) {
	c := &confReader{root: root, seen: map[string]bool{}}
	err := c.file("etc/ld.so.conf")
	return unique(c.dirs), err
}

// file reads one configuration file, once.
func (c *confReader) file(name string) error {
	if c.seen[name] || len(c.seen) > maxIncludes {
		return nil
	}
	c.seen[name] = true
	b, err := readFile(c.root, name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] == "hwcap":
		case fields[0] == "include":
			for _, pattern := range fields[1:] {
				if err := c.include(path.Dir(name), pattern); err != nil {
					return err
				}
			}
		case len(c.dirs) < maxDirs:
			dir, _, _ := strings.Cut(fields[0], "=") // an old suffix: =libc6
			if strings.HasPrefix(dir, "/") {
				c.dirs = append(c.dirs, relative(dir))
			}
		default:
		}
	}
	return nil
}

// include reads the files that pattern matches, in the order of their names.
// Only the last element may hold wildcards: a pattern over the whole tree would
// be no include, but an attack.
func (c *confReader) include(dir, pattern string) error {
	if c.includes++; c.includes > maxIncludes {
		return nil
	}
	if !strings.HasPrefix(pattern, "/") {
		pattern = path.Join("/", dir, pattern)
	}
	dir, base := path.Split(relative(pattern))
	dir = path.Clean(dir)
	if !strings.ContainsAny(base, `*?[\`) {
		return c.file(path.Join(dir, base))
	}
	if strings.ContainsAny(dir, `*?[\`) {
		return nil
	}
	entries, err := fs.ReadDir(c.root, dir)
	if err != nil {
		if info, serr := fs.Stat(c.root, dir); missing(serr) || serr == nil && !info.IsDir() {
			return nil
		}
		return fmt.Errorf("reading loader configuration %q: %w", dir, err)
	}
	for _, e := range entries {
		if ok, err := path.Match(base, e.Name()); err != nil || !ok || e.Name()[0] == '.' {
			continue
		}
		if err := c.file(path.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// readMuslPaths returns the search path of each etc/ld-musl-ARCH.path by ARCH.
func readMuslPaths(root fs.FS) (map[string][]string, error) {
	entries, _ := fs.ReadDir(root, "etc") // without a readable etc there is no such file
	paths := map[string][]string{}
	for _, e := range entries {
		name, isPath := strings.CutSuffix(e.Name(), ".path")
		name, isMusl := strings.CutPrefix(name, "ld-musl-")
		if !isPath || !isMusl {
			continue
		}
		b, err := readFile(root, "etc/"+e.Name())
		if err != nil {
			return nil, err
		}
		var dirs []string
		for dir := range strings.FieldsFuncSeq(string(b), func(r rune) bool { return r == ':' || r == '\n' }) {
			if strings.HasPrefix(dir, "/") && len(dirs) < maxDirs {
				dirs = append(dirs, relative(dir))
			}
		}
		paths[name] = unique(dirs)
	}
	return paths, nil
}

// relative returns the path from the root without a leading slash, "." for
// the root itself. It goes by the spelling: links before ".." are not resolved.
func relative(p string) string {
	p = path.Clean("/" + p)[1:]
	if p == "" {
		return "."
	}
	return p
}

// unique returns the strings without repetitions, in the order of the first.
func unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}
