package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ErrArtifactRefused is returned when a registry does not take artifacts.
var ErrArtifactRefused = errors.New("the registry does not take artifacts")

// Referrer is an artifact with one blob that refers to an image.
type Referrer struct {
	ArtifactType string
	MediaType    types.MediaType // of Data
	Data         []byte
	Annotations  map[string]string
}

// artifactManifest is an OCI 1.1 image manifest for an artifact; go-containerregistry
// 0.20 has no field for the artifact type.
type artifactManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        v1.Descriptor     `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Subject       v1.Descriptor     `json:"subject"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// emptyConfig is the content of MediaTypeEmpty.
const emptyConfig = "{}"

// manifest returns the referrer's manifest and its descriptor as an index of
// referrers lists it.
func (r Referrer) manifest(subject v1.Descriptor) ([]byte, v1.Descriptor, error) {
	config := v1.Descriptor{MediaType: MediaTypeEmpty, Digest: digestOf([]byte(emptyConfig)), Size: int64(len(emptyConfig))}
	layer := v1.Descriptor{MediaType: r.MediaType, Digest: digestOf(r.Data), Size: int64(len(r.Data))}
	raw, err := json.Marshal(artifactManifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: r.ArtifactType,
		Config: config, Layers: []v1.Descriptor{layer},
		Subject:     v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
		Annotations: r.Annotations,
	})
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	return raw, v1.Descriptor{
		MediaType: types.OCIManifestSchema1, ArtifactType: r.ArtifactType,
		Digest: digestOf(raw), Size: int64(len(raw)), Annotations: r.Annotations,
	}, nil
}

// PushReferrer attaches r to subject, which the repository must have, and
// returns r's descriptor. In a registry without the referrers API the index
// under the fallback tag "sha256-HEX" is extended (distribution-spec 1.1,
// "referrers tag schema"); what else it lists stays. The error is
// ErrArtifactRefused when the registry takes no such manifest.
func (p *Pusher) PushReferrer(ctx context.Context, subject v1.Descriptor, r Referrer) (v1.Descriptor, error) {
	d, err := p.pushReferrer(ctx, subject, r)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("attaching %s to %s@%s: %w", r.ArtifactType, p.c.repo, subject.Digest, err)
	}
	return d, nil
}

func (p *Pusher) pushReferrer(ctx context.Context, subject v1.Descriptor, r Referrer) (v1.Descriptor, error) {
	raw, d, err := r.manifest(subject)
	if err != nil {
		return d, err
	}
	for _, blob := range [][]byte{[]byte(emptyConfig), r.Data} {
		b := v1.Descriptor{Digest: digestOf(blob), Size: int64(len(blob))}
		if err := p.c.uploadBlob(ctx, b, "", openBytes(blob)); err != nil {
			return d, err
		}
	}
	answer, err := p.c.putManifest(ctx, d.Digest.String(), d, raw)
	if refused(err) {
		return d, fmt.Errorf("%w: %w", ErrArtifactRefused, err)
	}
	if err != nil {
		return d, err
	}
	if answer.Get("OCI-Subject") == subject.Digest.String() {
		return d, nil
	}
	_, has, err := p.c.referrersAPI(ctx, subject.Digest)
	if err != nil || has {
		return d, err
	}
	return d, p.c.addFallback(ctx, subject.Digest, d)
}

// refused reports whether a registry will never take the manifest.
func refused(err error) bool {
	var status *statusError
	if !errors.As(err, &status) || temporaryStatus(status.code) {
		return false
	}
	return status.code != http.StatusUnauthorized && status.code != http.StatusForbidden && status.code < 500
}

// addFallback adds d to the index under subject's fallback tag. Two writers at
// the same moment can lose one entry; the protocol has no way around it.
func (c *client) addFallback(ctx context.Context, subject v1.Hash, d v1.Descriptor) error {
	im, err := c.fallback(ctx, subject)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(im.Manifests, func(o v1.Descriptor) bool { return o.Digest == d.Digest }) {
		return nil
	}
	im.Manifests = append(im.Manifests, d)
	slices.SortFunc(im.Manifests, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest.Hex, b.Digest.Hex) })
	raw, err := json.Marshal(im)
	if err != nil {
		return err
	}
	tag := fallbackTag(subject)
	fallback := v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digestOf(raw), Size: int64(len(raw))}
	if _, err := c.putManifest(ctx, tag, fallback, raw); err != nil {
		return err
	}
	return c.checkFallback(ctx, tag, d.Digest)
}

func fallbackTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex }

// fallback reads the index under subject's fallback tag; without one it is
// empty.
func (c *client) fallback(ctx context.Context, subject v1.Hash) (*v1.IndexManifest, error) {
	d, raw, err := c.get(ctx, fallbackTag(subject))
	if isStatus(err, http.StatusNotFound) {
		return &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}, nil
	}
	if err != nil {
		return nil, err
	}
	_, mt, err := readDocumentKind(raw, d.MediaType)
	if err == nil && mt != types.OCIImageIndex {
		err = fmt.Errorf("it is a %q, not an index of referrers", string(mt))
	}
	if err != nil {
		return nil, fmt.Errorf("fallback tag %s: %w", fallbackTag(subject), err)
	}
	return parseIndex(raw, c.limits)
}

// checkFallback reads the tag back: of two writers at least the one that lost
// says so.
func (c *client) checkFallback(ctx context.Context, tag string, want v1.Hash) error {
	_, raw, err := c.get(ctx, tag)
	if err != nil {
		return err
	}
	if !bytes.Contains(raw, []byte(want.String())) {
		return fmt.Errorf("fallback tag %s was changed by somebody else at the same moment", tag)
	}
	return nil
}
