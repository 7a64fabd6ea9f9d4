package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var _ store = (*client)(nil)

// readRegistry reads the image or index that ref names. A tag is resolved once;
// everything else is by digest.
func readRegistry(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	c, err := newClient(ctx, ref, opts, transport.PullScope)
	if err != nil {
		return nil, err
	}
	d, raw, err := c.get(ctx, ref.identifier())
	if err != nil {
		return nil, err
	}
	l := &loader{store: c, limits: c.limits}
	src, err := l.source(ctx, d, raw)
	if err != nil {
		return nil, err
	}
	src.Tag = ref.Tag
	return src, nil
}

// identifier is the last part of a manifest's address.
func (r Ref) identifier() string {
	if r.Digest != (v1.Hash{}) {
		return r.Digest.String()
	}
	return r.Tag
}

// get reads the manifest or index with a tag or digest. The descriptor is
// computed from the bytes, not taken from what the registry says.
func (c *client) get(ctx context.Context, id string) (v1.Descriptor, []byte, error) {
	s := step{what: "reading manifest " + id}
	resp, err := c.getManifest(ctx, s, id)
	if err != nil {
		return v1.Descriptor{}, nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, c.limits.DocumentBytes+1))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return v1.Descriptor{}, nil, c.explain(withStep(ctx, s), err)
	}
	if int64(len(raw)) > c.limits.DocumentBytes {
		return v1.Descriptor{}, nil, fmt.Errorf("manifest %s is over the limit of %d bytes", id, c.limits.DocumentBytes)
	}
	d := v1.Descriptor{MediaType: contentType(resp.Header), Digest: digestOf(raw), Size: int64(len(raw))}
	if strings.HasPrefix(id, "sha256:") && d.Digest.String() != id {
		return d, nil, fmt.Errorf("manifest %s has other content: its digest is %s", id, d.Digest)
	}
	return d, raw, nil
}

func (c *client) getManifest(ctx context.Context, s step, id string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("manifests", id), nil)
	if err != nil {
		return nil, err
	}
	for _, mt := range []types.MediaType{
		types.OCIImageIndex, types.OCIManifestSchema1, types.DockerManifestList, types.DockerManifestSchema2,
	} {
		req.Header.Add("Accept", string(mt))
	}
	return c.do(ctx, s, req, http.StatusOK)
}

// manifest implements store.
func (c *client) manifest(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	resp, err := c.getManifest(ctx, step{what: "reading manifest " + d.Digest.String()}, d.Digest.String())
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// blob implements store.
func (c *client) blob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	return c.cache.open(ctx, d, func() (io.ReadCloser, error) { return c.fetchBlob(ctx, d) })
}

// fetchBlob reads a blob. When the connection breaks the rest is asked for.
func (c *client) fetchBlob(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	body, err := c.blobFrom(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	return &resumingBody{
		body: body, size: d.Size, policy: c.retry,
		open:    func(offset int64) (io.ReadCloser, error) { return c.blobFrom(ctx, d, offset) },
		wait:    func(n int) error { return c.retry.wait(ctx, n, 0) },
		explain: func(err error) error { return c.explain(withStep(ctx, blobStep(d)), err) },
	}, nil
}

func blobStep(d v1.Descriptor) step {
	return step{what: "reading blob " + d.Digest.String(), blob: true}
}

// blobFrom opens a blob at an offset.
func (c *client) blobFrom(ctx context.Context, d v1.Descriptor, offset int64) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("blobs", d.Digest.String()), nil)
	if err != nil {
		return nil, err
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, d.Size-1))
	}
	resp, err := c.do(ctx, blobStep(d), req, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		return nil, err
	}
	partial := resp.StatusCode == http.StatusPartialContent
	if partial && !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset)) {
		return nil, errors.Join(fmt.Errorf("registry %s answers with another range", c.repo.RegistryStr()), resp.Body.Close())
	}
	if !partial && offset > 0 {
		if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
			return nil, errors.Join(err, resp.Body.Close())
		}
	}
	return resp.Body, nil
}

// resumingBody reads a blob over connections that may break.
type resumingBody struct {
	body    io.ReadCloser
	size    int64
	offset  int64
	resumed int64 // offset of the last resumption
	tries   int   // since there was progress
	total   int
	policy  retryPolicy
	open    func(offset int64) (io.ReadCloser, error)
	wait    func(n int) error
	explain func(error) error
}

// Bounds of resuming: what counts as progress, and resumptions in all.
const (
	resumeProgress = 1 << 20
	maxResumptions = 32
)

// Read implements io.Reader.
func (r *resumingBody) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.offset += int64(n)
	switch {
	case err == nil, errors.Is(err, io.EOF) && r.offset >= r.size:
		return n, err
	case !temporaryError(err):
		return n, r.explain(err)
	}
	return n, r.resume(err)
}

// resume asks for the rest of the blob; it returns broken if there is no use.
func (r *resumingBody) resume(broken error) error {
	if r.offset-r.resumed >= resumeProgress {
		r.tries = 0
	}
	r.resumed = r.offset
	for r.offset < r.size && r.tries+1 < r.policy.attempts && r.total < maxResumptions {
		r.tries++
		r.total++
		if err := r.wait(r.tries); err != nil {
			return err
		}
		body, err := r.open(r.offset)
		if err == nil {
			_ = r.body.Close() // broken anyway
			r.body = body
			return nil
		}
		if !temporaryError(err) {
			return err
		}
	}
	if errors.Is(broken, io.EOF) {
		return broken // the verifying reader says how much is missing
	}
	return r.explain(broken)
}

// Close implements io.Closer.
func (r *resumingBody) Close() error { return r.body.Close() }

// Resolve returns the descriptor of what ref points to now, and whether there is
// anything. Only the digest of a reference by tag can be news.
func Resolve(ctx context.Context, ref Ref, opts Options) (v1.Descriptor, bool, error) {
	c, err := newClient(ctx, ref, opts, transport.PullScope)
	if err != nil {
		return v1.Descriptor{}, false, fmt.Errorf("resolving %s: %w", ref, err)
	}
	d, _, err := c.get(ctx, ref.identifier())
	if isStatus(err, http.StatusNotFound) {
		return v1.Descriptor{}, false, nil
	}
	if err != nil {
		return v1.Descriptor{}, false, fmt.Errorf("resolving %s: %w", ref, err)
	}
	return d, true, nil
}

// ReadByTag reads the manifest with the given tag in ref's repository, such as
// the signatures of an image under "sha256-HEX.sig", and whether there is one.
// It need not be an image: only sizes and digests are checked.
func ReadByTag(ctx context.Context, ref Ref, tag string, opts Options) (v1.Image, bool, error) {
	c, err := newClient(ctx, ref, opts, transport.PullScope)
	if err != nil {
		return nil, false, fmt.Errorf("reading %s of %s: %w", tag, ref, err)
	}
	d, raw, err := c.get(ctx, tag)
	if isStatus(err, http.StatusNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s of %s: %w", tag, ref, err)
	}
	l := &loader{store: c, limits: c.limits}
	img, err := l.artifact(ctx, d, raw)
	if err != nil {
		return nil, false, fmt.Errorf("reading %s of %s: %w", tag, ref, err)
	}
	return img, true, nil
}
