package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// store is where documents and blobs are. What it opens need not be verified.
type store interface {
	manifest(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
	blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error)
}

// loader reads images and indexes out of a store, checking everything.
type loader struct {
	store  store
	limits Limits
	seen   int // members of indexes so far
}

// Annotation and platform by which docker buildx marks attestation manifests
// (https://docs.docker.com/build/metadata/attestations/attestation-storage/).
const (
	annotationReferenceType = "vnd.docker.reference.type"
	attestationManifest     = "attestation-manifest"
)

// source makes a Source of the document raw, which d describes.
func (l *loader) source(ctx context.Context, d v1.Descriptor, raw []byte) (*Source, error) {
	doc, mt, err := readDocumentKind(raw, d.MediaType)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	d.MediaType = mt
	src := &Source{Digest: d.Digest}
	if !mt.IsIndex() {
		img, err := l.image(ctx, d, raw, doc)
		if err != nil {
			return nil, err
		}
		src.Images = []PlatformImage{platformImage(img)}
		return src, nil
	}
	if src.Index, err = l.index(ctx, d, raw); err != nil {
		return nil, err
	}
	if err := l.addMembers(ctx, src, d, raw, 1); err != nil {
		return nil, err
	}
	if len(src.Images) == 0 {
		return nil, fmt.Errorf("index %s: %w", d.Digest, noImages(src.Skipped))
	}
	return src, nil
}

func noImages(skipped []Skipped) error {
	if len(skipped) == 0 {
		return errors.New("it lists no image")
	}
	return fmt.Errorf("it lists no image that lathe can work on; %s is %s", skipped[0].Descriptor.Digest, skipped[0].Reason)
}

// platformImage describes a single image by its own config.
func platformImage(img *storedImage) PlatformImage {
	p := img.config.Platform()
	if p == nil {
		p = &v1.Platform{}
	}
	return PlatformImage{Descriptor: img.descriptor, Platform: p, Image: img}
}

// addMembers sorts the members of an index into src.
func (l *loader) addMembers(ctx context.Context, src *Source, d v1.Descriptor, raw []byte, depth int) error {
	if depth > l.limits.IndexDepth {
		return fmt.Errorf("index %s: indexes are nested deeper than the limit of %d", d.Digest, l.limits.IndexDepth)
	}
	im, err := parseIndex(raw, l.limits)
	if err != nil {
		return fmt.Errorf("index %s: %w", d.Digest, err)
	}
	for _, member := range im.Manifests {
		if l.seen++; l.seen > l.limits.Manifests {
			return fmt.Errorf("index %s: over the limit of %d manifests", src.Digest, l.limits.Manifests)
		}
		if err := l.addMember(ctx, src, member, depth); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) addMember(ctx context.Context, src *Source, d v1.Descriptor, depth int) error {
	switch {
	case isAttestation(d):
		src.Attestations = append(src.Attestations, d)
	case d.MediaType.IsIndex():
		raw, err := l.document(ctx, d)
		if err != nil {
			return err
		}
		if _, _, err := readDocumentKind(raw, d.MediaType); err != nil {
			return fmt.Errorf("index %s: %w", d.Digest, err)
		}
		return l.addMembers(ctx, src, d, raw, depth+1)
	case d.ArtifactType != "":
		src.skip(d, fmt.Sprintf("an artifact of type %q", d.ArtifactType))
	case !d.MediaType.IsImage():
		src.skip(d, checkManifestType(d.MediaType).Error())
	case d.Platform != nil && d.Platform.OS == "windows":
		src.skip(d, errWindows.Error())
	default:
		return l.addImage(ctx, src, d)
	}
	return nil
}

// addImage adds an image that is read later, unless only its config can tell
// the platform.
func (l *loader) addImage(ctx context.Context, src *Source, d v1.Descriptor) error {
	img := l.lazyImage(ctx, d)
	if d.Platform != nil {
		src.Images = append(src.Images, PlatformImage{Descriptor: d, Platform: d.Platform, Image: img})
		return nil
	}
	cfg, err := img.ConfigFile()
	if errors.Is(err, errWindows) {
		src.skip(d, errWindows.Error())
		return nil
	}
	if err != nil {
		return err
	}
	p := cfg.Platform()
	if p == nil {
		p = &v1.Platform{}
	}
	src.Images = append(src.Images, PlatformImage{Descriptor: d, Platform: p, Image: img})
	return nil
}

func (s *Source) skip(d v1.Descriptor, reason string) {
	s.Skipped = append(s.Skipped, Skipped{Descriptor: d, Reason: reason})
}

func isAttestation(d v1.Descriptor) bool {
	if d.Annotations[annotationReferenceType] == attestationManifest {
		return true
	}
	return d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}

// document reads a manifest or index by its descriptor.
func (l *loader) document(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if err := checkDescriptor(d, l.limits.DocumentBytes); err != nil {
		return nil, err
	}
	r, err := l.store.manifest(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	raw, err := readDocument(r, d.Digest, d.Size)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	return raw, nil
}

// image checks a manifest, reads its config and returns the image.
func (l *loader) image(ctx context.Context, d v1.Descriptor, raw []byte, doc document) (*storedImage, error) {
	m, err := parseManifest(raw, doc, l.limits, true)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	rawConfig, err := l.config(ctx, m.Config)
	if err != nil {
		return nil, err
	}
	cfg, err := parseConfig(rawConfig, len(m.Layers))
	if err != nil {
		return nil, fmt.Errorf("image %s: config: %w", d.Digest, err)
	}
	return newStoredImage(d, raw, m, rawConfig, cfg, l.opener(ctx)), nil
}

// artifact is image for manifests that need not be images, such as signatures:
// only sizes and digests are checked.
func (l *loader) artifact(ctx context.Context, d v1.Descriptor, raw []byte) (*storedImage, error) {
	doc, mt, err := readDocumentKind(raw, d.MediaType)
	if err == nil && !mt.IsImage() {
		err = errors.New("an index, not a manifest")
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	d.MediaType = mt
	m, err := parseManifest(raw, doc, l.limits, false)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	rawConfig, err := l.config(ctx, m.Config)
	if err != nil {
		return nil, err
	}
	var cfg *v1.ConfigFile
	if m.Config.MediaType.IsConfig() {
		// Signatures carry a config like an image's; one that does not fit its
		// layers is left alone, for nothing here depends on it.
		if c, err := parseConfig(rawConfig, len(m.Layers)); err == nil {
			cfg = c
		}
	}
	return newStoredImage(d, raw, m, rawConfig, cfg, l.opener(ctx)), nil
}

func (l *loader) config(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	r, err := l.store.blob(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", d.Digest, err)
	}
	raw, err := readDocument(r, d.Digest, d.Size)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", d.Digest, err)
	}
	return raw, nil
}

func (l *loader) opener(ctx context.Context) opener {
	return func(d v1.Descriptor) (io.ReadCloser, error) { return l.store.blob(ctx, d) }
}

// index returns the index with the document raw.
func (l *loader) index(ctx context.Context, d v1.Descriptor, raw []byte) (*storedIndex, error) {
	im, err := parseIndex(raw, l.limits)
	if err != nil {
		return nil, fmt.Errorf("index %s: %w", d.Digest, err)
	}
	return &storedIndex{
		descriptor: d, raw: bytes.Clone(raw), manifest: im,
		image: func(d v1.Descriptor) (v1.Image, error) { return l.lazyImage(ctx, d), nil },
		index: func(d v1.Descriptor) (v1.ImageIndex, error) {
			raw, err := l.document(ctx, d)
			if err != nil {
				return nil, err
			}
			if _, _, err := readDocumentKind(raw, d.MediaType); err != nil {
				return nil, fmt.Errorf("index %s: %w", d.Digest, err)
			}
			return l.index(ctx, d, raw)
		},
	}, nil
}
