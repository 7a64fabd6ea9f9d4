package trace

import (
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// Flags of open(2) and mmap(2) that are the same on amd64 and arm64.
const (
	openAccessMode = 0x3
	openWriteOnly  = 0x1
	openReadWrite  = 0x2
	openCreate     = 0x40
	openTemporary  = 0x400000
	openPath       = 0x200000
	noFollow       = 0x100 // AT_SYMLINK_NOFOLLOW
	protExec       = 0x4
	modeType       = 0o170000
	modeDirectory  = 0o040000
)

// path notes a call that names a path.
func (f *folder) path(e event) {
	if e.arg&argURing != 0 {
		f.requested(e)
		return
	}
	name := nameAt(f.names, int(e.nr))
	c, ok := f.calls[name]
	if !ok {
		f.odd++
		return
	}
	if !strings.HasPrefix(e.text, "/") && (e.arg&argBaseCut != 0 || len(e.base) == 0 && e.arg&argNameless != 0) {
		return // counted as cut
	}
	asked := join(walked(e.base), e.text)
	if e.ret < 0 {
		f.failed(e, asked, name)
		return
	}
	access := c.access[e.arg&1]
	if c.class == classOpen {
		f.opened(e, asked, name)
		return
	}
	f.looked(e, asked, access, c.nofollow || e.flags&noFollow != 0)
}

// opened notes a file that a call opened.
func (f *folder) opened(e event, asked, name string) {
	flags := e.flags
	if name == "creat" {
		flags = openCreate | openWriteOnly
	}
	access := []string{profile.AccessOpen}
	mode := flags & openAccessMode
	isDir := e.mode&modeType == modeDirectory
	if flags&openPath == 0 && !isDir && flags&openTemporary != openTemporary {
		if mode != openWriteOnly {
			access = append(access, profile.AccessRead)
		}
		if mode == openWriteOnly || mode == openReadWrite {
			access = append(access, profile.AccessWrite)
		}
		if flags&openCreate != 0 {
			access = append(access, profile.AccessCreate)
		}
	}
	switch {
	case flags&openTemporary == openTemporary && !isDir:
		f.found(asked, "", e, profile.AccessOpen) // the directory of a file without a name
	case len(e.full) == 0 && e.dev == 0 || e.arg&argFullCut != 0:
		f.looked(e, asked, access[0], false)
	case e.arg&argNameless != 0:
		f.facts.Outside(profile.Path(asked), timeless())
	default:
		path := walked(e.full)
		f.crossCheck(e, asked, path)
		f.found(path, asked, e, access...)
	}
}

// crossCheck counts paths that lead elsewhere in the image than they did in the
// container: its links were changed at run time.
func (f *folder) crossCheck(e event, asked, path string) {
	if f.opts.Resolve == nil || f.mounts.isVolume(path) || e.flags&openCreate != 0 {
		return
	}
	if target, _, ok := f.opts.Resolve(asked); ok && target != path {
		f.mismatch++
	}
}

// looked notes a call that names a path and gives no object: what it leads to
// is for the image to say.
func (f *folder) looked(e event, asked, access string, nofollow bool) {
	if f.opts.Resolve == nil || nofollow {
		f.found(asked, "", e, access)
		return
	}
	target, links, ok := f.opts.Resolve(asked)
	if !ok {
		f.found(asked, "", e, access)
		return
	}
	f.found(target, asked, e, access)
	for _, link := range links {
		if link != target {
			f.found(target, link, e, access)
		}
	}
}

// found notes that a path is there.
func (f *folder) found(path, via string, e event, access ...string) {
	inImage := f.inImage(path)
	x := fold.File{
		Path: profile.Path(path), Access: access, By: f.by(e), Phase: f.phase(e), Layer: f.layer(path, inImage),
	}
	if via != path {
		x.Via = inside(profile.Path(via))
	}
	f.facts.File(x)
	for _, a := range access {
		if x.Layer == profile.LayerImage && (a == profile.AccessWrite || a == profile.AccessCreate) {
			x.Layer = profile.LayerUpper // the image's, and written over
			f.facts.File(x)
			return
		}
	}
}

// failed notes a call that failed. Most errors but two say that the path is
// there nevertheless: readlink gives EINVAL for what is no link.
func (f *folder) failed(e event, asked, name string) {
	errno := errnoName(-e.ret)
	switch {
	case errno == "":
	case isMissing(errno):
		f.facts.Missing(fold.Missing{Path: profile.Path(asked), Errno: errno, Op: name, By: f.by(e)})
	case errno == "EACCES" || errno == "EPERM" || f.opts.Resolve == nil || f.inImage(asked):
		f.looked(e, asked, profile.AccessStat, false)
	}
}

// requested notes a path in a request of io_uring. Whether it is there is not
// known but from the image.
func (f *folder) requested(e event) {
	asked := join(walked(e.base), e.text)
	f.looked(e, asked, profile.AccessOpen, false)
}

// descriptor notes a call on a file that is open.
func (f *folder) descriptor(e event) {
	c, ok := f.calls[nameAt(f.names, int(e.nr))]
	if !ok || e.arg&(argNameless|argFullCut) != 0 {
		return
	}
	access := c.access[0]
	if c.class == classMmap && e.flags&protExec != 0 {
		access = profile.AccessMmapExec
	}
	f.found(walked(e.full), "", e, access)
}
