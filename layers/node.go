package layers

import (
	"slices"
	"strings"
)

// node is one path of the merged root filesystem.
type node struct {
	name    string
	parent  *node
	dirs    *dirNode // of directories
	id      int32    // of the entry that makes it, of a directory the topmost one; -1 for a directory that no entry names
	content int32    // of the entry with type and content
	depth   int32    // components of the path
}

// dirNode is what only directories have.
type dirNode struct {
	children map[string]*node
	entries  []int // IDs of all that name it, the lowest first
}

func (n *node) dir() bool { return n.dirs != nil }

// child gives what a directory has by a name, or nil.
func (n *node) child(name string) *node {
	if n.dirs == nil {
		return nil
	}
	return n.dirs.children[name]
}

// makers are the IDs of the entries that make a node.
func (n *node) makers() []int {
	if n.dirs != nil {
		return n.dirs.entries
	}
	return []int{int(n.id)}
}

func newDir(name string, parent *node, depth int32) *node {
	return &node{name: name, parent: parent, dirs: &dirNode{children: map[string]*node{}}, id: -1, content: -1, depth: depth}
}

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

// each yields the nodes below n in path order, n first.
func (n *node) each(yield func(*node) bool) bool {
	if !yield(n) {
		return false
	}
	for _, name := range n.sorted() {
		if !n.dirs.children[name].each(yield) {
			return false
		}
	}
	return true
}

func (n *node) sorted() []string {
	if !n.dir() {
		return nil
	}
	names := make([]string, 0, len(n.dirs.children))
	for name := range n.dirs.children {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
