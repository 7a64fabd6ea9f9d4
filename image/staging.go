package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrExists is returned when an output is already there and may not be
// replaced. Nothing has been done yet at that point.
var ErrExists = errors.New("output exists")

// Names inside the temporary directory that Stage makes beside the final one.
const (
	stagingOut  = "out"  // becomes the output
	stagingOld  = "old"  // the output that is being replaced
	stagingLock = "lock" // locked while the run lives
)

// Staging is an output directory that is built beside its final place and moved
// there in one step.
type Staging struct {
	final string   // absolute
	temp  string   // .NAME.lathe-XXXX beside it
	lock  *os.File // held until the end; a killed run's lock is free
	force bool
	check func(final string, force bool) error
	done  bool
	back  func() error // undoes the move to the final place; nil before it
	keep  bool         // the temporary directory holds what could not be moved back
}

// StageFile is Stage for an output that is one file. Path is where to make it.
// With force, only a regular file is replaced.
func StageFile(final string, force bool) (*Staging, error) {
	return stage(final, force, checkFinalFile)
}

// Stage makes an empty directory to build the output final in. It is a sibling
// of final named ".NAME.lathe-*", so that moving it is a rename.
//
// What can be known before the work is checked here: the parent directory must
// exist and be writable; final must not exist (ErrExists), or with force must
// be an earlier output of lathe (an OCI layout, a directory with one in image/,
// or one with plan.json and report.json) or an empty directory. Leftovers of runs that were killed are
// removed.
func Stage(final string, force bool) (*Staging, error) {
	s, err := stage(final, force, checkFinalDir)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(s.Path(), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing output %s: %w", final, err), s.Abort())
	}
	return s, nil
}

// stage makes the temporary directory of a file or directory to be.
func stage(final string, force bool, check func(string, bool) error) (*Staging, error) {
	abs, err := filepath.Abs(final)
	if err != nil {
		return nil, err
	}
	if err := check(abs, force); err != nil {
		return nil, err
	}
	parent, prefix := filepath.Dir(abs), "."+filepath.Base(abs)+".lathe-"
	removeLeftovers(parent, prefix)
	s := &Staging{final: abs, force: force, check: check}
	for range 10 {
		ok, err := s.makeTemp(parent, prefix)
		if err != nil {
			return nil, fmt.Errorf("preparing output %s: %w", final, err)
		}
		if ok {
			return s, nil
		}
	}
	return nil, fmt.Errorf("preparing output %s: other runs keep removing its temporary directory", final)
}

// makeTemp makes and locks the temporary directory. It reports false when
// another run took it for a leftover before it was locked.
func (s *Staging) makeTemp(parent, prefix string) (ok bool, err error) {
	s.temp, err = os.MkdirTemp(parent, prefix)
	if err != nil {
		return false, err
	}
	s.lock, err = lockNew(filepath.Join(s.temp, stagingLock))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, errors.Join(err, s.Abort())
	}
	return true, nil
}

// Path is the directory to build in, or the file to write.
func (s *Staging) Path() string { return filepath.Join(s.temp, stagingOut) }

// Abort removes what was built. After Commit or a first Abort it does nothing,
// so it can be deferred.
func (s *Staging) Abort() error {
	if s.done {
		return nil
	}
	s.done = true
	var err error
	if !s.keep {
		err = os.RemoveAll(s.temp)
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("removing temporary directory %s: %w", s.temp, err)
	}
	return nil
}

// checkFinalDir decides whether a directory may be put at the path final.
func checkFinalDir(final string, force bool) error {
	fi, err := os.Lstat(final)
	if errors.Is(err, fs.ErrNotExist) {
		return checkParent(final)
	}
	if err != nil {
		return fmt.Errorf("checking output: %w", err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("output %s is not a directory", final)
	}
	if !force {
		return fmt.Errorf("%w: %s", ErrExists, final)
	}
	parent, err := os.Stat(filepath.Dir(final))
	if err != nil {
		return fmt.Errorf("checking output: %w", err)
	}
	if !sameDevice(fi, parent) {
		return fmt.Errorf("output %s is a mount point, which cannot be replaced; name a directory inside it", final)
	}
	return checkReplaceable(final)
}

// checkFinalFile decides whether a file may be put at the path final.
func checkFinalFile(final string, force bool) error {
	fi, err := os.Lstat(final)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkParent(final)
	case err != nil:
		return fmt.Errorf("checking output: %w", err)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("output %s is not a regular file", final)
	case !force:
		return fmt.Errorf("%w: %s", ErrExists, final)
	}
	return nil
}

func checkParent(final string) error {
	parent := filepath.Dir(final)
	fi, err := os.Stat(parent)
	if err != nil {
		return fmt.Errorf("checking the directory of output %s: %w", final, err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("output %s: %s is not a directory", final, parent)
	}
	return nil
}

// checkReplaceable keeps force from removing anything but lathe's own outputs.
func checkReplaceable(dir string) error {
	isFile := func(name string) bool {
		fi, err := os.Lstat(filepath.Join(dir, name))
		return err == nil && fi.Mode().IsRegular()
	}
	if isFile(layoutFile) || isFile(filepath.Join("image", layoutFile)) || isFile("plan.json") && isFile("report.json") {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("checking output: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("output %s is not replaced: it is not empty and was not made by lathe", dir)
	}
	return nil
}

// removeLeftovers removes the temporary directories of runs that are gone.
// Nothing depends on it, so errors are not reported.
func removeLeftovers(parent, prefix string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		lock, free := lockStale(filepath.Join(dir, stagingLock))
		if !free {
			removeUnlocked(dir)
			continue
		}
		_ = os.RemoveAll(dir) // another user's directory stays
		_ = lock.Close()
	}
}

// removeUnlocked removes a temporary directory that has no lock: its run was
// killed before it made one, or while it removed everything. A living run that
// is about to make one finds its directory gone and makes another. Nothing but
// the lock is ever put into an empty directory, so what has other content and
// no lock is nobody's.
func removeUnlocked(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	isLock := func(e fs.DirEntry) bool { return e.Name() == stagingLock }
	switch {
	case len(entries) == 0:
		_ = os.Remove(dir) // fails when there is a lock by now
	case !slices.ContainsFunc(entries, isLock):
		_ = os.RemoveAll(dir)
	}
}

// syncTree makes all files and directories under dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			return nil
		}
		return syncDir(path)
	})
}

// syncDir makes a directory's entries, or a file's content, durable.
func syncDir(path string) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !isInvalid(err) {
		return err
	}
	return nil
}
