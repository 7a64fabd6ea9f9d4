package foreign

import (
	"context"

	"github.com/lathe-build/lathe/profile"
)

// Format is one format of evidence.
type Format struct {
	// Name is what --from calls it, such as tetragon.
	Name string
	// About is what it is, in a few words.
	About string
	// Detect reports whether a file that starts like this is one. It is given up
	// to 64 KiB, decompressed, which may end anywhere. [Shapes] reads them.
	Detect func(head []byte) bool
	// Import reads all files of one recording and returns a valid, unbound
	// profile.
	Import func(ctx context.Context, inputs []*Input, opts Options) (*profile.Profile, error)
}

// Options say what the files cannot. Formats ignore those that mean nothing to
// them.
type Options struct {
	// Image is the image that ran: digests, refs and platform, as far as known.
	Image profile.Image
	// Name is the name of the profile, for people.
	Name string
	// Run is the name of the run. Recordings with different names count as
	// different runs.
	Run string
	// Scenarios are what the run exercised, such as e2e.
	Scenarios []string

	// Container, Pod and Namespace choose one container of several. Pod and
	// Namespace are those of Kubernetes. Container is a name, or the beginning of
	// an id of at least 12 digits.
	Container, Pod, Namespace string

	// Complete is the user's word that the files hold everything from start to
	// end, where their recorder cannot tell. It is recorded as vouched.
	Complete bool
	// Rebase takes evidence of another image than Image, by the user's word. It is
	// recorded in the source's notes.
	Rebase bool
	// Observes adds to what the files show to be observed: profile.Observes...
	// constants.
	Observes []string

	// Root is the container's root on the machine that traced, where recorded
	// paths start with it.
	Root string
	// Dir is the working directory at the start, for relative paths.
	Dir string
	// Path is the image's PATH, such as /usr/bin:/bin, for programs that are
	// named without a directory; empty means the usual one.
	Path string
	// Entrypoint is the program that starts the container's own work, where a
	// recording starts before it.
	Entrypoint string
	// ServingAfter is the system call, or the path or base name of the program,
	// after whose first success the workload serves.
	ServingAfter string

	// Arch and Kernel describe the machine, in GOARCH's and uname's words.
	Arch, Kernel string
	// Version is the recorder's.
	Version string
	// Importer is the name and version of the caller.
	Importer string
	// MaxRecords is the most records; 0 means 5,000,000 and less than 0 any
	// number.
	MaxRecords int64
}

// DefaultMaxRecords is how many records are read where [Options.MaxRecords] is
// zero.
const DefaultMaxRecords = 5_000_000

// maxRecords is the limit of records, or 0 for none.
func (o Options) maxRecords() int64 {
	switch {
	case o.MaxRecords == 0:
		return DefaultMaxRecords
	case o.MaxRecords < 0:
		return 0
	default:
		return o.MaxRecords
	}
}
