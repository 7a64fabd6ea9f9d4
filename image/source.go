package image

import (
	"context"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Source is what a reference named when it was read.
type Source struct {
	Ref Ref
	// Digest is the digest of the index or manifest that the reference named.
	// A docker archive or daemon has no manifest; one is made up for it, with
	// the same bytes on every machine.
	Digest v1.Hash
	// MediaType of the document with that digest is Index's or the only image's.

	// Index is the index as it is, or nil for a single image.
	Index v1.ImageIndex
	// Images are the images that lathe can work on, in the index's order,
	// those of nested indexes included.
	Images []PlatformImage
	// Attestations are the attestation manifests that the index lists, as
	// docker buildx writes them. They describe the source, not what is made of
	// it, and are never among Images.
	Attestations []v1.Descriptor
	// Skipped are members of the index that are not images for us.
	Skipped []Skipped
	// Tag is the source's tag, or empty.
	Tag string

	closers []func() error
}

// PlatformImage is one image of a Source.
type PlatformImage struct {
	// Descriptor is the index's descriptor of the image, or one made from the
	// manifest of a single image.
	Descriptor v1.Descriptor
	// Platform is the index's, or the config's where the index has none.
	Platform *v1.Platform
	// Image reads on demand: the manifest and config of an index's member are
	// fetched and checked at the first method that needs them, under the
	// context that Read was called with. Registries count each fetched
	// manifest as a pull.
	Image v1.Image
}

// Skipped is a member of an index that lathe leaves out, and why.
type Skipped struct {
	Descriptor v1.Descriptor
	Reason     string
}

// Read resolves ref and reads its manifest or index. The images stay usable
// until ctx ends or the Source is closed.
//
// Errors name the reference; those of a registry also name the host and the
// step, and the source of the credentials when they were refused.
func Read(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	src, err := readSource(ctx, ref, opts)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", ref, err)
	}
	src.Ref = ref
	return src, nil
}

func readSource(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	opts.Limits = opts.Limits.withDefaults()
	switch ref.Kind {
	case Registry:
		return readRegistry(ctx, ref, opts)
	case OCI:
		return readLayout(ctx, ref, opts.Limits)
	case DockerArchive:
		return readDockerArchive(ctx, ref, opts)
	case DockerDaemon:
		return readDockerDaemon(ctx, ref, opts)
	default:
		return nil, fmt.Errorf("unknown kind %s", ref.Kind)
	}
}

// Close releases files that the images read from. It may be called twice.
func (s *Source) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	s.closers = nil
	return errors.Join(errs...)
}
