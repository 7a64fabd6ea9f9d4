package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/layers"
)

// Limits of what is written to the host's disk. The tree that is unpacked has
// passed [layers.Limits] already; these are about what a merged root can cost.
const (
	xattrLimit = 64 << 10 // bytes of one extended attribute, as Linux has it
)

// unpacker creates the merged root filesystem of a tree below a directory. All
// names go through root, which never leaves the directory.
type unpacker struct {
	tree  *layers.Tree
	root  *os.Root
	dir   string
	made  map[int]string // entry with the content → the first path made of it
	dirs  []layers.Entry // whose times and modes are set at the end
	owned bool           // owners can be set: we are root
}

// unpack writes the tree into dir, which is there and empty.
func unpack(ctx context.Context, tree *layers.Tree, dir string) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the new root: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	u := &unpacker{tree: tree, root: root, dir: dir, made: map[int]string{}, owned: os.Geteuid() == 0}
	if e, ok := tree.Lookup("."); ok && e.ID >= 0 {
		u.dirs = append(u.dirs, e)
	}
	for name := range tree.Paths() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		e, ok := tree.Lookup(name)
		if !ok {
			return fmt.Errorf("unpacking %q: the tree does not have it", name)
		}
		e.Path = name
		if err := u.make(ctx, e); err != nil {
			return fmt.Errorf("unpacking %q: %w", name, err)
		}
	}
	for i := len(u.dirs) - 1; i >= 0; i-- {
		if err := u.finish(u.dirs[i]); err != nil {
			return fmt.Errorf("unpacking %q: %w", u.dirs[i].Path, err)
		}
	}
	return nil
}

// make creates one path. Parents come before what is in them.
func (u *unpacker) make(ctx context.Context, e layers.Entry) error {
	data := e
	if e.Data >= 0 {
		data = u.tree.Entry(e.Data)
	}
	if data.Type == layers.CharDevice || data.Type == layers.BlockDevice {
		return nil // containers get their devices from the runtime
	}
	if data.Type != layers.Dir && data.ID >= 0 {
		if first, ok := u.made[data.ID]; ok {
			return u.root.Link(first, e.Path)
		}
		u.made[data.ID] = e.Path
	}
	path := e.Path
	e = data
	e.Path = path
	switch e.Type {
	case layers.Dir:
		u.dirs = append(u.dirs, e)
		return u.root.Mkdir(path, 0o700)
	case layers.Regular:
		if err := u.file(ctx, e); err != nil {
			return err
		}
	case layers.Symlink:
		if err := u.root.Symlink(e.Linkname, path); err != nil {
			return err
		}
	case layers.FIFO:
		if err := u.fifo(path); err != nil {
			return err
		}
	case layers.HardLink, layers.Whiteout, layers.Opaque, layers.Leftover, layers.CharDevice, layers.BlockDevice:
		return fmt.Errorf("a %s is no part of a root filesystem", e.Type)
	}
	return u.finish(e)
}

func (u *unpacker) file(ctx context.Context, e layers.Entry) (err error) {
	content, err := u.tree.Content(e.ID)
	if err != nil {
		return err
	}
	f, err := u.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, &contextReader{ctx, content})
	return err
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// inParent calls f with the directory of a path and the last name.
func (u *unpacker) inParent(name string, f func(dirfd int, base string) error) (err error) {
	dir, err := u.root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return f(int(dir.Fd()), path.Base(name))
}

func (u *unpacker) fifo(name string) error {
	return u.inParent(name, func(dirfd int, base string) error {
		return unix.Mknodat(dirfd, base, unix.S_IFIFO|0o600, 0)
	})
}

// finish sets owner, attributes, mode and time, in the order in which the
// kernel does not undo one by the other.
func (u *unpacker) finish(e layers.Entry) error {
	return u.inParent(e.Path, func(dirfd int, base string) error {
		if e.Path == "." {
			base = ""
		}
		flags := unix.AT_SYMLINK_NOFOLLOW
		if base == "" {
			flags |= unix.AT_EMPTY_PATH
		}
		if u.owned {
			if err := unix.Fchownat(dirfd, base, e.UID, e.GID, flags); err != nil {
				return fmt.Errorf("setting the owner: %w", err)
			}
		}
		if e.Type != layers.Symlink {
			if err := u.root.Chmod(e.Path, e.Mode); err != nil {
				return err
			}
		}
		if err := u.xattrs(e, dirfd, base); err != nil {
			return err
		}
		t := unix.NsecToTimespec(clampTime(e.ModTime.UnixNano()))
		if err := unix.UtimesNanoAt(dirfd, cmpOr(base, "."), []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("setting the time: %w", err)
		}
		return nil
	})
}

// clampTime keeps times that no filesystem takes within those that all do.
func clampTime(ns int64) int64 { return max(0, min(ns, 1<<31*1e9-1)) }

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// xattrs sets the extended attributes that a container can see: those of other
// namespaces than user and security are the overlay's or the host's business.
func (u *unpacker) xattrs(e layers.Entry, dirfd int, base string) error {
	if e.ID < 0 || e.Xattrs == "" {
		return nil
	}
	values, err := u.tree.Xattrs(e.ID)
	if err != nil {
		return err
	}
	name := "/proc/self/fd/" + strconv.Itoa(dirfd)
	if base != "" {
		name += "/" + base
	}
	for key, value := range values {
		wanted := strings.HasPrefix(key, "user.") || key == "security.capability"
		if !wanted || len(value) > xattrLimit {
			continue
		}
		err := unix.Lsetxattr(name, key, []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) && strings.HasPrefix(key, "user.") {
			continue // of a link, or on a filesystem without them
		}
		if err != nil {
			return fmt.Errorf("setting the attribute %q: %w", key, err)
		}
	}
	return nil
}

// sizes of a tree as it would be unpacked.
func unpackedSize(tree *layers.Tree) int64 {
	var sum int64
	for e := range tree.Entries() {
		if e.Type == layers.Regular && !e.Shadowed {
			sum += e.Size
		}
	}
	return sum
}

// checkRoom refuses to unpack what does not fit, before anything is written.
func checkRoom(dir string, tree *layers.Tree) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("looking for room below %s: %w", dir, err)
	}
	free := int64(stat.Bavail) * stat.Bsize //nolint:gosec // no disk is that large
	if need := unpackedSize(tree); need > free {
		return fmt.Errorf("the image needs %d MiB below %s, where %d MiB are free: %w", need>>20, dir, free>>20, syscall.ENOSPC)
	}
	return nil
}
