package harden

import (
	"fmt"
	"strings"

	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// shownRelative is how many paths a finding names.
const shownRelative = 3

// Root is an image's root filesystem, in which recorded paths are looked up.
func Root(t *layers.Tree) profile.Root {
	slashed := func(links []string) []string {
		for i := range links {
			links[i] = "/" + links[i]
		}
		return links
	}
	return profile.Root{
		Resolve: func(name string) (string, []string, bool) {
			target, links, err := t.Resolve(name)
			if target == "." {
				target = ""
			}
			return "/" + target, slashed(links), err == nil
		},
		IsDir: func(name string) bool {
			e, ok := t.Lookup(name)
			return ok && e.Type == layers.Dir
		},
		WorkingDir: t.Config().Config.WorkingDir,
	}
}

// resolveAny finds the file that a recorded path means, and the links on the
// way.
func (p *planner) resolveAny(name profile.Path, seenBy []string) (f *file, links []string) {
	found := p.lookup.Find(name, seenBy)
	for _, l := range found.Links {
		links = append(links, strings.TrimPrefix(l, "/"))
	}
	if found.Path == "" {
		return nil, links
	}
	if found.Below {
		p.relative = append(p.relative, string(name))
	}
	if found.Path == "/" {
		return p.find("."), links
	}
	return p.find(strings.TrimPrefix(found.Path, "/")), links
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
