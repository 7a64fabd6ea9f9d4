package harden

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// rootsOfProfile keeps what the profile saw.
func (p *planner) rootsOfProfile() {
	for i := range p.prof.Executables {
		p.rootExecutable(&p.prof.Executables[i])
	}
	for i := range p.prof.Files {
		p.rootFile(&p.prof.Files[i])
	}
	for _, pat := range p.prof.Patterns {
		p.rootPattern(pat)
	}
}

// imageContent tells whether something is said to come from the image, or not
// said at all.
func imageContent(where []string) bool {
	return len(where) == 0 || slices.Contains(where, profile.LayerImage) || slices.Contains(where, profile.LayerUnknown)
}

func (p *planner) rootExecutable(x *profile.Executable) {
	if isGuest(x) {
		p.note("not-of-the-image", string(x.Path), "ran, but came from outside the image or from a person's session")
		return
	}
	note := "the profile saw it run"
	if len(x.Phase) > 0 {
		note += " at " + strings.Join(sortedSet(x.Phase), ", ")
	}
	names := append([]profile.Path{x.Path}, x.Via...)
	found := false
	for _, name := range names {
		f, links := p.resolve(string(name))
		if f == nil || f.class == dir {
			continue
		}
		found = true
		f.loaded = true
		p.sawRun(f, links, x)
		p.keepVia(f, links, true, Reason{Kind: Executed, Note: note})
	}
	p.rootApplet(x, note)
	for _, s := range x.Scripts {
		if f, links := p.resolve(string(s)); f != nil {
			f.seen = true
			p.phases[f.path] = sortedSet(append(p.phases[f.path], x.Phase...))
			p.keepVia(f, links, true, Reason{Kind: Executed, Note: note})
		} else {
			p.absent("script", string(s))
		}
	}
	if !found {
		p.absent("program", string(x.Path))
	}
}

// sawRun remembers who ran when, for every name on the way.
func (p *planner) sawRun(f *file, links []string, x *profile.Executable) {
	f.seen = true
	for _, name := range append([]string{f.path}, links...) {
		p.phases[name] = sortedSet(append(p.phases[name], x.Phase...))
		p.evidence[name] = sortedSet(append(p.evidence[name], x.Key))
	}
}

// rootApplet keeps the name by which an applet of a multi-call binary ran: the
// profile may know the binary and argv[0] only.
func (p *planner) rootApplet(x *profile.Executable, note string) {
	if x.As == "" {
		return
	}
	box, _ := p.resolve(string(x.Path))
	if box == nil {
		return
	}
	for _, d := range slices.Sorted(maps.Keys(p.onPath)) {
		f := p.find(path.Join(d, x.As))
		if f != nil && f.applet != "" && sameFile(p, f, box) {
			p.phases[f.path] = sortedSet(append(p.phases[f.path], x.Phase...))
			p.evidence[f.path] = sortedSet(append(p.evidence[f.path], x.Key))
			f.seen = true
			p.keep(f, true, Reason{Kind: Executed, Note: note})
		}
	}
}

func sameFile(p *planner, a, b *file) bool {
	for _, f := range []**file{&a, &b} {
		if (*f).class == link && (*f).target != "" {
			*f = p.find((*f).target)
		}
	}
	return a != nil && b != nil && contentID(a.entry) == contentID(b.entry)
}

func onlyAttached(origin []string) bool {
	return len(origin) > 0 && !slices.ContainsFunc(origin, func(o string) bool { return o != profile.OriginAttach })
}

// absent notes what the profile names and the image does not have. A program or
// script that is not there makes a rebased plan unsafe.
func (p *planner) absent(what, name string) {
	p.missing = append(p.missing, name)
	if p.rebased {
		p.refuse(fmt.Sprintf("the profile saw the %s %q run, which this image does not have", what, name))
		return
	}
	p.note("not-in-image", name, "the profile saw this "+what+" run, but the image does not have it: it was made at run time or comes from a volume")
}

// rootFile keeps a file that the profile saw. Opening is use, but not of a
// program (R2): a search through directories opens nothing it needs.
func (p *planner) rootFile(x *profile.File) {
	if !imageContent(x.Layer) {
		return
	}
	f, links := p.resolve(string(x.Path))
	if f == nil {
		for _, l := range links {
			p.keep(p.find(l), false, Reason{Kind: LookedUp, Note: "the profile saw it followed"})
		}
		p.missing = append(p.missing, string(x.Path))
		return
	}
	f.seen = true
	for _, via := range x.Via {
		if g, more := p.resolve(string(via)); g == f {
			links = append(links, more...)
		}
	}
	kind, strong := p.fileUse(f, x)
	if kind == "" {
		return
	}
	f.loaded = f.loaded || strong
	note := "the profile saw it: " + strings.Join(sortedSet(x.Access), ", ")
	if kind == ReadAsData {
		note = "read as data by " + strings.Join(sortedSet(x.By), ", ")
	}
	p.keepVia(f, links, strong, Reason{Kind: kind, Note: note})
}

// fileUse is rule R2: what an access means for what was accessed.
func (p *planner) fileUse(f *file, x *profile.File) (Kind, bool) {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(x.Access, w) })
	}
	content := has(profile.AccessRead, profile.AccessMmap, profile.AccessMmapExec)
	switch {
	case f.class == dir:
		return LookedUp, false
	case has(profile.AccessExec):
		return Executed, true
	case f.class == program && content && p.readInside(x.By):
		return ReadAsData, true
	case f.class == program:
		return "", false
	case has(profile.AccessOpen, profile.AccessWrite, profile.AccessCreate) || content:
		return Opened, true
	case f.class == script:
		return "", false
	}
	return LookedUp, false
}

// readInside tells whether one of the readers of a file is not known to be a
// guest: a program from outside the image, or of a person's session.
func (p *planner) readInside(by []string) bool {
	if p.guests == nil {
		p.guests = map[string]bool{}
		for i := range p.prof.Executables {
			if x := &p.prof.Executables[i]; isGuest(x) {
				p.guests[x.Key] = true
			}
		}
	}
	return slices.ContainsFunc(by, func(key string) bool { return !p.guests[key] })
}

func isGuest(x *profile.Executable) bool { return !imageContent(x.Layer) || onlyAttached(x.Origin) }

// rootPattern keeps everything that an upper bound covers, programs only when
// it is one of executions.
func (p *planner) rootPattern(pat profile.Pattern) {
	exec := slices.Contains(pat.Access, profile.AccessExec)
	glob := strings.Trim(pat.Glob, "/")
	if glob == "" || checkGlob(glob) != nil {
		p.note("pattern-ignored", pat.Glob, "the profile's pattern cannot be read")
		return
	}
	matches := 0
	for _, f := range p.order {
		if p.runnable(f) && !exec || !matchSegments(strings.Split(glob, "/"), strings.Split(f.path, "/")) {
			continue
		}
		matches++
		p.keep(f, f.class != dir, Reason{Kind: Opened, Note: "the profile's pattern " + pat.Glob + " covers it"})
	}
	p.note("pattern", pat.Glob, fmt.Sprintf("an upper bound of the profile keeps %d paths", matches))
}
