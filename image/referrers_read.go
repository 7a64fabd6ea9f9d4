package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxReferrer bounds the bytes of one referrer's blob.
const maxReferrer = 512 << 20

// ListReferrers reads the contents of all artifacts of one type that refer to
// the digest of ref, in the order of their digests.
func ListReferrers(ctx context.Context, ref Ref, artifactType string, opts Options) ([][]byte, error) {
	fail := func(err error) error { return fmt.Errorf("reading %s of %s: %w", artifactType, ref, err) }
	c, err := newClient(ctx, ref, opts, transport.PullScope)
	if err != nil {
		return nil, fail(err)
	}
	im, err := c.referrers(ctx, ref.Digest)
	if err != nil {
		return nil, fail(err)
	}
	var list [][]byte
	for _, listed := range im.Manifests {
		got, raw, err := c.get(ctx, listed.Digest.String())
		if err != nil {
			return nil, fail(err)
		}
		if digestOf(raw) != listed.Digest {
			return nil, fail(fmt.Errorf("manifest %s has other content", listed.Digest))
		}
		content, err := c.referrerContent(ctx, got, raw, ref.Digest, artifactType)
		if err != nil {
			return nil, fail(err)
		}
		if content != nil {
			list = append(list, content)
		}
	}
	return list, nil
}

// referrers lists what refers to a digest, by the API or the fallback tag.
func (c *client) referrers(ctx context.Context, subject v1.Hash) (*v1.IndexManifest, error) {
	has, err := c.hasReferrersAPI(ctx, subject)
	if err != nil {
		return nil, err
	}
	if !has {
		d, raw, err := c.get(ctx, subject.Algorithm+"-"+subject.Hex)
		if isStatus(err, http.StatusNotFound) {
			return &v1.IndexManifest{}, nil
		}
		if err != nil {
			return nil, err
		}
		return c.parseFallback(d, raw)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("referrers", subject.String()), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", string(types.OCIImageIndex))
	resp, err := c.do(ctx, step{what: "listing referrers"}, req, http.StatusOK)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, c.limits.DocumentBytes+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if int64(len(raw)) > c.limits.DocumentBytes {
		return nil, fmt.Errorf("the list of referrers is over %d bytes", c.limits.DocumentBytes)
	}
	return parseIndex(raw, c.limits)
}

// referrerContent gives the content of an artifact if it is of the wanted type
// and about the subject, else nil.
func (c *client) referrerContent(ctx context.Context, d v1.Descriptor, raw []byte, subject v1.Hash, artifactType string) ([]byte, error) {
	var m struct {
		ArtifactType string          `json:"artifactType"`
		Subject      *v1.Descriptor  `json:"subject"`
		Layers       []v1.Descriptor `json:"layers"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	if m.ArtifactType != artifactType || m.Subject == nil || m.Subject.Digest != subject || len(m.Layers) != 1 {
		return nil, nil
	}
	blob := m.Layers[0]
	if blob.Size < 0 || blob.Size > maxReferrer {
		return nil, fmt.Errorf("blob %s has %d bytes, over the limit of %d", blob.Digest, blob.Size, maxReferrer)
	}
	rc, err := c.blob(ctx, blob)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(rc, blob.Size+1))
	if err = errors.Join(err, rc.Close()); err != nil {
		return nil, fmt.Errorf("blob %s: %w", blob.Digest, err)
	}
	if digestOf(content) != blob.Digest {
		return nil, fmt.Errorf("blob %s has other content", blob.Digest)
	}
	return content, nil
}
