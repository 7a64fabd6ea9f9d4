//go:build !linux

package image

import (
	"errors"
	"os"
)

// exchange swaps two directories in one step; only Linux can.
func exchange(_, _ string) error { return errors.ErrUnsupported }

// renameNew renames from to a name that must not exist. A file that appears
// there in between is replaced.
func renameNew(from, to string) error { return os.Rename(from, to) }
