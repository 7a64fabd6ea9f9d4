package layers

import (
	"path"
	"slices"
	"strings"
)

// markerDisputed tells whether engines disagree about a whiteout: one beside
// its own name, or an opaque marker after a sibling.
func markerDisputed(e *entry, own map[string]int, opened map[string]bool) bool {
	if e.typ == Opaque {
		return opened[e.path]
	}
	_, beside := own[e.path]
	return beside || opened[e.path]
}

// markers applies the whiteouts of a layer to what lies below, in the order of
// the archive: a name leads through the links that are there when an engine gets
// to it, those of lower layers and those that the layer itself has made before.
func (b *builder) markers(mine []entry) {
	if !slices.ContainsFunc(mine, func(e entry) bool { return e.typ.Marker() }) {
		return
	}
	above := overlay{b: b, made: map[string]*entry{}}
	for i := range mine {
		switch e := &mine[i]; {
		case e.typ == Leftover:
		case e.typ.Marker():
			b.whiteout(e, above)
		default:
			above.add(e)
		}
	}
}

// whiteout applies a whiteout or opaque marker to the lower layers.
func (b *builder) whiteout(e *entry, above overlay) {
	dirPath, base := e.path, ""
	if e.typ == Whiteout {
		dirPath, base = path.Split(e.path)
		dirPath = strings.TrimSuffix(dirPath, "/")
	}
	dir := above.lower(dirPath)
	if dir == nil {
		return
	}
	if e.typ == Opaque {
		e.path = dir.path()
		for _, child := range dir.dirs.children {
			e.hides = b.shadow(child, e.id) || e.hides
		}
		clear(dir.dirs.children)
		return
	}
	if child := dir.child(base); child != nil {
		e.path = child.path()
		e.hides = b.shadow(child, e.id)
		delete(dir.dirs.children, base)
	}
}

// overlay is what a layer has made so far, over the lower layers: the entries
// that change where a name leads to, by their paths.
type overlay struct {
	b    *builder
	made map[string]*entry
}

// add notes an entry. Directories matter only where they take the place of a
// link, of which their own name is enough: a link's path is canonical.
func (o overlay) add(e *entry) {
	dir, base := path.Split(e.path)
	if e.typ == Symlink && dir != "" {
		if p, _, ok := o.walk(strings.TrimSuffix(dir, "/")); ok {
			o.made[path.Join(p, base)] = e
			return
		}
	}
	o.made[e.path] = e
}

// lower is the directory of the lower layers that a path leads to, or nil.
func (o overlay) lower(p string) *node {
	_, n, ok := o.walk(p)
	if !ok || n == nil || !n.dir() {
		return nil
	}
	return n
}

// walk follows a path to its end. It gives the canonical path and what lower
// layers have there, which may be nothing.
func (o overlay) walk(p string) (string, *node, bool) {
	at, n := "", o.b.root
	todo := splitPath(p)
	for links, steps := 0, 0; len(todo) > 0; steps++ {
		name := todo[0]
		todo = todo[1:]
		if steps > maxSteps {
			return "", nil, false
		}
		switch name {
		case ".":
			continue
		case "..":
			at, n = o.up(at)
			continue
		}
		next := path.Join(at, name)
		target, child, isLink := o.step(next, n, name)
		if !isLink {
			at, n = next, child
			continue
		}
		if links++; links > maxLinks {
			return "", nil, false
		}
		if strings.HasPrefix(target, "/") {
			at, n = "", o.b.root
		}
		todo = append(splitPath(target), todo...)
	}
	return at, n, true
}

// step looks at one name in a directory: a link's target, or the node of the
// lower layers that is still to be seen there.
func (o overlay) step(p string, dir *node, name string) (target string, child *node, isLink bool) {
	if dir != nil {
		child = dir.child(name) // a file has none
	}
	lower, isLink := "", false
	if child != nil {
		lower, isLink = o.b.linkOf(child)
	}
	e := o.made[p]
	switch {
	case e != nil && e.typ == Symlink:
		return e.rare.link, nil, true
	case e != nil && (isLink || e.typ != Dir):
		return "", nil, false
	}
	return lower, child, isLink
}

// up is the parent of a canonical path, which leads through no link.
func (o overlay) up(at string) (string, *node) {
	at = strings.TrimPrefix(path.Dir("/"+at), "/")
	n := o.b.root
	for _, name := range splitPath(at) {
		if n = n.child(name); n == nil {
			break
		}
	}
	return at, n
}

// dispute marks the whiteouts of a layer that stand beside their own name,
// spelled through whatever links, and tells whether any whiteout is disputed.
func (b *builder) dispute(mine []entry) bool {
	found := false
	for i := range mine {
		e := &mine[i]
		if e.typ == Whiteout && !e.hides && !e.disputed {
			// It hid nothing, so what is there now is of this layer.
			_, _, err := b.walk(b.root, e.path, false, nil)
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
