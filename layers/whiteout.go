package layers

import (
	"path"
	"strings"
)

// markerDisputed tells whether engines disagree about a whiteout: one beside
// its own name, or an opaque marker after a sibling.
func markerDisputed(e *Entry, own map[string]int, opened map[string]bool) bool {
	if e.Type == Opaque {
		return opened[e.Path]
	}
	_, beside := own[e.Path]
	return beside || opened[e.Path]
}

// whiteout applies a whiteout or opaque marker to the lower layers. The parent
// is followed through lower symbolic links, unless this layer puts a directory
// in a link's place.
func (b *builder) whiteout(e *Entry, own map[string]int, mine []Entry) {
	if e.Type == Leftover {
		return
	}
	dirPath, base := e.Path, ""
	if e.Type == Whiteout {
		dirPath, base = path.Split(e.Path)
		dirPath = strings.TrimSuffix(dirPath, "/")
	}
	replaced := func(p string) bool {
		i, ok := own[p]
		return ok && mine[i].Type != Symlink
	}
	dir := b.descend(dirPath, replaced)
	if dir == nil || !dir.dir() {
		return
	}
	if e.Type == Opaque {
		e.Path = dir.path()
		for _, child := range dir.children {
			e.hides = b.shadow(child, e.ID) || e.hides
		}
		clear(dir.children)
		return
	}
	if child, ok := dir.children[base]; ok {
		e.Path = child.path()
		e.hides = b.shadow(child, e.ID)
		delete(dir.children, base)
	}
}

// descend finds the node of a directory, or nil. It stops with nil at a link
// for which replaced is true.
func (b *builder) descend(p string, replaced func(string) bool) *node {
	n, _, err := b.walk(b.root, p, true, func(link *node) error {
		if replaced(link.path()) {
			return errNotDir
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return n
}

// dispute marks the whiteouts of a layer that stand beside their own name,
// spelled through whatever links, and tells whether any whiteout is disputed.
func (b *builder) dispute(mine []Entry) bool {
	found := false
	for i := range mine {
		e := &mine[i]
		if e.Type == Whiteout && !e.hides && !e.disputed {
			// It hid nothing, so what is there now is of this layer.
			_, _, err := b.walk(b.root, e.Path, false, nil)
			e.disputed = err == nil
		}
		found = found || e.disputed
	}
	return found
}

// canonical is the path that a directory's path leads to, or the path itself.
func (b *builder) canonical(p string) string {
	if n, _, err := b.walk(b.root, p, true, nil); err == nil {
		return n.path()
	}
	return p
}
