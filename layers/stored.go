package layers

import (
	"io/fs"
	"time"
)

// entry is how a Tree keeps an [Entry]. An image can have a million of them, and
// they stay for the whole run: what few entries have is in rare.
type entry struct {
	path, name string
	off        int64 // start of the headers in the layer's archive
	size       int64
	sec        int64 // of the modification time, since 1970
	rare       *rare
	nsec       uint32
	mode       fs.FileMode
	uid, gid   uint32 // larger and negative ones are in rare
	head       uint32 // bytes of headers: the content follows them
	id         int32
	layer      int32
	hiddenBy   int32
	typ        Type
	shadowed   bool
	late       bool
	hides      bool
	disputed   bool
	sparse     bool
}

// rare is what an entry has beyond a name, an owner and a content.
type rare struct {
	link, xattrs string
	major, minor int64
	uid, gid     int  // where owners is set
	owners       bool // they do not fit in an entry
	physical     int64
	data, target int32             // of a hard link: the entries with the content and of the name in it
	global       map[string]string // PAX records of the global headers that govern the entry
}

// more gives what is rare of an entry, to be written.
func (e *entry) more() *rare {
	if e.rare == nil {
		e.rare = &rare{data: -1, target: -1}
	}
	return e.rare
}

// seldom gives what is rare of an entry, to be read only.
func (e *entry) seldom() rare {
	if e.rare == nil {
		return rare{data: -1, target: -1}
	}
	return *e.rare
}

func (e *entry) link() string {
	if e.rare == nil {
		return ""
	}
	return e.rare.link
}

func (e *entry) data() int   { return int(e.seldom().data) }
func (e *entry) target() int { return int(e.seldom().target) }

func (e *entry) global() map[string]string {
	if e.rare == nil {
		return nil
	}
	return e.rare.global
}

// content is where the content starts in the layer's archive.
func (e *entry) content() int64 { return e.off + int64(e.head) }

// physical is the number of bytes of content in the archive.
func (e *entry) physical() int64 {
	if e.sparse {
		return e.rare.physical
	}
	return e.size
}

// end is where the entry ends, padding included.
func (e *entry) end() int64 { return e.content() + (e.physical()+block-1)/block*block }

// setOwner keeps ids as the archive has them.
func (e *entry) setOwner(uid, gid int) {
	e.uid, e.gid = uint32(uid), uint32(gid) //nolint:gosec // compared in the next line
	if int(e.uid) != uid || int(e.gid) != gid {
		r := e.more()
		r.owners, r.uid, r.gid = true, uid, gid
	}
}

// public gives the entry to callers.
func (e *entry) public() Entry {
	r := e.seldom()
	out := Entry{
		ID: int(e.id), Layer: int(e.layer), Path: e.path, Name: e.name, Type: e.typ, Mode: e.mode,
		UID: int(e.uid), GID: int(e.gid), Size: e.size, ModTime: time.Unix(e.sec, int64(e.nsec)),
		Linkname: r.link, Xattrs: r.xattrs, Devmajor: r.major, Devminor: r.minor,
		Shadowed: e.shadowed, HiddenBy: int(e.hiddenBy), Data: int(r.data),
		late: e.late, hides: e.hides, disputed: e.disputed,
	}
	if r.owners {
		out.UID, out.GID = r.uid, r.gid
	}
	return out
}
