//go:build linux

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Fresh returns a bundle in the new directory dir whose root filesystem looks
// like that of b, and whose writes stay in dir: a container can be started many
// times from one unpacked image. Call release when it has stopped.
func (b *Bundle) Fresh(dir string) (fresh *Bundle, release func() error, err error) {
	fresh = &Bundle{Dir: dir, Stop: b.Stop, spec: b.spec}
	for _, sub := range []string{"rootfs", "upper", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, nil, fmt.Errorf("preparing the bundle %s: %w", dir, err)
		}
	}
	config, err := os.ReadFile(filepath.Join(b.Dir, "config.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the bundle %s: %w", dir, err)
	}
	lower, err := filepath.Abs(b.Root())
	if err != nil {
		return nil, nil, fmt.Errorf("preparing the bundle %s: %w", dir, err)
	}
	options := "lowerdir=" + lower + ",upperdir=" + filepath.Join(dir, "upper") + ",workdir=" + filepath.Join(dir, "work")
	if err := unix.Mount("overlay", fresh.Root(), "overlay", 0, options); err != nil {
		return nil, nil, fmt.Errorf("preparing the bundle %s: mounting with %s: %w", dir, options, err)
	}
	return fresh, func() error {
		if err := unix.Unmount(fresh.Root(), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("releasing the bundle %s: %w", dir, err)
		}
		return errors.Join(os.RemoveAll(filepath.Join(dir, "upper")), os.RemoveAll(filepath.Join(dir, "work")))
	}, nil
}
