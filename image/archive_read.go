package image

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// archiveManifest is the file of a docker archive that lists its images
// (moby, image/spec/v1.2.md, "combined image JSON + filesystem changeset").
const archiveManifest = "manifest.json"

// archiveImage is one image in manifest.json. Other fields that tools write,
// such as Parent and LayerSources, are not needed.
type archiveImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// readDockerArchive reads the image that ref names out of a docker archive.
func readDockerArchive(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	f, err := openArchive(ctx, ref.Path, opts)
	if err != nil {
		return nil, err
	}
	return readArchiveFile(ctx, f, ref.Tag, opts.Limits)
}

// readArchiveFile reads an image out of an open archive, which it closes.
func readArchiveFile(ctx context.Context, f *os.File, tag string, limits Limits) (*Source, error) {
	src, err := archiveSource(ctx, f, tag, limits)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	src.closers = append(src.closers, f.Close)
	return src, nil
}

func archiveSource(ctx context.Context, f *os.File, tag string, limits Limits) (*Source, error) {
	a, err := scanArchive(ctx, f, limits)
	if err != nil {
		return nil, err
	}
	raw, err := a.read(archiveManifest, limits.DocumentBytes)
	if err != nil {
		return nil, fmt.Errorf("not a docker archive: %w", err)
	}
	var images []archiveImage
	if err := decodeStrictly(raw, &images); err != nil {
		return nil, fmt.Errorf("%s: %w", archiveManifest, err)
	}
	chosen, err := pickArchiveImage(images, tag)
	if err != nil {
		return nil, err
	}
	img, err := a.image(ctx, chosen, limits)
	if err != nil {
		return nil, err
	}
	src := &Source{Digest: img.descriptor.Digest, Images: []PlatformImage{platformImage(img)}}
	if tag != "" {
		src.Tag = tagPart(tag)
	} else if len(chosen.RepoTags) == 1 {
		src.Tag = tagPart(chosen.RepoTags[0])
	}
	return src, nil
}

// tagPart returns the tag of "name:tag".
func tagPart(s string) string {
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, '/') {
		return s[i+1:]
	}
	return ""
}

// pickArchiveImage chooses the image with the given tag, or the only one.
func pickArchiveImage(images []archiveImage, tag string) (archiveImage, error) {
	var wanted []archiveImage
	for _, img := range images {
		if tag == "" || slices.ContainsFunc(img.RepoTags, func(t string) bool { return sameTag(t, tag) }) {
			wanted = append(wanted, img)
		}
	}
	switch {
	case len(images) == 0:
		return archiveImage{}, errors.New("the archive holds no image")
	case len(wanted) == 0:
		return archiveImage{}, fmt.Errorf("the archive holds no image %q; it has %s", tag, archiveTags(images))
	case len(wanted) > 1:
		return archiveImage{}, fmt.Errorf("the archive holds %d such images; name one of %s", len(wanted), archiveTags(images))
	}
	return wanted[0], nil
}

func sameTag(a, b string) bool {
	fullA, errA := dockerTag(a)
	fullB, errB := dockerTag(b)
	return errA == nil && errB == nil && fullA == fullB
}

func archiveTags(images []archiveImage) string {
	var tags []string
	for _, img := range images {
		for _, t := range img.RepoTags {
			tags = append(tags, fmt.Sprintf("%q", t))
		}
	}
	slices.Sort(tags)
	if len(tags) == 0 {
		return "no tags"
	}
	if len(tags) > maxListed {
		tags = append(tags[:maxListed], "...")
	}
	return strings.Join(tags, ", ")
}

// image makes an image of one line of manifest.json. The archive has no
// manifest in the registry's sense, so one is made from what is there.
func (a *archive) image(ctx context.Context, ai archiveImage, limits Limits) (*storedImage, error) {
	rawConfig, err := a.read(ai.Config, limits.DocumentBytes)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if want, ok := namedDigest(ai.Config); ok && want != digestOf(rawConfig).Hex {
		return nil, fmt.Errorf("config %q has other content: its digest is %s", ai.Config, digestOf(rawConfig))
	}
	if len(ai.Layers) > limits.Layers {
		return nil, fmt.Errorf("%d layers are over the limit of %d", len(ai.Layers), limits.Layers)
	}
	cfg, err := parseConfig(rawConfig, len(ai.Layers))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	m := &v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.DockerManifestSchema2,
		Config:        v1.Descriptor{MediaType: types.DockerConfigJSON, Digest: digestOf(rawConfig), Size: int64(len(rawConfig))},
		Layers:        []v1.Descriptor{},
	}
	blobs := archiveBlobs{}
	for i, name := range ai.Layers {
		d, r, err := a.layer(ctx, name, cfg.RootFS.DiffIDs[i], limits)
		if err != nil {
			return nil, fmt.Errorf("layer %d: %w", i, err)
		}
		m.Layers = append(m.Layers, d)
		blobs[d.Digest] = r
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	d := v1.Descriptor{MediaType: m.MediaType, Digest: digestOf(raw), Size: int64(len(raw))}
	return newStoredImage(d, raw, m, rawConfig, cfg, blobs.opener(ctx)), nil
}

// layer describes one layer of the archive. An uncompressed one must turn out
// to be its diff ID when it is read; a compressed one is named by its digest,
// or else read once to learn it.
func (a *archive) layer(ctx context.Context, name string, diffID v1.Hash, limits Limits) (v1.Descriptor, *io.SectionReader, error) {
	r, err := a.open(name)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	d := v1.Descriptor{MediaType: types.DockerUncompressedLayer, Digest: diffID, Size: r.Size()}
	if r.Size() > limits.LayerBytes {
		return d, nil, fmt.Errorf("%q has %d bytes, over the limit of %d", name, r.Size(), limits.LayerBytes)
	}
	head := make([]byte, min(4, r.Size()))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return d, nil, err
	}
	switch sniff(head) {
	case uncompressed:
		return d, r, nil
	case gzipped:
		d.MediaType = types.DockerLayer
	case zstandard:
		d.MediaType = types.OCILayerZStd
	}
	d.Digest, err = archiveDigest(ctx, name, r)
	return d, r, err
}

func archiveDigest(ctx context.Context, name string, r *io.SectionReader) (v1.Hash, error) {
	if h, ok := namedDigest(name); ok && path.Dir(name) == blobsDir {
		return v1.Hash{Algorithm: "sha256", Hex: h}, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, withContext(ctx, io.NewSectionReader(r, 0, r.Size()))); err != nil {
		return v1.Hash{}, fmt.Errorf("reading %q: %w", name, err)
	}
	return sumDigest(sum), nil
}

// archiveBlobs finds the layers of an archive by digest.
type archiveBlobs map[v1.Hash]*io.SectionReader

func (b archiveBlobs) opener(ctx context.Context) opener {
	return func(d v1.Descriptor) (io.ReadCloser, error) {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		r, ok := b[d.Digest]
		if !ok {
			return nil, fmt.Errorf("the archive has no blob %s", d.Digest)
		}
		return io.NopCloser(io.NewSectionReader(r, 0, r.Size())), nil
	}
}
