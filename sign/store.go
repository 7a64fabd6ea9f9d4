package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	cstatic "github.com/sigstore/cosign/v2/pkg/oci/static"
)

// Limits on signature and attestation images, which anybody who may push to
// the repository can write.
const (
	// MaxEntries is the number of layers such an image may have (cosign's own
	// limit is the same).
	MaxEntries = 1000
	// MaxPayload is the largest payload that is read, in bytes. Entries that
	// are larger are never ours: they are passed on unread.
	MaxPayload = 4 << 20
	// MaxTotal is the number of payload bytes that are read of one image.
	MaxTotal = 64 << 20
)

// Keys of layer annotations, from cosign's specs/SIGNATURE_SPEC.md.
const (
	signatureKey = cstatic.SignatureAnnotationKey
	bundleKey    = cstatic.BundleAnnotationKey
)

// SignatureTag returns the tag under which cosign looks for the signatures of
// digest: "sha256-HEX.sig".
func SignatureTag(digest v1.Hash) string { return digest.Algorithm + "-" + digest.Hex + ".sig" }

// AttestationTag returns the tag under which cosign looks for the attestations
// of digest: "sha256-HEX.att".
func AttestationTag(digest v1.Hash) string { return digest.Algorithm + "-" + digest.Hex + ".att" }

// Kind says what an entry of an OCI layout's index.json is, in the words of
// `cosign save`.
type Kind string

// The kinds of entries. `cosign verify --local-image` takes the first of each.
const (
	KindImage        Kind = "dev.cosignproject.cosign/image"
	KindIndex        Kind = "dev.cosignproject.cosign/imageIndex"
	KindSignatures   Kind = "dev.cosignproject.cosign/sigs"
	KindAttestations Kind = "dev.cosignproject.cosign/atts"
)

// LayoutAnnotations returns the annotations of an index.json entry of the given
// kind.
func LayoutAnnotations(kind Kind) map[string]string {
	return map[string]string{"kind": string(kind)}
}

// Image returns the image that cosign would store: the entries of existing
// (which may be nil) as they are, followed by added. All of them are
// signatures, or all are attestations.
func Image(existing v1.Image, added ...Signed) (v1.Image, error) {
	old, err := readEntries(existing)
	if err != nil {
		return nil, err
	}
	return build(old, added)
}

// build makes an image without a clock: OCI media types, an empty config but
// for the list of layers.
func build(kept []entry, added []Signed) (v1.Image, error) {
	if n := len(kept) + len(added); n > MaxEntries {
		return nil, fmt.Errorf("%d signatures or attestations on one digest; the limit is %d", n, MaxEntries)
	}
	adds := make([]mutate.Addendum, 0, len(kept)+len(added))
	for _, e := range kept {
		adds = append(adds, mutate.Addendum{Layer: e, Annotations: e.desc.Annotations, MediaType: e.desc.MediaType})
	}
	for _, s := range added {
		adds = append(adds, mutate.Addendum{
			Layer:       static.NewLayer(s.Payload, s.MediaType),
			Annotations: s.Annotations,
			MediaType:   s.MediaType,
		})
	}
	base := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	img, err := mutate.Append(base, adds...)
	if err != nil {
		return nil, fmt.Errorf("building the signature image: %w", err)
	}
	return img, nil
}

// entry is a layer of an existing signature or attestation image. It answers
// from the manifest and opens the layer only to read it, so that entries of
// others are passed on at no cost.
type entry struct {
	img  v1.Image
	desc v1.Descriptor
}

var _ v1.Layer = entry{}

// Digest is the manifest's word.
func (e entry) Digest() (v1.Hash, error) { return e.desc.Digest, nil }

// DiffID equals the digest: payloads are not compressed.
func (e entry) DiffID() (v1.Hash, error) { return e.desc.Digest, nil }

// Size is the manifest's word.
func (e entry) Size() (int64, error) { return e.desc.Size, nil }

// MediaType is the manifest's word.
func (e entry) MediaType() (types.MediaType, error) { return e.desc.MediaType, nil }

// Compressed returns the blob.
func (e entry) Compressed() (io.ReadCloser, error) {
	layer, err := e.img.LayerByDigest(e.desc.Digest)
	if err != nil {
		return nil, err
	}
	return layer.Compressed()
}

// Uncompressed returns the blob too.
func (e entry) Uncompressed() (io.ReadCloser, error) { return e.Compressed() }

// logged says that a transparency log bundle is attached.
func (e entry) logged() bool { return e.desc.Annotations[bundleKey] != "" }

// readEntries lists the layers of img, none for nil.
func readEntries(img v1.Image) ([]entry, error) {
	if img == nil {
		return nil, nil
	}
	manifest, err := img.Manifest()
	if err != nil {
		return nil, fmt.Errorf("reading the signature image: %w", err)
	}
	if n := len(manifest.Layers); n > MaxEntries {
		return nil, fmt.Errorf("%d signatures or attestations on one digest; the limit is %d", n, MaxEntries)
	}
	entries := make([]entry, 0, len(manifest.Layers))
	for _, desc := range manifest.Layers {
		if desc.Size < 0 {
			return nil, fmt.Errorf("the signature image's layer %s has a negative size", desc.Digest)
		}
		entries = append(entries, entry{img: img, desc: desc})
	}
	return entries, nil
}

// errTooLarge marks entries that are passed over.
var errTooLarge = errors.New("larger than the limit")

// reader reads payloads up to [MaxTotal].
type reader struct{ left int64 }

func newReader() *reader { return &reader{left: MaxTotal} }

// payload returns the bytes of e after comparing them with its digest and size.
func (r *reader) payload(e entry) (b []byte, err error) {
	if e.desc.Size > MaxPayload {
		return nil, fmt.Errorf("payload %s of %d bytes: %w", e.desc.Digest, e.desc.Size, errTooLarge)
	}
	if r.left -= e.desc.Size; r.left < 0 {
		return nil, fmt.Errorf("the payloads of the signature image are larger than %d bytes", MaxTotal)
	}
	rc, err := e.Compressed()
	if err != nil {
		return nil, fmt.Errorf("reading payload %s: %w", e.desc.Digest, err)
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	b, err = io.ReadAll(io.LimitReader(rc, e.desc.Size+1))
	if err != nil {
		return nil, fmt.Errorf("reading payload %s: %w", e.desc.Digest, err)
	}
	got, _, err := v1.SHA256(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != e.desc.Size || !strings.EqualFold(got.String(), e.desc.Digest.String()) {
		return nil, fmt.Errorf("payload %s: %d bytes with another digest or size", e.desc.Digest, len(b))
	}
	return b, nil
}
