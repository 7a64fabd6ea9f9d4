//go:build !linux

package trace

import (
	"context"
	"fmt"
	"runtime"

	"github.com/lathe-build/lathe/profile"
)

// Recorder records one container. It exists on Linux only.
type Recorder struct{}

// Supported says that this is not Linux.
func Supported(context.Context) error {
	return fmt.Errorf("%w: recording needs Linux and this is %s; record on Linux, or import another recorder's events with 'lathe profile import'", ErrUnsupported, runtime.GOOS)
}

// Start fails with the error of [Supported].
func Start(ctx context.Context, _ Options) (*Recorder, error) { return nil, Supported(ctx) }

// Phase does nothing.
func (*Recorder) Phase(string) error { return nil }

// Scenario does nothing.
func (*Recorder) Scenario(string) {}

// Progress is empty.
func (*Recorder) Progress() Progress { return Progress{} }

// Stop does nothing.
func (*Recorder) Stop(context.Context) (*profile.Profile, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Recorder) Close() error { return nil }
