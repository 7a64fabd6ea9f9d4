package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Pusher writes to one repository of a registry. The caller chooses the order:
// content by digest first, what vouches for it next, the tag last. Its methods
// may be called again after a failure; what the registry already has is not
// sent again.
type Pusher struct {
	c         *client
	mountFrom string // a repository of the same registry, or empty
}

// NewPusher logs in to the repository of ref with the right to write; ref's tag
// and digest do not matter.
func NewPusher(ctx context.Context, ref Ref, opts Options) (*Pusher, error) {
	var more []string
	from := mountSource(ref, opts.MountFrom)
	if from != (name.Repository{}) {
		more = append(more, from.Scope(transport.PullScope))
	}
	c, err := newClient(ctx, ref, opts, transport.PushScope, more...)
	if err != nil {
		return nil, fmt.Errorf("pushing to %s: %w", ref, err)
	}
	p := &Pusher{c: c}
	if from != (name.Repository{}) {
		p.mountFrom = from.RepositoryStr()
	}
	return p, nil
}

// mountSource returns from's repository if it is another one of to's registry.
func mountSource(to, from Ref) name.Repository {
	if from.Kind != Registry || from.Name == "" || from.Name == to.Name {
		return name.Repository{}
	}
	src, srcErr := name.NewRepository(from.Name)
	dst, dstErr := name.NewRepository(to.Name)
	if srcErr != nil || dstErr != nil || src.RegistryStr() != dst.RegistryStr() {
		return name.Repository{}
	}
	return src
}

// PushContent uploads an image or index with everything it consists of, blobs
// and members before what lists them, by digest. No tag moves.
func (p *Pusher) PushContent(ctx context.Context, e Entry) (v1.Descriptor, error) {
	w := &walker{put: p.put}
	d, err := w.entry(ctx, e)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("pushing to %s: %w", p.c.repo, err)
	}
	return d, nil
}

// PushTag uploads e and points a tag to it, as signatures and attestations are
// stored: "sha256-HEX.sig".
func (p *Pusher) PushTag(ctx context.Context, tag string, e Entry) (v1.Descriptor, error) {
	d, err := p.PushContent(ctx, e)
	if err != nil {
		return d, err
	}
	return d, p.Tag(ctx, tag, d)
}

// Tag points a tag to a manifest or index that the repository has. It reads
// the document back by digest first, so a tag never names what is not there.
func (p *Pusher) Tag(ctx context.Context, tag string, d v1.Descriptor) error {
	if _, err := name.NewTag(p.c.repo.Name()+":"+tag, name.StrictValidation); err != nil {
		return fmt.Errorf("tag %q: %w", tag, err)
	}
	got, raw, err := p.c.get(ctx, d.Digest.String())
	if err != nil {
		return fmt.Errorf("tagging %s:%s: %w", p.c.repo, tag, err)
	}
	if d.MediaType != "" {
		got.MediaType = d.MediaType
	}
	if _, err := p.c.putManifest(ctx, tag, got, raw); err != nil {
		return fmt.Errorf("tagging %s:%s: %w", p.c.repo, tag, err)
	}
	return nil
}

// put implements putFunc.
func (p *Pusher) put(ctx context.Context, d v1.Descriptor, manifest bool, open func() (io.ReadCloser, error)) error {
	if err := checkDescriptor(d, d.Size); err != nil {
		return err
	}
	if !manifest {
		return p.c.uploadBlob(ctx, d, p.mountFrom, open)
	}
	r, err := open()
	if err != nil {
		return err
	}
	raw, err := readDocument(r, d.Digest, d.Size)
	if err != nil {
		return err
	}
	_, err = p.c.putManifest(ctx, d.Digest.String(), d, raw)
	return err
}

// putManifest writes a document under a tag or its digest and returns the
// headers of the answer.
func (c *client) putManifest(ctx context.Context, id string, d v1.Descriptor, raw []byte) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.url("manifests", id), bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", string(d.MediaType))
	resp, err := c.do(ctx, step{what: "writing manifest " + id}, req, http.StatusCreated, http.StatusOK, http.StatusAccepted)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if got := resp.Header.Get("Docker-Content-Digest"); got != "" && got != d.Digest.String() {
		return nil, fmt.Errorf("registry %s stored manifest %s as %q", c.repo.RegistryStr(), d.Digest, got)
	}
	return resp.Header, nil
}

// uploadBlob sends a blob unless the repository has it. A failed upload is
// begun anew, since nobody knows what a broken one left behind.
func (c *client) uploadBlob(ctx context.Context, d v1.Descriptor, mountFrom string, open func() (io.ReadCloser, error)) error {
	for n := 1; ; n++ {
		err := c.uploadOnce(ctx, d, mountFrom, open)
		if err == nil || n >= c.retry.attempts || !temporaryError(err) {
			return err
		}
		var status *statusError
		var asked time.Duration
		if errors.As(err, &status) {
			asked = status.asked
		}
		if err := c.retry.wait(ctx, n, asked); err != nil {
			return err
		}
	}
}

func (c *client) uploadOnce(ctx context.Context, d v1.Descriptor, mountFrom string, open func() (io.ReadCloser, error)) error {
	have, err := c.hasBlob(ctx, d)
	if err != nil || have {
		return err
	}
	location, err := c.startUpload(ctx, d, mountFrom)
	if mountFrom != "" && isStatus(err, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed) {
		location, err = c.startUpload(ctx, d, "") // cannot mount, which is no reason to fail
	}
	if err != nil || location == nil {
		return err
	}
	return c.finishUpload(ctx, d, location, open)
}

func (c *client) hasBlob(ctx context.Context, d v1.Descriptor) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, c.url("blobs", d.Digest.String()), nil)
	if err != nil {
		return false, err
	}
	s := step{what: "looking for blob " + d.Digest.String(), once: true}
	resp, err := c.do(ctx, s, req, http.StatusOK, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	return resp.StatusCode == http.StatusOK, resp.Body.Close()
}

// startUpload begins an upload and returns where to; nil means that the blob
// was mounted from another repository.
func (c *client) startUpload(ctx context.Context, d v1.Descriptor, mountFrom string) (*url.URL, error) {
	address := c.url("blobs", "uploads") + "/"
	if mountFrom != "" {
		address += "?" + url.Values{"mount": {d.Digest.String()}, "from": {mountFrom}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	s := step{what: "starting upload of blob " + d.Digest.String(), once: true}
	resp, err := c.do(ctx, s, req, http.StatusAccepted, http.StatusCreated)
	if err != nil {
		return nil, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusCreated {
		return nil, nil //nolint:nilnil // documented: mounted
	}
	location, err := resp.Location()
	if err != nil {
		return nil, fmt.Errorf("registry %s: %s: %w", c.repo.RegistryStr(), s.what, err)
	}
	return location, nil
}

// finishUpload sends the blob in one request.
func (c *client) finishUpload(ctx context.Context, d v1.Descriptor, location *url.URL, open func() (io.ReadCloser, error)) error {
	query := location.Query()
	query.Set("digest", d.Digest.String())
	location.RawQuery = query.Encode()
	r, err := open()
	if err != nil {
		return err
	}
	// The transport closes the body; what the source says matters more than
	// how the connection then breaks.
	body := &uploadBody{verifiedReader: verified(r, d.Digest, d.Size)}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, location.String(), body)
	if err != nil {
		return errors.Join(err, body.Close())
	}
	req.ContentLength = d.Size
	req.Header.Set("Content-Type", "application/octet-stream")
	if d.Size == 0 {
		req.Body = http.NoBody
	}
	s := step{what: "sending blob " + d.Digest.String(), once: true}
	resp, err := c.do(ctx, s, req, http.StatusCreated, http.StatusNoContent, http.StatusAccepted)
	if bad := body.failure(); bad != nil {
		return bad
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
