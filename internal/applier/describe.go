package applier

import (
	"archive/tar"
	"fmt"
	"slices"
	"strings"
)

// Describe says what is at each path, without a leading slash, but for those
// that drop says yes to: type, mode, owner, time to the nanosecond, extended
// attributes, content or target, and the first of the paths that share its
// inode. Directories that no entry names are left out, for they come and go
// with what is in them.
func (r *Root) Describe(drop func(path string) bool) map[string]string {
	first := map[*node]string{}
	out := map[string]string{}
	r.walk(func(p string, n *node) {
		if drop(p) || n.header == nil {
			return
		}
		if _, ok := first[n]; !ok {
			first[n] = p
		}
		out[p] = n.describe()
		if first[n] != p {
			out[p] += " = " + first[n]
		}
	})
	return out
}

// walk visits all paths but the root, sorted.
func (r *Root) walk(visit func(p string, n *node)) {
	type item struct {
		p string
		n *node
	}
	for todo := []item{{"", r.top}}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if at.p != "" {
			visit(at.p[1:], at.n)
		}
		names := make([]string, 0, len(at.n.children))
		for name := range at.n.children {
			names = append(names, name)
		}
		slices.Sort(names)
		slices.Reverse(names)
		for _, name := range names {
			todo = append(todo, item{at.p + "/" + name, at.n.children[name]})
		}
	}
}

func (n *node) describe() string {
	h := n.header
	kind := h.Typeflag
	if kind == tar.TypeGNUSparse || kind == tar.TypeRegA { //nolint:staticcheck // archives still have them
		kind = tar.TypeReg
	}
	text := fmt.Sprintf("%c %o %d:%d %d.%09d", kind, h.Mode&0o7777, h.Uid, h.Gid, h.ModTime.Unix(), h.ModTime.Nanosecond())
	switch kind {
	case tar.TypeReg:
		text += fmt.Sprintf(" %d bytes %s", h.Size, n.sum)
	case tar.TypeSymlink:
		text += " -> " + h.Linkname
	case tar.TypeChar, tar.TypeBlock:
		text += fmt.Sprintf(" %d,%d", h.Devmajor, h.Devminor)
	}
	var notes []string
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			notes = append(notes, fmt.Sprintf("%s=%x", name, value))
		}
	}
	slices.Sort(notes)
	return strings.TrimSpace(text + " " + strings.Join(notes, " "))
}
