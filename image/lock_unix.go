//go:build unix

package image

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockNew makes a file and locks it until it is closed. It returns
// fs.ErrNotExist when another run removed it before the lock was taken.
func lockNew(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	// A filesystem without locks does without the removal of leftovers, too.
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
	if err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, unix.ENOLCK) {
		return nil, errors.Join(err, f.Close())
	}
	held, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	now, err := os.Lstat(path)
	if err == nil && !os.SameFile(held, now) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// lockStale takes a lock that no living run holds. The caller closes the file.
func lockStale(path string) (*os.File, bool) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, false
	}
	return f, true
}

// touch notes that a file was wanted now, by the kernel's clock.
func touch(f *os.File) {
	_ = unix.Futimes(int(f.Fd()), nil) // an entry that looks old goes early, no more
}

// sameDevice reports whether two files are on one filesystem.
func sameDevice(a, b fs.FileInfo) bool {
	sa, okA := a.Sys().(*syscall.Stat_t)
	sb, okB := b.Sys().(*syscall.Stat_t)
	return !okA || !okB || sa.Dev == sb.Dev
}

// isInvalid reports whether a file cannot be synced at all.
func isInvalid(err error) bool { return errors.Is(err, unix.EINVAL) }
