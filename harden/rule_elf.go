package harden

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/elfdeps"
)

// edgeELF keeps the ELF interpreter and the libraries of a file (R3). The
// RPATH directories of a program reach the libraries of its libraries.
func (p *planner) edgeELF(f *file) {
	if f.elf == nil {
		return
	}
	deps, pass, err := p.loader.Deps(f.path, p.inherited[f.path])
	if err != nil {
		p.note("malformed-elf", f.path, err.Error())
	}
	for _, d := range deps {
		kind := Library
		if d.Kind == elfdeps.Interpreter {
			kind = Interpreter
		}
		g, links := p.resolve(d.Path)
		if d.Path == "" || g == nil {
			continue // checkStarts and the findings tell
		}
		if p.inherit(g.path, pass) && g.kept {
			p.queue = append(p.queue, g) // its libraries may be found in more places now
		}
		if p.keep(g, true, Reason{Kind: kind, From: f.path, Note: d.Name}); g.barred {
			continue
		}
		for _, l := range links {
			p.keep(p.find(l), true, Reason{Kind: kind, From: f.path, Note: "the name by which it is found"})
		}
	}
}

// maxInherited bounds how many RPATH directories a library collects.
const maxInherited = 64

// inherit adds RPATH directories to those that a library's loaders pass on.
func (p *planner) inherit(name string, dirs []string) bool {
	have := p.inherited[name]
	grown := false
	for _, d := range dirs {
		if len(have) < maxInherited && !slices.Contains(have, d) {
			have = append(have, d)
			grown = true
		}
	}
	p.inherited[name] = have
	return grown
}

// findNeeded marks every file that some ELF file of the image needs, kept or
// not: a library that nothing needs is a plugin.
func (p *planner) findNeeded() {
	for _, f := range p.order {
		if f.elf == nil {
			continue
		}
		deps, _, _ := p.loader.Deps(f.path, nil) // an error is noted when the file stays; what could be read counts
		for _, d := range deps {
			if g, _ := p.resolve(d.Path); d.Path != "" && g != nil {
				g.needed = true
			}
		}
	}
}

// family is a library and the files beside it that it opens by name (R4).
type family struct {
	library string   // start of the library's base name
	beside  []string // directories relative to the library's
	etc     []string // files and directories elsewhere
	note    string
}

func families() []family {
	return []family{
		{"libcrypto.so", []string{"ossl-modules", "engines-3", "engines-1.1"}, nil, "OpenSSL's providers and engines"},
		{"libc.so.6", []string{"gconv"}, nil, "character set conversion"},
		{"libpam.so", []string{"security"}, []string{"etc/pam.d", "etc/pam.conf", "etc/security"}, "PAM modules"},
		{"libsasl2.so", []string{"sasl2"}, nil, "SASL mechanisms"},
		{"libkrb5.so", []string{"krb5/plugins"}, nil, "Kerberos plugins"},
		{"libgdk_pixbuf-2.0.so", []string{"gdk-pixbuf-2.0"}, nil, "image loaders"},
		{"libMagickCore", []string{"ImageMagick-6.9.11", "ImageMagick-6.9.12"}, nil, "image coders"},
		{"libproxy.so", []string{"libproxy"}, nil, "proxy modules"},
		{"libtinfo", nil, []string{"etc/terminfo", "lib/terminfo", "usr/share/terminfo"}, "descriptions of terminals"},
		{"libncursesw.so", nil, []string{"etc/terminfo", "usr/share/terminfo"}, "descriptions of terminals"}, // of Alpine, without libtinfo
	}
}

// edgeLoadedByName keeps what a file that stays loads by name: libraries whose
// file names it contains, name services, and the families above.
func (p *planner) edgeLoadedByName(f *file) {
	if f.elf == nil {
		return
	}
	if p.level != Files || f.loaded {
		for _, name := range p.sharedNames(f) {
			p.keepNamed(f, name)
		}
	}
	base, dirName := path.Base(f.path), path.Dir(f.path)
	if strings.HasPrefix(base, "libc.so.6") || strings.HasPrefix(base, "libc-2.") {
		for _, service := range p.nameServices() {
			p.keepNamed(f, "libnss_"+service+".so.2")
		}
	}
	if p.level == Files {
		p.keepConfigured(f)
		return
	}
	for _, fam := range families() {
		if !strings.HasPrefix(base, fam.library) {
			continue
		}
		for _, sub := range fam.beside {
			p.keepBelow(path.Join(dirName, sub), f, fam.note)
		}
		for _, name := range fam.etc {
			p.keepBelow(name, f, fam.note)
		}
	}
}

// keepNamed keeps a library by its name when a loader directory has it.
func (p *planner) keepNamed(f *file, name string) {
	if name == f.elf.Soname || slices.Contains(f.elf.Needed, name) {
		return
	}
	for _, found := range p.loader.Find(name, f.elf, f.path, p.inherited[f.path]) {
		g, links := p.resolve(found)
		if g == nil || g.class != library || p.level == Files && !dependsOn(f, g) {
			continue
		}
		if p.keep(g, true, Reason{Kind: LoadedByName, From: f.path, Note: name}); g.barred {
			continue
		}
		for _, l := range links {
			p.keep(p.find(l), true, Reason{Kind: LoadedByName, From: f.path, Note: name})
		}
	}
}

// sharedNames are the names of libraries that a file contains, remembered: the
// rules ask more than once.
func (p *planner) sharedNames(f *file) []string {
	id := contentID(f.entry)
	names, ok := p.names[id]
	if ok {
		return names
	}
	if p.names == nil {
		p.names = map[int][]string{}
	}
	if r, err := p.tree.Content(int(f.entry.ID)); err == nil {
		if names, err = elfdeps.SharedNames(r, r.Size()); err != nil && !errors.Is(err, elfdeps.ErrTooManyNames) {
			p.unread = append(p.unread, Finding{"malformed-elf", f.path, err.Error()})
		}
	}
	p.names[id] = names
	return names
}

// dependsOn tells whether a library that a file names belongs to it: where both
// are of packages, those of the one depend on that of the other. Otherwise the
// distribution says that the file works without; libc names libidn2 for
// international host names, and its package merely recommends it.
func dependsOn(f, lib *file) bool {
	if len(f.owners) == 0 || len(lib.owners) == 0 {
		return true
	}
	if len(f.owners) > maxOwners || len(lib.owners) > maxOwners {
		return true // no package manager gives a library to so many
	}
	for _, g := range f.owners {
		for _, q := range lib.owners {
			if g == q || g.dependsOn(q) {
				return true
			}
		}
	}
	return false
}

// maxOwners bounds the packages of a library that are compared.
const maxOwners = 16

// dependsOn tells whether a package names another, or something that it
// provides, among its dependencies.
func (g *pkg) dependsOn(q *pkg) bool {
	if g.depends == nil {
		g.depends = setOf(g.Depends)
	}
	if q.provides == nil {
		q.provides = setOf(q.Provides)
	}
	has := func(list []string, set map[string]bool) bool {
		return slices.ContainsFunc(list, func(name string) bool { return set[name] })
	}
	if len(g.Depends) < len(q.Provides) {
		return g.depends[q.Name] || has(g.Depends, q.provides)
	}
	return g.depends[q.Name] || has(q.Provides, g.depends)
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// keepBelow keeps a file or all that is below a directory, tools excepted.
func (p *planner) keepBelow(name string, from *file, note string) {
	top, _ := p.resolve(name)
	if top == nil || p.again("below", top.path, note) {
		return
	}
	p.below(top.path, func(g *file) {
		if g != from && !g.tool() {
			p.keep(g, g.class == library, Reason{Kind: LoadedByName, From: from.path, Note: note})
		}
	})
}

// again tells whether something was kept for two others already. There may be
// thousands of libraries of one family, and each would bring the same; the second
// one's turn keeps what the first one's left out, itself.
func (p *planner) again(what ...string) bool {
	key := strings.Join(what, "\x00")
	p.brought[key]++
	return p.brought[key] > 2
}

// below calls visit for a path and everything under it, in order; for "" for all
// of the image.
func (p *planner) below(top string, visit func(*file)) {
	if top == "" {
		for _, f := range p.order {
			visit(f)
		}
		return
	}
	i, found := slices.BinarySearchFunc(p.order, top, func(f *file, t string) int { return comparePaths(f.path, t) })
	if !found {
		return
	}
	for ; i < len(p.order) && (p.order[i].path == top || strings.HasPrefix(p.order[i].path, top+"/")); i++ {
		visit(p.order[i])
	}
}

// comparePaths orders paths by components, as the tree yields them.
func comparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		case a[i] < b[i]:
			return -1
		default:
			return 1
		}
	}
	return len(a) - len(b)
}

// nameServices are the services that nsswitch.conf names, and without it those
// that the C library asks then (nsswitch.conf(5)).
func (p *planner) nameServices() []string {
	if p.services == nil {
		p.services = p.readServices()
	}
	return p.services
}

// maxServices bounds the services that are looked for; systems have about ten.
const maxServices = 100

func (p *planner) readServices() []string {
	f, _ := p.resolve("etc/nsswitch.conf")
	if f == nil {
		return []string{"dns", "files"}
	}
	if f.entry.Size > 1<<20 {
		return nil
	}
	text, err := p.read(f)
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.SplitSeq(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		_, services, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		for _, s := range strings.Fields(services) {
			if !strings.HasPrefix(s, "[") && !strings.ContainsAny(s, "/]=") {
				list = append(list, s)
			}
		}
	}
	list = sortedSet(list)
	return list[:min(len(list), maxServices)]
}
