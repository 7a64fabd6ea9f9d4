package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// boxPrefix begins the names of the directories that hold boxes.
const boxPrefix = "lathe-box-"

// slot is the entry of a box in the directory of what is running. Its lock
// ends with the process.
type slot struct {
	dir  string
	lock *os.File
}

// slotInfo is what the next process needs to clean up after this one.
type slotInfo struct {
	Runtime string `json:"runtime"`
	Dir     string `json:"dir"`
}

func newSlot(state string, info slotInfo) (*slot, error) {
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("listing the container: %w", err)
	}
	dir, err := os.MkdirTemp(state, "box-")
	if err != nil {
		return nil, fmt.Errorf("listing the container: %w", err)
	}
	s := &slot{dir: dir}
	if s.lock, err = lock(dir); err == nil {
		err = errors.Join(writeJSON(filepath.Join(dir, "info"), info), os.Mkdir(s.state(), 0o700))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listing the container: %w", err), os.RemoveAll(dir))
	}
	return s, nil
}

func (s *slot) state() string { return filepath.Join(s.dir, "state") }

func (s *slot) release() error { return errors.Join(os.RemoveAll(s.dir), s.lock.Close()) }

// lock takes the lock of a slot, or fails because its process lives.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sweep removes containers and files of processes that are gone. What cannot be
// removed stays for the next time: it is no reason to run nothing.
func sweep(ctx context.Context, state string) (left []error, err error) {
	list, err := os.ReadDir(state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for leftovers: %w", err)
	}
	for _, d := range list {
		dir := filepath.Join(state, d.Name())
		held, err := lock(dir)
		if err != nil {
			continue // somebody's, or gone meanwhile
		}
		if err := errors.Join(sweepOne(ctx, dir), held.Close()); err != nil {
			left = append(left, fmt.Errorf("removing leftovers in %s: %w", dir, err))
		}
	}
	return left, nil
}

func sweepOne(ctx context.Context, dir string) error {
	var info slotInfo
	data, err := os.ReadFile(filepath.Join(dir, "info"))
	if err == nil {
		err = json.Unmarshal(data, &info)
	}
	if err != nil { // killed before it was written: nothing ran
		return os.RemoveAll(dir)
	}
	state := filepath.Join(dir, "state")
	containers, err := os.ReadDir(state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(containers) > 0 {
		mounts, err := newMountThread(info.Runtime)
		if err != nil {
			return err
		}
		defer mounts.close()
		for _, c := range containers {
			if err := (engine{path: info.Runtime, state: state, id: c.Name(), in: mounts}).delete(ctx); err != nil {
				return err
			}
		}
	}
	if strings.HasPrefix(filepath.Base(info.Dir), boxPrefix) && filepath.IsAbs(info.Dir) {
		err = removeTree(info.Dir)
	}
	return errors.Join(err, os.RemoveAll(dir))
}
