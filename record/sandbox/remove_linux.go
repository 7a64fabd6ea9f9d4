package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	readBatch  = 1024    // names of a directory that are read at a time
	pitSuffix  = ".gone" // of the directory in which a tree is taken apart
	rounds     = 3       // through a directory, if the file system skips names while others go
	frozenFlag = 0x30    // FS_IMMUTABLE_FL and FS_APPEND_FL of linux/fs.h: chattr +i and +a
)

// removeTree removes a directory and all that is in it, whatever a container
// made of it: directories below directories beyond every limit of names and
// descriptors, and files that nobody may change. What is not there is removed.
//
// The tree moves into a directory beside it, and is taken apart there level by
// level: the directories in the one at hand move up, so that nothing is ever
// deep. No link is followed, and every name is used with the descriptor of the
// directory that it is in. What an interrupted removal left is removed as well.
func removeTree(dir string) error {
	if err := removeBy(dir); err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}

func removeBy(dir string) (err error) {
	where := dir + pitSuffix
	if err := unix.Mkdir(where, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		if errors.Is(err, unix.ENOENT) {
			return nil // nor is there a place where it could be
		}
		return err
	}
	pit, err := openDir(unix.AT_FDCWD, where)
	if err != nil {
		return err
	}
	r := remover{pit: pit}
	if err = r.take(unix.AT_FDCWD, dir, nil); errors.Is(err, unix.ENOENT) {
		err = nil
	}
	for more := err == nil; more && err == nil; {
		more, err = r.level()
	}
	if err = errors.Join(err, pit.Close()); err != nil {
		return err
	}
	return unix.Rmdir(where)
}

// openDir opens a directory that is no link.
func openDir(at int, name string) (*os.File, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// remover takes a tree apart in its pit.
type remover struct {
	pit   *os.File
	moved int
}

// level removes what the pit holds, but for the directories that come up by it.
func (r *remover) level() (more bool, err error) {
	if _, err := r.pit.Seek(0, io.SeekStart); err != nil {
		return false, err
	}
	for {
		names, err := r.pit.Readdirnames(readBatch)
		for _, name := range names {
			more = true
			if err := r.directory(name); err != nil {
				return false, err
			}
		}
		if errors.Is(err, io.EOF) {
			return more, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// directory empties a directory of the pit and removes it.
func (r *remover) directory(name string) error {
	at := int(r.pit.Fd())
	dir, err := openDir(at, name)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return r.entry(r.pit, name)
	}
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // read only
	for range rounds {
		if err = r.empty(dir); err != nil {
			return err
		}
		if err = thawed(r.pit, dir, func() error { return unix.Unlinkat(at, name, unix.AT_REMOVEDIR) }); !errors.Is(err, unix.ENOTEMPTY) {
			break
		}
	}
	return err
}

// empty removes the files of a directory, and moves its directories up.
func (r *remover) empty(dir *os.File) error {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return err
	}
	for {
		names, err := dir.Readdirnames(readBatch)
		for _, name := range names {
			if err := r.entry(dir, name); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// entry removes a file, or moves a directory up.
func (r *remover) entry(dir *os.File, name string) error {
	at := int(dir.Fd())
	err := unix.Unlinkat(at, name, 0)
	if errors.Is(err, unix.EPERM) {
		child, _ := openPlain(at, name) // nil for what cannot be frozen
		err = thawed(dir, child, func() error { return unix.Unlinkat(at, name, 0) })
		if child != nil {
			err = errors.Join(err, child.Close())
		}
	}
	switch {
	case errors.Is(err, unix.EISDIR):
		return r.take(at, name, dir)
	case errors.Is(err, unix.ENOENT):
		return nil
	}
	return err
}

// openPlain opens a regular file or a directory to change its flags, and nothing
// whose opening does something.
func openPlain(at int, name string) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return nil, err
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return nil, unix.EINVAL
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// take moves a directory to the pit, under a name that is free there.
func (r *remover) take(at int, name string, dir *os.File) error {
	for {
		to := strconv.Itoa(r.moved)
		r.moved++
		move := func() error { return unix.Renameat2(at, name, int(r.pit.Fd()), to, unix.RENAME_NOREPLACE) }
		err := move()
		if errors.Is(err, unix.EPERM) {
			child, _ := openPlain(at, name)
			err = thawed(dir, child, move)
			if child != nil {
				err = errors.Join(err, child.Close())
			}
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
}

// thawed does something, and once more without the flags of a directory and of
// what is in it where they forbid it.
func thawed(dir, child *os.File, do func() error) error {
	err := do()
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	for _, f := range []*os.File{dir, child} {
		if f == nil {
			continue
		}
		flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err == nil && flags&frozenFlag != 0 {
			_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^frozenFlag) // what follows tells
		}
	}
	return do()
}
