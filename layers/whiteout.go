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
	above := overlay{b: b, top: &made{}}
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

// overlay is what a layer has made so far, over the lower layers: as a tree, its
// entries that change where a name leads to.
type overlay struct {
	b   *builder
	top *made
}

// made is one name of an overlay.
type made struct {
	children map[string]*made
	entry    *entry // nil where only what is below has entries
}

func (m *made) child(name string) *made {
	if m == nil {
		return nil
	}
	return m.children[name]
}

// spot is a place on the way of a path: what lower layers and the overlay have
// there, each of which may be nothing.
type spot struct {
	name  string
	lower *node
	own   *made
}

// add notes an entry under the path that its name leads to.
func (o overlay) add(e *entry) {
	dir, base := path.Split(e.path)
	way, ok := o.walk(strings.TrimSuffix(dir, "/"))
	if !ok || base == "." {
		return
	}
	if was, _ := o.step(way[len(way)-1], base); e.typ != Symlink && was.own == nil &&
		(was.lower == nil || was.lower.dir() && e.typ == Dir) {
		return // it changes nothing about where a name leads to
	}
	at := o.top
	for _, s := range append(way[1:], spot{name: base}) {
		next := at.children[s.name]
		if next == nil {
			next = &made{}
			if at.children == nil {
				at.children = map[string]*made{}
			}
			at.children[s.name] = next
		}
		at = next
	}
	at.entry = e
}

// lower is the directory of the lower layers that a path leads to, or nil.
func (o overlay) lower(p string) *node {
	way, ok := o.walk(p)
	if n := way[len(way)-1].lower; ok && n != nil && n.dir() {
		return n
	}
	return nil
}

// walk follows a path to its end and gives the canonical way there, the root
// first.
func (o overlay) walk(p string) (way []spot, ok bool) {
	way = []spot{{lower: o.b.root, own: o.top}}
	todo := splitPath(p)
	for links, steps := 0, 0; len(todo) > 0; steps++ {
		name := todo[0]
		todo = todo[1:]
		if steps > maxSteps {
			return way, false
		}
		switch name {
		case ".":
			continue
		case "..":
			way = way[:max(1, len(way)-1)]
			continue
		}
		next, target := o.step(way[len(way)-1], name)
		if target == "" {
			way = append(way, next)
			continue
		}
		if links++; links > maxLinks {
			return way, false
		}
		if strings.HasPrefix(target, "/") {
			way = way[:1]
		}
		todo = append(splitPath(target), todo...)
	}
	return way, true
}

// step looks at one name in a directory. It gives the target of a link, or what
// is there: of the lower layers nothing where the overlay has a file, or a
// directory in the place of a link.
func (o overlay) step(dir spot, name string) (next spot, target string) {
	next = spot{name: name, own: dir.own.child(name)}
	if dir.lower != nil {
		next.lower = dir.lower.child(name) // a file has none
	}
	isLink := false
	if next.lower != nil {
		target, isLink = o.b.linkOf(next.lower)
	}
	if next.own == nil || next.own.entry == nil {
		return next, target
	}
	switch e := next.own.entry; {
	case e.typ == Symlink:
		return next, e.rare.link
	case isLink || e.typ != Dir:
		next.lower = nil
	}
	return next, ""
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
