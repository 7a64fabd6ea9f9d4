package image

import (
	"context"
	"errors"
	"io/fs"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var errTODO = errors.New("not implemented yet")

type retryPolicy struct{}

func readRegistry(ctx context.Context, ref Ref, opts Options) (*Source, error) { return nil, errTODO }
func readDockerArchive(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	return nil, errTODO
}
func readDockerDaemon(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	return nil, errTODO
}

// ErrExists is returned when an output exists and may not be replaced.
var ErrExists = errors.New("output exists")

// Entry is one image or index to write; exactly one of Image and Index is set.
type Entry struct {
	Image       v1.Image
	Index       v1.ImageIndex
	Annotations map[string]string
	Platform    *v1.Platform
}

// WriteLayout writes an OCI layout into the directory dir.
func WriteLayout(ctx context.Context, dir string, entries []Entry) error { return errTODO }

// WriteDockerArchive writes img as docker save would, all or nothing.
func WriteDockerArchive(ctx context.Context, file, tag string, img v1.Image, force bool) error {
	return errTODO
}

// WriteDaemon loads img into a docker daemon under the given name.
func WriteDaemon(ctx context.Context, name string, img v1.Image, opts Options) error { return errTODO }

// Staging is a directory being built beside its final place.
type Staging struct{}

// Stage starts to build the directory final.
func Stage(final string, force bool) (*Staging, error) { return nil, errTODO }

// Path is the directory to build in.
func (s *Staging) Path() string { return "" }

// Commit moves the directory to its final place.
func (s *Staging) Commit() error { return errTODO }

// Abort removes it; after Commit it does nothing.
func (s *Staging) Abort() error { return errTODO }

// WriteFile writes a file in one step.
func WriteFile(path string, data []byte, perm fs.FileMode) error { return errTODO }

// Pusher writes to one repository of a registry.
type Pusher struct{}

// NewPusher logs in to the repository that ref names.
func NewPusher(ctx context.Context, ref Ref, opts Options) (*Pusher, error) { return nil, errTODO }

// PushContent uploads blobs and manifests by digest; no tag moves.
func (p *Pusher) PushContent(ctx context.Context, e Entry) (v1.Descriptor, error) {
	return v1.Descriptor{}, errTODO
}

// Referrer is an artifact that refers to an image.
type Referrer struct {
	ArtifactType string
	MediaType    types.MediaType
	Data         []byte
	Annotations  map[string]string
}

// PushReferrer attaches r to subject.
func (p *Pusher) PushReferrer(ctx context.Context, subject v1.Descriptor, r Referrer) (v1.Descriptor, error) {
	return v1.Descriptor{}, errTODO
}

// PushTag uploads e and tags it, for signatures.
func (p *Pusher) PushTag(ctx context.Context, tag string, e Entry) (v1.Descriptor, error) {
	return v1.Descriptor{}, errTODO
}

// Tag points a tag to what was pushed by digest.
func (p *Pusher) Tag(ctx context.Context, tag string, d v1.Descriptor) error { return errTODO }

// Resolve returns what ref points to now.
func Resolve(ctx context.Context, ref Ref, opts Options) (v1.Descriptor, bool, error) {
	return v1.Descriptor{}, false, errTODO
}

// ReadByTag reads the manifest with the given tag in ref's repository.
func ReadByTag(ctx context.Context, ref Ref, tag string, opts Options) (v1.Image, bool, error) {
	return nil, false, errTODO
}
