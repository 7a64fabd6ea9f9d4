package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Files of an OCI image layout
// (https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md).
const (
	layoutFile    = "oci-layout"
	layoutVersion = "1.0.0"
	indexFile     = "index.json"
	blobsDir      = "blobs/sha256"
)

// Annotations of a layout's index.json.
const (
	// AnnotationRefName holds the tag (image-spec, annotations.md).
	AnnotationRefName = "org.opencontainers.image.ref.name"
	// AnnotationKind tells the entries of a layout apart that cosign save
	// wrote (cosign, pkg/oci/layout).
	AnnotationKind = "kind"
	// KindImage marks an image.
	KindImage = "dev.cosignproject.cosign/image"
	// KindIndex marks an index.
	KindIndex = "dev.cosignproject.cosign/imageIndex"
	// KindSignatures marks the signatures of the image or index.
	KindSignatures = "dev.cosignproject.cosign/sigs"
	// KindAttestations marks its attestations.
	KindAttestations = "dev.cosignproject.cosign/atts"
)

// layout is an OCI layout opened for reading. Nothing outside its directory is
// read, whatever links are in there.
type layout struct {
	root *os.Root
}

var _ store = (*layout)(nil)

// openLayout opens dir and checks that it is a layout.
func openLayout(dir string, limits Limits) (*layout, *v1.IndexManifest, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	l := &layout{root: root}
	im, err := l.readIndex(limits)
	if err != nil {
		return nil, nil, errors.Join(err, root.Close())
	}
	return l, im, nil
}

func (l *layout) readIndex(limits Limits) (*v1.IndexManifest, error) {
	raw, err := l.readFile(layoutFile, limits.DocumentBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("not an OCI layout: it has no %s file", layoutFile)
	}
	if err != nil {
		return nil, err
	}
	var head struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := decodeStrictly(raw, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", layoutFile, err)
	}
	if head.Version != layoutVersion {
		return nil, fmt.Errorf("%s: version %q is not %s", layoutFile, head.Version, layoutVersion)
	}
	if raw, err = l.readFile(indexFile, limits.DocumentBytes); err != nil {
		return nil, err
	}
	if err := checkJSON(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	im, err := parseIndex(raw, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", indexFile, err)
	}
	return im, nil
}

func decodeStrictly(raw []byte, v any) error {
	if err := checkJSON(raw); err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// open opens a regular file of the layout; a pipe would hang the reader.
func (l *layout) open(name string) (*os.File, error) {
	fi, err := l.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return l.root.Open(name)
}

func (l *layout) readFile(name string, limit int64) (data []byte, err error) {
	f, err := l.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is over the limit of %d bytes", name, limit)
	}
	return data, nil
}

func (l *layout) manifest(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return l.blob(ctx, d)
}

func (l *layout) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return l.open(path.Join(blobsDir, d.Digest.Hex))
}

// readLayout reads the image that ref names in a layout.
func readLayout(ctx context.Context, ref Ref, limits Limits) (*Source, error) {
	l, im, err := openLayout(ref.Path, limits)
	if err != nil {
		return nil, err
	}
	src, err := l.source(ctx, ref, im, limits)
	if err != nil {
		return nil, errors.Join(err, l.root.Close())
	}
	src.closers = append(src.closers, l.root.Close)
	return src, nil
}

func (l *layout) source(ctx context.Context, ref Ref, im *v1.IndexManifest, limits Limits) (*Source, error) {
	d, err := pickEntry(im.Manifests, ref)
	if err != nil {
		return nil, err
	}
	ld := &loader{store: l, limits: limits}
	raw, err := ld.document(ctx, d)
	if err != nil {
		return nil, err
	}
	src, err := ld.source(ctx, d, raw)
	if err != nil {
		return nil, err
	}
	src.Tag = d.Annotations[AnnotationRefName]
	return src, nil
}

// pickEntry chooses the entry of a layout that ref means: the one with its tag
// or digest, or else the only image. Entries that cosign wrote beside an image
// are not images.
func pickEntry(entries []v1.Descriptor, ref Ref) (v1.Descriptor, error) {
	candidates := imageEntries(entries)
	wanted := slices.DeleteFunc(slices.Clone(candidates), func(d v1.Descriptor) bool {
		return ref.Tag != "" && d.Annotations[AnnotationRefName] != ref.Tag ||
			ref.Digest != (v1.Hash{}) && d.Digest != ref.Digest
	})
	switch {
	case len(candidates) == 0:
		return v1.Descriptor{}, errors.New("the layout holds no image")
	case len(wanted) == 0:
		return v1.Descriptor{}, fmt.Errorf("the layout holds no such image; it has %s", describeEntries(candidates))
	}
	for _, d := range wanted[1:] {
		if d.Digest != wanted[0].Digest {
			return v1.Descriptor{}, fmt.Errorf("the layout holds several images; name one of %s", describeEntries(wanted))
		}
	}
	d := *wanted[0].DeepCopy()
	if len(wanted) > 1 && ref.Tag == "" {
		delete(d.Annotations, AnnotationRefName) // several tags of one image
	}
	return d, nil
}

func imageEntries(entries []v1.Descriptor) []v1.Descriptor {
	kind := func(d v1.Descriptor) bool {
		k := d.Annotations[AnnotationKind]
		return k == KindImage || k == KindIndex
	}
	byCosign := slices.ContainsFunc(entries, func(d v1.Descriptor) bool {
		return strings.HasPrefix(d.Annotations[AnnotationKind], "dev.cosignproject.cosign/")
	})
	var out []v1.Descriptor
	for _, d := range entries {
		if !byCosign || kind(d) {
			out = append(out, d)
		}
	}
	return out
}

// maxListed bounds the entries that an error lists.
const maxListed = 20

func describeEntries(entries []v1.Descriptor) string {
	var names []string
	for _, d := range entries {
		n := "@" + d.Digest.String()
		if tag := d.Annotations[AnnotationRefName]; tag != "" {
			n = fmt.Sprintf("%q", ":"+tag)
		}
		names = append(names, n)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > maxListed {
		names = append(names[:maxListed], "...")
	}
	return strings.Join(names, ", ")
}

// LayoutEntry is one line of a layout's index.json.
type LayoutEntry struct {
	Descriptor v1.Descriptor
	// Exactly one of Image and Index is set. An Image need not be a container
	// image: signatures and attestations are entries as well, and of these
	// only sizes and digests are checked.
	Image v1.Image
	Index v1.ImageIndex
}

// Layout is an OCI layout with all its entries.
type Layout struct {
	Entries []LayoutEntry
	close   func() error
}

// Close releases the directory; the entries' blobs cannot be read after it.
func (l *Layout) Close() error { return l.close() }

// ReadLayout reads all entries of the layout at dir, such as lathe and cosign
// save write them: the image, its signatures and its attestations, told apart
// by AnnotationKind.
func ReadLayout(ctx context.Context, dir string, limits Limits) (*Layout, error) {
	limits = limits.withDefaults()
	l, im, err := openLayout(dir, limits)
	if err != nil {
		return nil, fmt.Errorf("reading layout %s: %w", dir, err)
	}
	out := &Layout{close: l.root.Close}
	ld := &loader{store: l, limits: limits}
	for _, d := range im.Manifests {
		e, err := ld.entry(ctx, d)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("reading layout %s: %w", dir, err), l.root.Close())
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

func (l *loader) entry(ctx context.Context, d v1.Descriptor) (LayoutEntry, error) {
	raw, err := l.document(ctx, d)
	if err != nil {
		return LayoutEntry{}, err
	}
	_, mt, err := readDocumentKind(raw, d.MediaType)
	if err != nil {
		return LayoutEntry{}, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	e := LayoutEntry{Descriptor: d}
	e.Descriptor.MediaType = mt
	if mt.IsIndex() {
		e.Index, err = l.index(ctx, e.Descriptor, raw)
	} else {
		e.Image, err = l.artifact(ctx, d, raw)
	}
	return e, err
}
