package trace

import (
	"errors"
	"time"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/fold"
)

// Options say what to record and what the profile is to say about it.
type Options struct {
	Target Target

	// Resolve finds paths in the image, as [profile.Bind] wants it. Without it
	// paths that no call opened stay as they were asked for, and what the image
	// holds is not told from what was written at run time.
	Resolve profile.Resolver
	// Loader is the ELF interpreter of a program of the image, "" for none.
	Loader func(path string) string
	// Probes are the command lines of healthchecks. A process that comes into
	// the container from outside with one of them is a probe, any other one is
	// someone who attached.
	Probes [][]string
	// Argv keeps a redacted sample of command lines.
	Argv bool

	RingBytes int         // size of the buffer between kernel and recorder, a power of two; default 8 MiB
	Limits    fold.Limits // of what is kept

	Name    string // of the profile
	Image   profile.Image
	Subject profile.Subject
	Run     string // free name of the run
	Version string // of the program that records
}

// Target is the container to record. Either PID or Cgroup is given.
type Target struct {
	// PID is a process in the container's mount namespace: that of a container
	// which was created and not started, or with Running any process of it.
	PID int
	// Cgroup is the directory of a control group. The first program that is
	// executed in it, in a mount namespace other than ours, is the container's;
	// with Running the container is that of a process in it.
	Cgroup string
	// Running says that the container runs already: what its processes have
	// open is taken from /proc, and the profile is marked as incomplete.
	Running bool
}

// Progress is how far a recording is.
type Progress struct {
	Executables int       // distinct programs
	Files       int       // distinct paths that were found
	Facts       int       // everything distinct
	Events      int64     // read from the kernel
	Lost        int64     // events known to be lost
	LastNew     time.Time // when the last new fact came
}

// ErrUnsupported is what the errors of [Supported] and [Start] wrap where this
// machine cannot record.
var ErrUnsupported = errors.New("cannot record here")

const defaultRing = 8 << 20
