package elfdeps

import (
	"io/fs"
	"path"
	"strings"
)

// maxLinks bounds the links followed for one path, as the kernel does.
const maxLinks = 40

// realpath resolves all links of a path inside the root. What does not exist,
// and whatever comes after too many links, stays as spelled.
func (l *Loader) realpath(p string) string {
	todo := strings.Split(p, "/")
	done := ""
	links := 0
	for len(todo) > 0 {
		elem := todo[0]
		todo = todo[1:]
		switch elem {
		case "", ".":
			continue
		case "..":
			done = parent(done)
			continue
		}
		next := path.Join(done, elem)
		target, err := fs.ReadLink(l.root, next)
		if err != nil || links == maxLinks {
			done = next
			continue
		}
		links++
		if strings.HasPrefix(target, "/") {
			done = ""
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	if done == "" {
		return "."
	}
	return done
}

// lookup returns p as a path of the root. The links before a ".." are
// resolved, as the kernel does, and other links are not; "" is for what fs.FS
// cannot name.
func (l *Loader) lookup(p string) string {
	done := ""
	for elem := range strings.SplitSeq(p, "/") {
		switch elem {
		case "", ".":
		case "..":
			if done != "" {
				done = parent(l.realpath(done))
			}
		default:
			done = path.Join(done, elem)
		}
	}
	if done == "" {
		return "."
	}
	if !fs.ValidPath(done) || strings.ContainsRune(done, 0) || len(done) > maxString {
		return ""
	}
	return done
}

// parent returns the directory of p, "" for the root.
func parent(p string) string {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return ""
	}
	return p[:i]
}
