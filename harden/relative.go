package harden

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// shownRelative is how many paths a finding names.
const shownRelative = 3

// resolveAny resolves a recorded path. Some recorders put a slash before a
// relative path: what the image lacks and has below its working directory is
// meant so, where no source of it is known to spell paths better.
func (p *planner) resolveAny(name profile.Path, seenBy []string) (f *file, links []string) {
	if f, links = p.resolve(string(name)); f != nil {
		return f, links
	}
	work := path.Clean("/" + p.config.WorkingDir)
	if work == "/" || profile.OutsidePrefix(name) != "" || !slices.ContainsFunc(seenBy, p.mayInventRoot) {
		return nil, links
	}
	below, more := p.resolve(work + "/" + strings.TrimLeft(string(name), "/"))
	if below == nil || below.class == dir {
		return nil, links
	}
	p.relative = append(p.relative, string(name))
	return below, more
}

// mayInventRoot tells whether a source may have recorded a relative path as an
// absolute one: it says neither that its paths are resolved nor which opens
// failed.
func (p *planner) mayInventRoot(id string) bool {
	s := p.sources[id]
	return s != nil && s.Kind == profile.KindObserved && s.Paths.Open == "both" &&
		!slices.Contains(s.Observes, profile.ObservesOpenFailed)
}

// tellRelative says once which paths were looked for below the working
// directory.
func (p *planner) tellRelative() {
	list := sortedSet(p.relative)
	if len(list) == 0 {
		return
	}
	names := ""
	for i, name := range list[:min(len(list), shownRelative)] {
		if i > 0 {
			names += ", "
		}
		names += fmt.Sprintf("%q", name)
	}
	if len(list) > shownRelative {
		names += fmt.Sprintf(" and %d more", len(list)-shownRelative)
	}
	p.note("relative-path", "", fmt.Sprintf("recorded paths that the image has only below its working directory %q count as these: %s", p.config.WorkingDir, names))
}
