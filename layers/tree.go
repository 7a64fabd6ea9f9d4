package layers

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// node is one path of the merged root filesystem.
type node struct {
	name     string
	parent   *node
	children map[string]*node // of directories
	entries  []int            // IDs that make it: all of a directory's, else one
	content  int              // ID of the entry with type and content, -1 for a directory that no entry names
	depth    int              // components of the path
}

func (n *node) dir() bool { return n.children != nil }

func (n *node) path() string {
	if n.parent == nil {
		return "."
	}
	size := 0
	for m := n; m.parent != nil; m = m.parent {
		size += len(m.name) + 1
	}
	out := make([]byte, size)
	for m := n; m.parent != nil; m = m.parent {
		size -= len(m.name) + 1
		copy(out[size:], m.name)
		out[size+len(m.name)] = '/'
	}
	return string(out[:len(out)-1])
}

// at reports whether the path of a node is p.
func (n *node) at(p string) bool {
	for ; n.parent != nil && n.parent.parent != nil; n = n.parent {
		var ok bool
		if p, ok = strings.CutSuffix(p, n.name); !ok {
			return false
		}
		if p, ok = strings.CutSuffix(p, "/"); !ok {
			return false
		}
	}
	if n.parent == nil {
		return p == "."
	}
	return p == n.name
}

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
	entries []Entry
	root    *node
	layers  []layerFacts
	depth   int // most components of a path
}

// layerFacts are what Rewrite needs to know about a layer.
type layerFacts struct {
	first, count int
	irregular    bool
}

func newBuilder(depth, entries int) *builder {
	return &builder{root: &node{children: map[string]*node{}, content: -1}, depth: depth, entries: make([]Entry, 0, entries)}
}

// add applies one layer: its whiteouts to what lies below, then its entries.
func (b *builder) add(layer int, a *archive) error {
	first := len(b.entries)
	own := make(map[string]int, len(a.entries)) // path → index of the last entry, markers apart
	for i := range a.entries {
		e := &a.entries[i]
		e.ID, e.Layer = first+i, layer
		if !e.Type.Marker() {
			own[e.Path] = i
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
		case e.Type == Leftover:
			continue
		case e.Type.Marker():
			e.disputed = markerDisputed(e, own, opened) || !e.hides && e.Type == Opaque && opened[b.canonical(e.Path)]
			continue
		}
		noteParents(opened, e.Path)
		again, err := b.place(e, first, false)
		if err != nil {
			return fmt.Errorf("layer %d, %q: %w", layer, e.Name, err)
		}
		if again {
			late = append(late, i)
		}
		noteParents(opened, e.Path) // as it turned out to be, links followed
	}
	for _, i := range late {
		mine[i].late = true
		if _, err := b.place(&mine[i], first, true); err != nil {
			return fmt.Errorf("layer %d, %q: %w", layer, mine[i].Name, err)
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
func (b *builder) shadow(n *node, by int) bool {
	hid := false
	for _, id := range n.entries {
		b.entries[id].Shadowed, b.entries[id].HiddenBy = true, by
		hid = true
	}
	for _, child := range n.children {
		hid = b.shadow(child, by) || hid
	}
	return hid
}

// place puts an entry into the root. For a hard link whose target is not there
// yet it reports true, unless it is the last chance.
func (b *builder) place(e *Entry, first int, last bool) (again bool, err error) {
	content := e.ID
	if e.Type == HardLink {
		target, err := b.linkTarget(e, last)
		if err != nil || target < 0 {
			return target < 0 && err == nil, err
		}
		e.target = target
		content = target
		if b.entries[target].Type == HardLink {
			content = b.entries[target].Data
		}
		e.Data = content
	}
	if e.Path == "." {
		b.merge(b.root, e, first)
		return false, nil
	}
	dirPath, base := path.Split(e.Path)
	dir, err := b.parents(strings.TrimSuffix(dirPath, "/"))
	if err != nil {
		return false, err
	}
	old := dir.children[base]
	if old != nil && old.dir() && e.Type == Dir {
		b.merge(old, e, first)
		e.Path = old.path()
		return false, nil
	}
	if dir.depth >= b.depth {
		return false, &LimitError{What: "depth", Limit: int64(b.depth)}
	}
	if old != nil {
		b.shadow(old, e.ID)
	}
	n := &node{name: base, parent: dir, entries: []int{e.ID}, content: content, depth: dir.depth + 1}
	if e.Type == Dir {
		n.children = map[string]*node{}
	}
	dir.children[base] = n
	if !n.at(e.Path) {
		e.Path = n.path()
	}
	return false, nil
}

// merge adds a directory entry to a directory that is there. Of two entries in
// one layer the later one wins.
func (b *builder) merge(n *node, e *Entry, first int) {
	if last := len(n.entries) - 1; last >= 0 && n.entries[last] >= first {
		old := &b.entries[n.entries[last]]
		old.Shadowed, old.HiddenBy = true, e.ID
		n.entries = n.entries[:last]
	}
	n.entries = append(n.entries, e.ID)
	n.content = e.ID
}

// linkTarget is the ID of the entry that a hard link names, or -1 when it is
// not there yet and may come later in the same layer.
func (b *builder) linkTarget(e *Entry, last bool) (int, error) {
	clean, err := cleanName(e.Linkname)
	if err != nil {
		return -1, fmt.Errorf("hard link to %q: %w", e.Linkname, err)
	}
	if clean == e.Path {
		return -1, errLinkItself
	}
	n, _, err := b.walk(b.root, clean, false, nil)
	switch {
	case err == nil && n.dir():
		return -1, fmt.Errorf("hard link to %q: %w", e.Linkname, errLinkDir)
	case err == nil:
		return n.entries[0], nil
	case last:
		return -1, fmt.Errorf("hard link to %q: %w", e.Linkname, errNoTarget)
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
		child := &node{name: name, parent: n, children: map[string]*node{}, content: -1, depth: n.depth + 1}
		n.children[name] = child
		n = child
	}
	return n, nil
}

// walk resolves a path from a directory inside the root. With follow, a link at
// the end is followed too. Where nothing is found it gives errNotFound, the
// directory it got to and the components that are missing. visit sees each link
// before it is followed.
func (b *builder) walk(from *node, p string, follow bool, visit func(*node) error) (*node, []string, error) {
	n := from
	todo := splitPath(p)
	for links, steps := 0, 0; len(todo) > 0; steps++ {
		name := todo[0]
		todo = todo[1:]
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
		child := n.children[name]
		if child == nil {
			return n, append([]string{name}, todo...), errNotFound
		}
		link, isLink := b.linkOf(child)
		if !isLink || len(todo) == 0 && !follow {
			n = child
			continue
		}
		if links++; links > maxLinks {
			return n, nil, errLoop
		}
		if visit != nil {
			if err := visit(child); err != nil {
				return n, nil, err
			}
		}
		if strings.HasPrefix(link, "/") {
			n = b.root
		}
		todo = append(splitPath(link), todo...)
	}
	return n, nil, nil
}

func (b *builder) linkOf(n *node) (string, bool) {
	if n.content < 0 || b.entries[n.content].Type != Symlink {
		return "", false
	}
	return b.entries[n.content].Linkname, true
}

func splitPath(p string) []string {
	return slices.DeleteFunc(strings.Split(p, "/"), func(s string) bool { return s == "" })
}

// each yields the nodes below n in path order, n first.
func (n *node) each(yield func(*node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, name := range n.sorted() {
		if !n.children[name].each(yield) {
			return false
		}
	}
	return true
}

func (n *node) sorted() []string {
	names := make([]string, 0, len(n.children))
	for name := range n.children {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
