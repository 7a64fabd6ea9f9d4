package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/layers"
)

// Box is an unpacked image and what its containers need.
type Box struct {
	config  v1.Config
	tree    *layers.Tree
	runtime string
	dir     string // of the box, on the host
	lower   string // the unpacked root
	mounts  *mountThread
	slot    *slot
	left    []error
}

// Leftovers says what of earlier processes could not be removed.
func (b *Box) Leftovers() []error { return b.left }

const defaultState = "/run/lathe"

// Supported says what is missing to run containers here, or nil.
func Supported(runtime string) error {
	if os.Geteuid() != 0 {
		return errors.New("running a container needs root")
	}
	_, err := FindRuntime(runtime)
	return err
}

// Open unpacks an image to run it. What earlier processes left behind is
// removed first. The tree must stay open as long as the box.
func Open(ctx context.Context, tree *layers.Tree, o BoxOptions) (_ *Box, err error) {
	if err := Supported(o.Runtime); err != nil {
		return nil, err
	}
	b := &Box{config: tree.Config().Config, tree: tree}
	if b.runtime, err = FindRuntime(o.Runtime); err != nil {
		return nil, err
	}
	state := cmpOr(o.State, defaultState)
	if b.left, err = sweep(ctx, state); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp(o.Dir, boxPrefix); err != nil {
		return nil, fmt.Errorf("making a directory for the container: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if b.slot, err = newSlot(state, slotInfo{Runtime: b.runtime, Dir: b.dir}); err != nil {
		return nil, err
	}
	b.lower = filepath.Join(b.dir, "lower")
	if err := os.Mkdir(b.lower, 0o755); err != nil {
		return nil, fmt.Errorf("making a directory for the container: %w", err)
	}
	if err := checkRoom(b.dir, tree); err != nil {
		return nil, err
	}
	if err := unpack(ctx, tree, b.lower); err != nil {
		return nil, err
	}
	if b.mounts, err = newMountThread(b.runtime); err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming the parent of containers: %w", err)
	}
	return b, nil
}

// Config is the image's.
func (b *Box) Config() v1.Config { return b.config }

// Close removes what was unpacked. Its containers must be gone.
func (b *Box) Close() error {
	if b.mounts != nil {
		b.mounts.close()
	}
	err := removeTree(b.dir)
	if b.slot != nil {
		err = errors.Join(err, b.slot.release())
	}
	if err != nil {
		return fmt.Errorf("removing the container's files: %w", err)
	}
	return nil
}

// Store is what outlives a start: the volumes, and what was written over the
// image.
type Store struct {
	dir string
}

// NewStore makes an empty one.
func (b *Box) NewStore() (*Store, error) {
	dir, err := os.MkdirTemp(b.dir, "store-")
	if err != nil {
		return nil, fmt.Errorf("making volumes: %w", err)
	}
	s := &Store{dir: dir}
	return s, errors.Join(os.Mkdir(s.volumes(), 0o711), s.makeUpper())
}

func (s *Store) volumes() string { return filepath.Join(s.dir, "volumes") }
func (s *Store) upper() string   { return filepath.Join(s.dir, "upper") }
func (s *Store) work() string    { return filepath.Join(s.dir, "work") }

func (s *Store) makeUpper() error {
	for _, d := range []string{s.upper(), s.work()} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return fmt.Errorf("making the writable layer: %w", err)
		}
	}
	return nil
}

// Renew forgets what was written over the image; the volumes stay.
func (s *Store) Renew() error {
	if err := errors.Join(removeTree(s.upper()), removeTree(s.work())); err != nil {
		return fmt.Errorf("forgetting the writable layer: %w", err)
	}
	return s.makeUpper()
}

// Remove removes the store. No container may run on it.
func (s *Store) Remove() error { return removeTree(s.dir) }

// newID makes a name for a container.
func newID() (string, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("naming the container: %w", err)
	}
	return "lathe-" + hex.EncodeToString(b[:]), nil
}

func writeJSON(name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
}
