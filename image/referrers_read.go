package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Bounds of what is read of referrers: anybody who may write to a repository
// can add some.
const (
	maxReferrers     = 64
	maxReferrerBytes = 512 << 20 // of all contents together
)

// ListReferrers reads the contents of all artifacts of one type that refer to
// the digest of ref and have one blob, in the order of their digests. It uses
// the referrers API or, where a registry has none, the fallback tag. Of a list
// in several pages it reads the first.
func ListReferrers(ctx context.Context, ref Ref, artifactType string, opts Options) ([][]byte, error) {
	list, err := listReferrers(ctx, ref, artifactType, opts)
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", artifactType, ref, err)
	}
	return list, nil
}

func listReferrers(ctx context.Context, ref Ref, artifactType string, opts Options) ([][]byte, error) {
	if err := checkDigest(ref.Digest); err != nil {
		return nil, err
	}
	c, err := newClient(ctx, ref, opts, transport.PullScope)
	if err != nil {
		return nil, err
	}
	candidates, err := c.referrers(ctx, ref.Digest, artifactType)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	left := int64(maxReferrerBytes)
	for _, d := range candidates {
		blob, err := c.referrerBlob(ctx, d, ref.Digest, artifactType)
		if err != nil {
			return nil, err
		}
		if blob == nil {
			continue
		}
		if err := checkDescriptor(*blob, left); err != nil {
			return nil, err
		}
		content, err := c.readBlob(ctx, *blob)
		if err != nil {
			return nil, err
		}
		list = append(list, content)
		left -= blob.Size
	}
	return list, nil
}

// referrers lists what refers to a digest and may be of the wanted type, sorted.
func (c *client) referrers(ctx context.Context, subject v1.Hash, artifactType string) ([]v1.Descriptor, error) {
	im, has, err := c.referrersAPI(ctx, subject)
	if err == nil && !has {
		im, err = c.fallback(ctx, subject)
	}
	if err != nil {
		return nil, err
	}
	// Some registries put the config's type in the place of the artifact's.
	list := slices.DeleteFunc(im.Manifests, func(d v1.Descriptor) bool {
		return d.ArtifactType != artifactType && d.ArtifactType != "" && d.ArtifactType != string(MediaTypeEmpty)
	})
	if len(list) > maxReferrers {
		return nil, fmt.Errorf("%d referrers are over the limit of %d", len(list), maxReferrers)
	}
	slices.SortFunc(list, func(a, b v1.Descriptor) int { return cmp.Compare(a.Digest.Hex, b.Digest.Hex) })
	return list, nil
}

// referrersAPI asks the registry for a list of referrers. A registry that has
// the API answers with an index, also when there are none.
func (c *client) referrersAPI(ctx context.Context, subject v1.Hash) (im *v1.IndexManifest, has bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("referrers", subject.String()), nil)
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Accept", string(types.OCIImageIndex))
	s := step{what: "listing referrers of " + subject.String()}
	resp, err := c.do(ctx, s, req, http.StatusOK, http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed)
	if err != nil {
		return nil, false, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, c.limits.DocumentBytes+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, false, c.explain(withStep(ctx, s), err)
	}
	if resp.StatusCode != http.StatusOK || contentType(resp.Header) != types.OCIImageIndex {
		return nil, false, nil
	}
	if int64(len(raw)) > c.limits.DocumentBytes {
		return nil, true, fmt.Errorf("the list of referrers is over the limit of %d bytes", c.limits.DocumentBytes)
	}
	if err := checkJSON(raw); err != nil {
		return nil, true, fmt.Errorf("list of referrers: %w", err)
	}
	im, err = parseIndex(raw, c.limits)
	return im, true, err
}

// referrerBlob returns the only blob of an artifact, or nil when the artifact is
// not of the wanted type or refers to something else.
func (c *client) referrerBlob(ctx context.Context, d v1.Descriptor, subject v1.Hash, artifactType string) (*v1.Descriptor, error) {
	d, raw, err := c.get(ctx, d.Digest.String())
	if err != nil {
		return nil, err
	}
	if _, _, err := readDocumentKind(raw, d.MediaType); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	var m artifactManifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if m.ArtifactType != artifactType || m.Subject.Digest != subject || len(m.Layers) != 1 {
		return nil, nil //nolint:nilnil // documented
	}
	return &m.Layers[0], nil
}

// readBlob reads a whole blob, verified.
func (c *client) readBlob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	r, err := c.blob(ctx, d)
	if err != nil {
		return nil, err
	}
	return readDocument(r, d.Digest, d.Size)
}
