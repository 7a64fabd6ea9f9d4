package layers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Entries yields every entry of every layer in archive order, base first.
func (t *Tree) Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range t.b.entries {
			if !yield(t.b.entries[i].public()) {
				return
			}
		}
	}
}

// Len is the number of entries of all layers.
func (t *Tree) Len() int { return len(t.b.entries) }

// Entry gives an entry by its ID.
func (t *Tree) Entry(id int) Entry { return t.b.entries[id].public() }

// Paths yields the path of everything in the root filesystem, sorted by
// components, parents first; the root itself is left out.
func (t *Tree) Paths() iter.Seq[string] {
	return func(yield func(string) bool) {
		t.b.root.each(func(n *node) bool { return n.parent == nil || yield(n.path()) })
	}
}

// Lookup finds what is at a canonical path: the entry that gives it its type
// and content. A directory that no entry names is reported with ID -1.
func (t *Tree) Lookup(path string) (Entry, bool) {
	n := t.find(path)
	if n == nil {
		return Entry{}, false
	}
	return t.entryOf(n), true
}

func (t *Tree) entryOf(n *node) Entry {
	if n.content < 0 {
		return Entry{ID: -1, Path: n.path(), Type: Dir, Mode: 0o755, HiddenBy: -1, Data: -1}
	}
	e := t.b.entries[n.content].public()
	if n.id != n.content { // a hard link: its own name, the other's content
		e.Path, e.ID = n.path(), int(n.id)
		e.Data = int(n.content)
	}
	return e
}

// find walks a canonical path without following links.
func (t *Tree) find(path string) *node {
	n := t.b.root
	for name, rest := nextName(path); name != ""; name, rest = nextName(rest) {
		if name == "." {
			continue
		}
		if n = n.child(name); n == nil {
			return nil
		}
	}
	return n
}

// Makers gives the IDs of the entries that make a path: one, or for a directory
// one a layer that names it.
func (t *Tree) Makers(path string) []int {
	if n := t.find(path); n != nil {
		return n.makers()
	}
	return nil
}

// Resolve follows symbolic links inside the root as a running container would:
// it gives the canonical path of what the path leads to, and the canonical
// paths of the links on the way, in order.
func (t *Tree) Resolve(path string) (target string, links []string, err error) {
	return t.resolve(path, true)
}

// ResolveParent is Resolve that does not follow a link at the very end.
func (t *Tree) ResolveParent(path string) (target string, links []string, err error) {
	return t.resolve(path, false)
}

func (t *Tree) resolve(path string, follow bool) (string, []string, error) {
	if t.b == nil {
		return "", nil, fmt.Errorf("%q: %w", path, errNotFound)
	}
	var links []string
	n, _, err := t.b.walk(t.b.root, path, follow, func(l *node) error {
		links = append(links, l.path())
		return nil
	})
	if err != nil {
		return "", links, fmt.Errorf("%q: %w", path, err)
	}
	return n.path(), links, nil
}

// Content opens the content of the regular file or hard link with the given ID.
// Sparse files read expanded.
func (t *Tree) Content(id int) (*io.SectionReader, error) {
	e := &t.b.entries[id]
	if e.typ == HardLink {
		e = &t.b.entries[e.data()]
	}
	if e.typ != Regular {
		return nil, fmt.Errorf("%q is a %s, it has no content", e.path, e.typ)
	}
	if !e.sparse {
		return t.content(e), nil
	}
	s := &sparseReader{t: t, e: e}
	return io.NewSectionReader(s, 0, e.size), nil
}

// Digests gives the SHA-256 of the content of regular entries, by ID.
func (t *Tree) Digests(ctx context.Context, ids []int) ([][sha256.Size]byte, error) {
	sums := make([][sha256.Size]byte, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			buf := make([]byte, 128<<10)
			for i := w; i < len(ids); i += workers {
				r, err := t.Content(ids[i])
				if err != nil {
					return err
				}
				h := sha256.New()
				if _, err := io.CopyBuffer(h, onlyReader{&contextReader{ctx, r}}, buf); err != nil {
					return fmt.Errorf("hashing %q: %w", t.b.entries[ids[i]].path, err)
				}
				h.Sum(sums[i][:0])
			}
			return nil
		})
	}
	return sums, g.Wait()
}

// onlyReader hides WriteTo so that CopyBuffer uses the buffer it is given.
type onlyReader struct{ io.Reader }

// HasPrefix reads the first bytes of a file's content and compares.
func (t *Tree) HasPrefix(id int, prefix []byte) bool {
	r, err := t.Content(id)
	if err != nil || r.Size() < int64(len(prefix)) {
		return false
	}
	got := make([]byte, len(prefix))
	_, err = r.ReadAt(got, 0)
	return err == nil && bytes.Equal(got, prefix)
}

// Xattrs reads the extended attributes of an entry back from its archive, by
// name: those in records of star's form, the only ones that container engines
// unpack.
func (t *Tree) Xattrs(id int) (map[string]string, error) {
	e := &t.b.entries[id]
	if e.rare == nil || e.rare.xattrs == "" {
		return nil, nil //nolint:nilnil // there are none
	}
	_, c, err := t.headers(e)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", e.path, err)
	}
	out := map[string]string{}
	for key, value := range e.global() {
		if name, ok := strings.CutPrefix(key, xattrStar); ok && name != "" {
			out[name] = value
		}
	}
	for _, r := range c.records {
		if name, ok := strings.CutPrefix(r.key, xattrStar); ok && name != "" {
			out[name] = r.value
		}
	}
	return out, nil
}
