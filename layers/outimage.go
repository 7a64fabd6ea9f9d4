package layers

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
)

// outLayer is one layer of the output, on disk.
type outLayer struct {
	blob        *os.File
	size        int64
	digest      v1.Hash
	diffID      v1.Hash
	compression Compression
	removed     bool
	rewritten   bool     // has edits; else the archive is the input's
	owned       bool     // blob is not the spool's
	source      *spooled // nil when the blob is the input's
}

var _ v1.Layer = (*outLayer)(nil)

func (s *spooled) reuse() *outLayer {
	return &outLayer{blob: s.blob, size: s.blobSize, digest: s.digest, diffID: s.diffID, compression: s.compression}
}

func (l *outLayer) close() {
	if l != nil && l.owned && l.blob != nil {
		_ = l.blob.Close() // an unlinked scratch file
	}
}

func (l *outLayer) result(i int) LayerResult {
	return LayerResult{
		Layer: i, Removed: l.removed, Rewritten: l.rewritten, Digest: l.digest, DiffID: l.diffID, Size: l.size,
	}
}

func (l *outLayer) mediaType() types.MediaType {
	switch l.compression {
	case Gzip:
		return types.OCILayer
	case Zstd:
		return types.OCILayerZStd
	default:
		return types.OCIUncompressedLayer
	}
}

// Digest is the SHA-256 of the blob.
func (l *outLayer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the SHA-256 of the archive inside.
func (l *outLayer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is the number of bytes of the blob.
func (l *outLayer) Size() (int64, error) { return l.size, nil }

// MediaType is the OCI media type.
func (l *outLayer) MediaType() (types.MediaType, error) { return l.mediaType(), nil }

// Compressed reads the blob.
func (l *outLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(l.blob, 0, l.size)), nil
}

// Uncompressed reads the archive inside.
func (l *outLayer) Uncompressed() (io.ReadCloser, error) {
	blob := io.NewSectionReader(l.blob, 0, l.size)
	switch l.compression {
	case Gzip:
		z, err := gzip.NewReader(blob)
		if err != nil {
			return nil, fmt.Errorf("reading layer %s: %w", l.digest, err)
		}
		return z, nil
	case Zstd:
		z, err := zstd.NewReader(blob, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("reading layer %s: %w", l.digest, err)
		}
		return z.IOReadCloser(), nil
	default:
		return io.NopCloser(blob), nil
	}
}

// outImage is the output image: its documents as bytes, its layers on disk.
type outImage struct {
	rawManifest, rawConfig []byte
	manifest               *v1.Manifest
	config                 *v1.ConfigFile
	layers                 []v1.Layer
}

var _ v1.Image = (*outImage)(nil)

func newOutImage(rawManifest, rawConfig []byte, out []*outLayer) (*outImage, error) {
	i := &outImage{rawManifest: rawManifest, rawConfig: rawConfig}
	var err error
	if i.manifest, err = v1.ParseManifest(bytes.NewReader(rawManifest)); err != nil {
		return nil, fmt.Errorf("reading the new manifest back: %w", err)
	}
	if i.config, err = v1.ParseConfigFile(bytes.NewReader(rawConfig)); err != nil {
		return nil, fmt.Errorf("reading the new config back: %w", err)
	}
	for _, l := range out {
		if !l.removed {
			i.layers = append(i.layers, l)
		}
	}
	return i, nil
}

// Layers are the output's layers, base first.
func (i *outImage) Layers() ([]v1.Layer, error) { return i.layers, nil }

// MediaType is that of an OCI manifest.
func (i *outImage) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Size is the number of bytes of the manifest.
func (i *outImage) Size() (int64, error) { return int64(len(i.rawManifest)), nil }

// ConfigName is the SHA-256 of the config.
func (i *outImage) ConfigName() (v1.Hash, error) { return partial.ConfigName(i) }

// ConfigFile is the parsed config.
func (i *outImage) ConfigFile() (*v1.ConfigFile, error) { return i.config.DeepCopy(), nil }

// RawConfigFile is the config as it is stored.
func (i *outImage) RawConfigFile() ([]byte, error) { return bytes.Clone(i.rawConfig), nil }

// Digest is the SHA-256 of the manifest.
func (i *outImage) Digest() (v1.Hash, error) { return partial.Digest(i) }

// Manifest is the parsed manifest.
func (i *outImage) Manifest() (*v1.Manifest, error) { return i.manifest.DeepCopy(), nil }

// RawManifest is the manifest as it is stored.
func (i *outImage) RawManifest() ([]byte, error) { return bytes.Clone(i.rawManifest), nil }

// LayerByDigest finds a layer by the digest of its blob.
func (i *outImage) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	if name, err := i.ConfigName(); err == nil && name == h {
		return partial.ConfigLayer(i)
	}
	for _, l := range i.layers {
		if d, err := l.Digest(); err == nil && d == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer %s", h)
}

// LayerByDiffID finds a layer by the digest of its archive.
func (i *outImage) LayerByDiffID(h v1.Hash) (v1.Layer, error) {
	for _, l := range i.layers {
		if d, err := l.DiffID(); err == nil && d == h {
			return l, nil
		}
	}
	return nil, fmt.Errorf("the image has no layer with the diff ID %s", h)
}
