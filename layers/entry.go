package layers

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Type is the kind of a layer entry.
type Type uint8

// The kinds of entries. Whiteout, Opaque and Leftover take away or mean
// nothing; all others make something in the root filesystem.
const (
	Regular Type = iota
	HardLink
	Symlink
	Dir
	CharDevice
	BlockDevice
	FIFO
	Whiteout // .wh.NAME: hides NAME of lower layers
	Opaque   // .wh..wh..opq: hides all that lower layers hold in its directory
	Leftover // AUFS bookkeeping (.wh..wh.plnk and the like), which engines skip
)

const (
	whiteoutPrefix = ".wh."
	metaPrefix     = ".wh..wh."
	opaqueName     = ".wh..wh..opq"
)

// String gives the word that plans and reports use.
func (t Type) String() string {
	names := [...]string{
		"file", "hardlink", "symlink", "dir", "chardev", "blockdev", "fifo", "whiteout", "opaque", "leftover",
	}
	if int(t) < len(names) {
		return names[t]
	}
	return "unknown"
}

// Marker reports whether an entry of this type only takes away or means nothing.
func (t Type) Marker() bool { return t == Whiteout || t == Opaque || t == Leftover }

// Entry is one entry of one layer's archive.
type Entry struct {
	ID       int         // position among all entries of the image
	Layer    int         // position of the layer, the base is 0
	Path     string      // canonical path in the root, no leading slash; "." is the root; of a whiteout what it hides, of an opaque marker its directory
	Name     string      // the name as the archive has it
	Type     Type        //
	Mode     fs.FileMode // permission, setuid, setgid and sticky bits
	UID, GID int         //
	Size     int64       // bytes of content; of a sparse file its expanded size
	ModTime  time.Time   //
	Linkname string      // of symbolic and hard links, as the archive has it
	Xattrs   string      // SHA-256 in hex of the extended attributes, file capabilities among them; "" without any
	Devmajor int64       //
	Devminor int64       //

	Shadowed bool // not part of the root filesystem
	HiddenBy int  // ID of the entry that shadows this one, else -1
	Data     int  // of a hard link the ID of the entry with the content, else -1

	late     bool // a hard link that comes before its target
	hides    bool // a whiteout that hides something
	disputed bool // a whiteout that engines read differently
}

// Hides reports whether a whiteout or an opaque marker takes something away.
func (e Entry) Hides() bool { return e.hides }

// Disputed reports whether engines disagree about a whiteout: it stands beside
// its own name, or an opaque marker comes after what is in its directory.
func (e Entry) Disputed() bool { return e.disputed }

// Late reports whether a hard link comes before the entry that it names.
func (e Entry) Late() bool { return e.late }

var (
	errNoName  = errors.New("the entry has no name")
	errClimbs  = errors.New("the name climbs with .. and engines disagree about where to")
	errLong    = errors.New("the name is longer than Linux allows")
	errNUL     = errors.New("the name contains a NUL byte")
	errRootNot = errors.New("the root itself must be a directory")
	errBareWh  = errors.New("the whiteout names nothing")
)

// cleanName turns the name of an archive entry into a path below the root:
// slashes are the only separators, "." components go, ".." is refused because
// engines disagree on where it leads.
func cleanName(name string) (string, error) {
	if name == "" {
		return "", errNoName
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", errNUL
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errClimbs
		}
	}
	return path.Clean(strings.TrimLeft(strings.TrimPrefix(name, "./"), "/")), nil // mostly part of name: no copy
}

// marker splits the path of a whiteout into its type and the path it hides.
func marker(clean string) (Type, string, bool, error) {
	dir, base := path.Split(clean)
	if strings.HasPrefix(dir, metaPrefix) || strings.Contains(dir, "/"+metaPrefix) {
		return Leftover, clean, true, nil
	}
	if !strings.HasPrefix(base, whiteoutPrefix) {
		return 0, "", false, nil
	}
	dir = strings.TrimSuffix(dir, "/")
	if dir == "" {
		dir = "."
	}
	if base == opaqueName {
		return Opaque, dir, true, nil
	}
	if strings.HasPrefix(base, metaPrefix) && base != metaPrefix {
		return Leftover, clean, true, nil
	}
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return 0, "", true, fmt.Errorf("%q: %w", clean, errBareWh)
	}
	return Whiteout, path.Join(dir, hidden), true, nil
}
