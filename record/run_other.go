//go:build !linux

package record

import (
	"context"
	"errors"
)

var errLinux = errors.New("running and recording containers needs Linux")

// Supported says what is missing to run containers here: Linux.
func Supported(string) error { return errLinux }

// Run needs Linux.
func Run(context.Context, Options) (*Result, error) { return nil, errLinux }
