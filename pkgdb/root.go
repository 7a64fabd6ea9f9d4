package pkgdb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
)

// Bounds of paths, those of Linux.
const (
	maxLinks = 40
	maxPath  = 4096
)

// tree reads a root filesystem and knows where its directory links lead.
type tree struct {
	root fs.FS
	lim  Limits

	mu   sync.Mutex
	dirs map[string]string // canonical directories by their spelling
}

// canonical returns path with the links of its parent directories resolved.
func (t *tree) canonical(p string) string {
	p = strings.Trim(p, "/")
	if p == "" || len(p) > maxPath || !fs.ValidPath(p) {
		return p
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return path.Join(t.dir(parent(p), 0), path.Base(p))
}

// dir resolves all links of a directory path; depth counts the links on the
// way. What is not there stays as spelled.
func (t *tree) dir(p string, depth int) string {
	if p == "" || p == "." {
		return ""
	}
	if known, ok := t.dirs[p]; ok {
		return known
	}
	above := t.dir(parent(p), depth)
	full := path.Join(above, path.Base(p))
	if target, err := fs.ReadLink(t.root, full); err == nil && depth < maxLinks && len(target) <= maxPath {
		full = above
		if strings.HasPrefix(target, "/") {
			full = ""
		}
		for elem := range strings.SplitSeq(target, "/") {
			switch elem {
			case "", ".":
			case "..":
				full = parent(full)
			default:
				full = t.dir(path.Join(full, elem), depth+1)
			}
		}
	}
	t.dirs[p] = full
	return full
}

// parent returns the directory of p, "" for the root.
func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}

// exists says whether something is at path, be it a link that leads nowhere.
func (t *tree) exists(p string) (bool, error) {
	_, err := fs.Lstat(t.root, t.canonical(p))
	if err == nil {
		return true, nil
	}
	if missing(err) {
		return false, nil
	}
	return false, fmt.Errorf("looking for %q: %w", p, err)
}

// isDir says whether path itself is a directory.
func (t *tree) isDir(p string) bool {
	info, err := fs.Lstat(t.root, t.canonical(p))
	return err == nil && info.IsDir()
}

// missing says whether err means that a path leads nowhere in the image.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid)
}

// read returns the content of a regular file; ok is false when there is none.
func (t *tree) read(name string) (content []byte, ok bool, err error) {
	info, err := fs.Stat(t.root, name)
	if missing(err) || err == nil && !info.Mode().IsRegular() {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading package database %q: %w", name, err)
	}
	if info.Size() > t.lim.FileSize {
		return nil, false, fmt.Errorf("reading package database %q: %w: more than %d bytes", name, ErrLimit, t.lim.FileSize)
	}
	file, err := t.root.Open(name)
	if err != nil {
		return nil, false, fmt.Errorf("reading package database %q: %w", name, err)
	}
	content, err = io.ReadAll(io.LimitReader(file, t.lim.FileSize+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, false, fmt.Errorf("reading package database %q: %w", name, err)
	}
	if int64(len(content)) > t.lim.FileSize {
		return nil, false, fmt.Errorf("reading package database %q: %w: more than %d bytes", name, ErrLimit, t.lim.FileSize)
	}
	return content, true, nil
}

// list returns the names of the regular files in a directory, sorted; none
// when there is no such directory.
func (t *tree) list(dir string) ([]string, error) {
	entries, err := fs.ReadDir(t.root, dir)
	if err != nil {
		if info, serr := fs.Stat(t.root, dir); missing(serr) || serr == nil && !info.IsDir() {
			return nil, nil
		}
		return nil, fmt.Errorf("reading package database %q: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
