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
	p.tellRelative()
	p.compared = 0
	for _, pat := range p.prof.Patterns {
		if p.compared <= maxCompared {
			p.rootPattern(pat)
		}
	}
}

// imageContent tells whether something is said to come from the image, or not
// said at all.
func imageContent(where []string) bool {
	return len(where) == 0 || slices.Contains(where, profile.LayerImage) || slices.Contains(where, profile.LayerUnknown)
}

func (p *planner) rootExecutable(x *profile.Executable) {
	switch {
	case p.byHand(x):
		p.note("by-hand", string(x.Path), "a person ran it in the container, which is no reason to keep it (--keep-attached makes it one)")
		return
	case !imageContent(x.Layer):
		p.note("not-of-the-image", string(x.Path), "ran, but came from outside the image")
		return
	}
	why := p.whyRuns(x)
	names := append([]profile.Path{x.Path}, x.Via...)
	found, seenBy := false, slices.Collect(maps.Keys(x.Seen))
	for _, name := range names {
		f, links := p.resolveAny(name, seenBy)
		if f == nil || f.class == dir {
			continue
		}
		found = true
		p.rootRun(f, links, x, why)
	}
	p.rootApplet(x, why)
	for _, s := range x.Scripts {
		if f, links := p.resolve(string(s)); f != nil {
			p.rootRun(f, links, x, why)
		} else {
			p.absent("script", string(s), why)
		}
	}
	if !found {
		p.absent("program", string(x.Path), why)
	}
}

// whyRuns is the reason of what ran, or was only declared to run.
func (p *planner) whyRuns(x *profile.Executable) Reason {
	if p.declaredOnly(x) {
		note := "the workload declares it: " + strings.Join(orEmpty(sortedSet(x.Origin)), ", ")
		if len(x.Instead) > 0 {
			note += "; " + inPlace(sortedSet(x.Instead))
		}
		return Reason{Kind: Declared, Note: note}
	}
	note := "the profile saw it run"
	if phases := p.using[x.Key]; len(phases) > 0 {
		note += " at " + strings.Join(phases, ", ")
	}
	return Reason{Kind: Executed, Note: note}
}

// rootRun keeps a file that ran. A rule wins over a mere declaration.
func (p *planner) rootRun(f *file, links []string, x *profile.Executable, why Reason) {
	if why.Kind == Declared && f.barred {
		p.note("declared-and-dropped", f.path, p.barredBy[f].text+" drops it, and the workload declares it ("+strings.Join(sortedSet(x.Origin), ", ")+"): "+inPlace(sortedSet(x.Instead)))
		return
	}
	f.loaded = true
	p.sawRun(f, links, x)
	p.keepVia(f, links, true, why)
}

// sawRun remembers who ran when, for every name on the way.
func (p *planner) sawRun(f *file, links []string, x *profile.Executable) {
	f.seen = true
	for _, name := range append([]string{f.path}, links...) {
		p.origins[name] = sortedSet(append(p.origins[name], x.Origin...))
		p.phases[name] = sortedSet(append(p.phases[name], p.using[x.Key]...))
		p.evidence[name] = sortedSet(append(p.evidence[name], x.Key))
		if len(x.Instead) > 0 {
			p.instead[name] = sortedSet(append(p.instead[name], x.Instead...))
		}
	}
}

// rootApplet keeps the name by which an applet of a multi-call binary ran: the
// profile may know the binary and argv[0] only.
func (p *planner) rootApplet(x *profile.Executable, why Reason) {
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
			p.rootRun(f, nil, x, why)
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

// absent notes what the profile names and the image does not have. A program or
// script that is not there makes a rebased plan unsafe.
func (p *planner) absent(what, name string, why Reason) {
	p.missing = append(p.missing, name)
	switch {
	case why.Kind == Declared:
		p.note("not-in-image", name, why.Note+", but the image does not have this "+what)
	case p.rebased:
		p.refuse(fmt.Sprintf("the profile saw the %s %q run, which this image does not have", what, name))
	default:
		p.note("not-in-image", name, "the profile saw this "+what+" run, but the image does not have it: it was made at run time or comes from a volume")
	}
}

// rootFile keeps a file that the profile saw. Opening is use, but not of a
// program (R2): a search through directories opens nothing it needs.
func (p *planner) rootFile(x *profile.File) {
	if !imageContent(x.Layer) || p.onlyByHand(x.By) {
		return
	}
	f, links := p.resolveAny(x.Path, x.Seen)
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

// readInside tells whether one of the readers of a file is not known to be from
// outside the image.
func (p *planner) readInside(by []string) bool {
	return slices.ContainsFunc(by, func(key string) bool { return p.readers()[key] == nil || imageContent(p.readers()[key].Layer) })
}

// onlyByHand tells whether all who used a file were run by a person.
func (p *planner) onlyByHand(by []string) bool {
	return len(by) > 0 && !slices.ContainsFunc(by, func(key string) bool { return p.readers()[key] == nil || !p.byHand(p.readers()[key]) })
}

// readers are the executables of the profile by their keys.
func (p *planner) readers() map[string]*profile.Executable {
	if p.byKey == nil {
		p.byKey = make(map[string]*profile.Executable, len(p.prof.Executables))
		for i := range p.prof.Executables {
			x := &p.prof.Executables[i]
			p.byKey[x.Key] = x
		}
	}
	return p.byKey
}

// maxCompared bounds the paths that patterns of the profile are compared with, all
// patterns together. A pattern is compared with what is below the directory that
// it names, so that a thousand of them over an image of 100,000 files take less.
const maxCompared = 50_000_000

// rootPattern keeps everything that an upper bound covers, programs only when
// it is one of executions.
func (p *planner) rootPattern(pat profile.Pattern) {
	exec := slices.Contains(pat.Access, profile.AccessExec)
	glob := widened(strings.Trim(pat.Glob, "/"))
	if glob == "" || checkGlob(glob) != nil {
		p.note("pattern-ignored", pat.Glob, "the profile's pattern cannot be read")
		return
	}
	matches := 0
	pattern := newPattern(glob)
	p.below(pattern.plain, func(f *file) {
		if p.compared++; p.compared > maxCompared || p.runnable(f) && !exec || !pattern.match(f.path) {
			return
		}
		matches++
		p.keep(f, f.class != dir, Reason{Kind: Opened, Note: "the profile's pattern " + pat.Glob + " covers it"})
	})
	if p.compared > maxCompared {
		p.refuse(fmt.Sprintf("the profile's patterns would be compared with more than %d paths", maxCompared))
		return
	}
	p.note("pattern", pat.Glob, fmt.Sprintf("an upper bound of the profile keeps %d paths", matches))
}
