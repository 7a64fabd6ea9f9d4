package applier

import (
	"archive/tar"
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxLinks is how many symbolic links one name may lead through.
const maxLinks = 255

// node is one inode of the root.
type node struct {
	children map[string]*node // of a directory, else nil
	parent   *node            // of a directory
	layer    int              // that put it there last
	header   *tar.Header      // nil for a directory that no entry names
	sum      string           // SHA-256 of the content, in hex
}

func newDir(parent *node, layer int) *node {
	return &node{children: map[string]*node{}, parent: parent, layer: layer}
}

// Root is a root filesystem.
type Root struct{ top *node }

// dir finds a directory by following links inside the root, and makes what is
// missing when make is set.
func (r *Root) dir(name string, layer int, create bool) (*node, error) {
	at, links := r.top, 0
	todo := strings.Split(name, "/")
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at.parent != nil {
				at = at.parent
			}
			continue
		}
		child := at.children[part]
		switch {
		case child == nil && !create:
			return nil, nil
		case child == nil:
			child = newDir(at, layer)
			at.children[part] = child
		case child.children == nil && child.header.Typeflag == tar.TypeSymlink:
			if links++; links > maxLinks {
				return nil, fmt.Errorf("%q: too many links", name)
			}
			target := child.header.Linkname
			if strings.HasPrefix(target, "/") {
				at = r.top
			}
			todo = append(strings.Split(target, "/"), todo...)
			continue
		case child.children == nil:
			return nil, fmt.Errorf("%q: %q is not a directory", name, part)
		}
		at = child
	}
	return at, nil
}

// whiteout takes away what lower layers put at a name.
func (r *Root) whiteout(dir, base string, layer int) error {
	parent, err := r.dir(dir, layer, false)
	if err != nil || parent == nil {
		return nil //nolint:nilerr // nothing is there to take away
	}
	if base == "" {
		parent.lower(layer)
		return nil
	}
	if child := parent.children[base]; child != nil && child.lower(layer) {
		delete(parent.children, base)
	}
	return nil
}

// lower takes away what is below a node and not of a layer; it reports whether
// the node itself may go.
func (n *node) lower(layer int) bool {
	for name, child := range n.children {
		if child.lower(layer) {
			delete(n.children, name)
		}
	}
	return n.layer < layer && len(n.children) == 0
}

// put places an entry. Only a directory leaves what was there.
func (r *Root) put(hdr *tar.Header, sum string, layer int) error {
	name := path.Clean("/" + hdr.Name)
	if name == "/" {
		r.top.header, r.top.layer = hdr, layer
		return nil
	}
	parent, err := r.dir(path.Dir(name), layer, true)
	if err != nil {
		return err
	}
	base := path.Base(name)
	old := parent.children[base]
	switch {
	case hdr.Typeflag == tar.TypeLink:
		target, err := r.target(hdr.Linkname)
		if err != nil {
			return fmt.Errorf("%q: %w", hdr.Name, err)
		}
		target.layer = layer
		parent.children[base] = target
	case hdr.Typeflag == tar.TypeDir && old != nil && old.children != nil:
		old.header, old.layer = hdr, layer
	case hdr.Typeflag == tar.TypeDir:
		dir := newDir(parent, layer)
		dir.header = hdr
		parent.children[base] = dir
	default:
		parent.children[base] = &node{layer: layer, header: hdr, sum: sum}
	}
	return nil
}

var errNoTarget = errors.New("hard link before its target, or to nothing")

func (r *Root) target(link string) (*node, error) {
	name := path.Clean("/" + link)
	parent, err := r.dir(path.Dir(name), 0, false)
	if err != nil {
		return nil, err
	}
	if parent == nil || parent.children[path.Base(name)] == nil {
		return nil, errNoTarget
	}
	target := parent.children[path.Base(name)]
	if target.children != nil {
		return nil, errors.New("hard link to a directory")
	}
	return target, nil
}
