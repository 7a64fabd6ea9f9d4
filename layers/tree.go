package layers

import (
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
)

// maxLinks is how many symbolic links one lookup follows, as Linux does.
const maxLinks = 40

// maxSteps is how many components one lookup follows, those of links included.
const maxSteps = 2048

var (
	errLoop       = errors.New("too many levels of symbolic links")
	errNotDir     = errors.New("not a directory")
	errNotFound   = errors.New("no such file in the image")
	errNoTarget   = errors.New("the hard link names nothing that is there")
	errLinkDir    = errors.New("the hard link names a directory")
	errLinkItself = errors.New("the hard link names itself")
)

// builder applies layers in order.
type builder struct {
	entries []entry
	root    *node
	layers  []layerFacts
	depth   int32 // most components of a path
}

// layerFacts are what Rewrite needs to know about a layer.
type layerFacts struct {
	first, count int
	irregular    bool
}

func newBuilder(depth, entries int) *builder {
	depth = min(depth, math.MaxInt32)
	return &builder{root: newDir("", nil, 0), depth: int32(depth), entries: make([]entry, 0, entries)} //nolint:gosec // see above
}

// add applies one layer: its whiteouts to what lies below, then its entries.
func (b *builder) add(layer int, a *archive) error {
	first := len(b.entries)
	own := make(map[string]int, len(a.entries)) // path → index of the last entry, markers apart
	for i := range a.entries {
		e := &a.entries[i]
		e.id, e.layer = int32(first+i), int32(layer) //nolint:gosec // limits.Entries and limits.Layers are below
		if !e.typ.Marker() {
			own[e.path] = i
		}
	}
	b.entries = append(b.entries, a.entries...)
	a.entries = nil
	mine := b.entries[first:]
	b.markers(mine)
	irregular := a.irregular
	var late []int
	opened := map[string]bool{} // directories with an entry of this layer so far
	for i := range mine {
		e := &mine[i]
		switch {
		case e.typ == Leftover:
			continue
		case e.typ.Marker():
			e.disputed = markerDisputed(e, own, opened) || !e.hides && e.typ == Opaque && opened[b.canonical(e.path)]
			continue
		}
		noteParents(opened, e.path)
		again, err := b.place(e, first, false)
		if err != nil {
			return fmt.Errorf("layer %d, %q: %w", layer, e.name, err)
		}
		if again {
			late = append(late, i)
		}
		noteParents(opened, e.path) // as it turned out to be, links followed
	}
	for _, i := range late {
		mine[i].late = true
		if _, err := b.place(&mine[i], first, true); err != nil {
			return fmt.Errorf("layer %d, %q: %w", layer, mine[i].name, err)
		}
	}
	b.layers = append(b.layers, layerFacts{first, len(mine), b.dispute(mine) || irregular || len(late) > 0})
	return nil
}

func noteParents(opened map[string]bool, p string) {
	for d := path.Dir(p); !opened[d]; d = path.Dir(d) {
		opened[d] = true
		if d == "." {
			return
		}
	}
}

// shadow marks all entries below a node as hidden by an entry.
func (b *builder) shadow(n *node, by int32) bool {
	hid := false
	for _, id := range n.makers() {
		b.entries[id].shadowed, b.entries[id].hiddenBy = true, by
		hid = true
	}
	if n.dir() {
		for _, child := range n.dirs.children {
			hid = b.shadow(child, by) || hid
		}
	}
	return hid
}

// place puts an entry into the root. For a hard link whose target is not there
// yet it reports true, unless it is the last chance.
func (b *builder) place(e *entry, first int, last bool) (again bool, err error) {
	content := e.id
	if e.typ == HardLink {
		target, err := b.linkTarget(e, last)
		if err != nil || target < 0 {
			return target < 0 && err == nil, err
		}
		if content = target; b.entries[target].typ == HardLink {
			content = b.entries[target].rare.data
		}
		e.rare.target, e.rare.data = target, content
	}
	if e.path == "." {
		b.merge(b.root, e, first)
		return false, nil
	}
	dirPath, base := path.Split(e.path)
	dir, err := b.parents(strings.TrimSuffix(dirPath, "/"))
	if err != nil {
		return false, err
	}
	old := dir.child(base)
	if old != nil && old.dir() && e.typ == Dir {
		b.merge(old, e, first)
		e.path = old.path()
		return false, nil
	}
	if dir.depth >= b.depth {
		return false, &LimitError{What: "depth", Limit: int64(b.depth)}
	}
	if old != nil {
		b.shadow(old, e.id)
	}
	n := &node{name: base, parent: dir, id: e.id, content: content, depth: dir.depth + 1}
	if e.typ == Dir {
		n.dirs = &dirNode{children: map[string]*node{}, entries: []int{int(e.id)}}
	}
	dir.dirs.children[base] = n
	if !n.at(e.path) {
		e.path = n.path()
	}
	return false, nil
}

// merge adds a directory entry to a directory that is there. Of two entries in
// one layer the later one wins.
func (b *builder) merge(n *node, e *entry, first int) {
	d := n.dirs
	if last := len(d.entries) - 1; last >= 0 && d.entries[last] >= first {
		old := &b.entries[d.entries[last]]
		old.shadowed, old.hiddenBy = true, e.id
		d.entries = d.entries[:last]
	}
	d.entries = append(d.entries, int(e.id))
	n.id, n.content = e.id, e.id
}

// linkTarget is the ID of the entry that a hard link names, or -1 when it is
// not there yet and may come later in the same layer.
func (b *builder) linkTarget(e *entry, last bool) (int32, error) {
	clean, err := cleanName(e.rare.link)
	if err != nil {
		return -1, fmt.Errorf("hard link to %q: %w", e.rare.link, err)
	}
	if clean == e.path {
		return -1, errLinkItself
	}
	n, _, err := b.walk(b.root, clean, false, nil)
	switch {
	case err == nil && n.dir():
		return -1, fmt.Errorf("hard link to %q: %w", e.rare.link, errLinkDir)
	case err == nil:
		return n.id, nil
	case last:
		return -1, fmt.Errorf("hard link to %q: %w", e.rare.link, errNoTarget)
	}
	return -1, nil
}

// parents finds the directory at p, following links, and makes what is missing.
func (b *builder) parents(p string) (*node, error) {
	if p == "" || p == "." {
		return b.root, nil
	}
	n, rest, err := b.walk(b.root, p, true, nil)
	if err == nil {
		if !n.dir() {
			return nil, fmt.Errorf("%q: %w", n.path(), errNotDir)
		}
		return n, nil
	}
	if !errors.Is(err, errNotFound) {
		return nil, fmt.Errorf("parent %q: %w", p, err)
	}
	for _, name := range rest {
		if name == "." {
			continue
		}
		if name == ".." {
			return nil, fmt.Errorf("parent %q: %w", p, errClimbs)
		}
		if n.depth >= b.depth {
			return nil, &LimitError{What: "depth", Limit: int64(b.depth)}
		}
		child := newDir(name, n, n.depth+1)
		n.dirs.children[name] = child
		n = child
	}
	return n, nil
}

// walk resolves a path from a directory inside the root. With follow, a link at
// the end is followed too. Where nothing is found it gives errNotFound, the
// directory it got to and the components that are missing. visit sees each link
// before it is followed.
func (b *builder) walk(from *node, p string, follow bool, visit visitor) (*node, []string, error) {
	n := from
	var name string
	for links, steps, todo := 0, 0, p; ; steps++ {
		if name, todo = nextName(todo); name == "" {
			return n, nil, nil
		}
		if steps > maxSteps {
			return n, nil, errLoop
		}
		switch name {
		case ".":
			continue
		case "..":
			if n.parent != nil {
				n = n.parent
			}
			continue
		}
		if !n.dir() {
			return n, nil, errNotDir
		}
		child := n.child(name)
		if child == nil {
			return n, append([]string{name}, splitPath(todo)...), errNotFound
		}
		link, isLink := b.linkOf(child)
		if !isLink || !follow && strings.Trim(todo, "/") == "" {
			n = child
			continue
		}
		if links++; links > maxLinks {
			return n, nil, errLoop
		}
		if err := visit.see(child); err != nil {
			return n, nil, err
		}
		if strings.HasPrefix(link, "/") {
			n = b.root
		}
		todo = link + "/" + todo
	}
}

// visitor is shown the links of a path; it may be nil.
type visitor func(*node) error

func (v visitor) see(link *node) error {
	if v == nil {
		return nil
	}
	return v(link)
}

// nextName cuts the first component off a path; "" when there is none.
func nextName(p string) (name, rest string) {
	p = strings.TrimLeft(p, "/")
	name, rest, _ = strings.Cut(p, "/")
	return name, rest
}

func (b *builder) linkOf(n *node) (string, bool) {
	if n.content < 0 || b.entries[n.content].typ != Symlink {
		return "", false
	}
	return b.entries[n.content].rare.link, true
}

func splitPath(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" })
}
