package strace

import (
	"context"
	"errors"
	"io"

	"github.com/lathe-build/lathe/profile"
)

// Input is one file that strace wrote. With -ff its Name ends in the pid.
type Input struct {
	Name string
	R    io.Reader
}

// Options say what a log cannot.
type Options struct {
	Image        profile.Image // the image that ran
	Name         string        // of the profile
	Run          string        // of the run
	Root         string        // prefix of paths when the container was traced from outside
	Dir          string        // working directory at the start; default /
	Entrypoint   string        // path of the exec that starts the container's own program
	ServingAfter string        // system call or executable after which the workload serves
	Complete     bool          // the user vouches that nothing is missing
	Arch         string        // GOARCH's word
	Importer     string        // name and version of the caller
}

// Import reads the logs of one run.
func Import(ctx context.Context, inputs []Input, opts Options) (*profile.Profile, error) {
	return nil, errors.New("not written yet")
}
