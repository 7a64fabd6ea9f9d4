package profile

import (
	"path"
	"slices"
	"strings"
)

// Root is the root filesystem of an image, as far as recorded paths are looked
// up in it.
type Root struct {
	Resolve    Resolver
	IsDir      func(path string) bool // of a path that Resolve gave; nil where directories are not told apart
	WorkingDir string                 // of the image's config; "" is /
}

// Found is what a recorded path leads to in an image.
type Found struct {
	Path  string   // free of links; "" where there is nothing
	Links []string // that were followed, also where nothing is at their end
	Below bool     // it is below the working directory: see [Lookup.Find]
}

// Lookup finds recorded paths in an image. Binding and planning both use it, so
// that they cannot disagree about what a path means.
type Lookup struct {
	root   Root
	dir    string          // the working directory, clean
	invent map[string]bool // ids of sources that may put a slash before relative paths
}

// NewLookup makes a lookup of paths that sources recorded.
func NewLookup(root Root, sources []Source) *Lookup {
	l := &Lookup{root: root, dir: path.Clean("/" + root.WorkingDir), invent: map[string]bool{}}
	for _, s := range sources {
		l.invent[sourceKey(s)] = s.mayInventRoot()
	}
	return l
}

// mayInventRoot tells whether a source may have recorded a relative path as an
// absolute one: it says neither that its paths are resolved nor which opens
// failed.
func (s *Source) mayInventRoot() bool {
	return s.Kind == KindObserved && s.Paths.Open == "both" && !slices.Contains(s.Observes, ObservesOpenFailed)
}

// Find looks a path up that the sources of these ids recorded. Some recorders
// put a slash before a relative path: a file that the image lacks and has below
// its working directory is meant so, where no source of the path is known to
// spell paths better.
func (l *Lookup) Find(name Path, seenBy []string) Found {
	target, links, ok := l.root.Resolve(string(name))
	if ok {
		return Found{Path: target, Links: links}
	}
	none := Found{Links: links}
	if l.dir == "/" || OutsidePrefix(name) != "" || !slices.ContainsFunc(seenBy, func(id string) bool { return l.invent[id] }) {
		return none
	}
	target, links, ok = l.root.Resolve(l.dir + "/" + strings.TrimLeft(string(name), "/"))
	if !ok || l.root.IsDir != nil && l.root.IsDir(target) {
		return none
	}
	return Found{Path: target, Links: links, Below: true}
}
