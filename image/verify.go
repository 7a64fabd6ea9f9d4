package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// parseDigest reads a digest; only sha256 is accepted.
func parseDigest(s string) (v1.Hash, error) {
	digits, ok := strings.CutPrefix(s, "sha256:")
	if !ok || !isHex64(digits) {
		return v1.Hash{}, fmt.Errorf("%q is not a digest: want sha256: and 64 lower-case hexadecimal digits", s)
	}
	return v1.Hash{Algorithm: "sha256", Hex: digits}, nil
}

func isHex64(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

func checkDigest(h v1.Hash) error {
	_, err := parseDigest(h.String())
	return err
}

func digestOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// verifiedReader passes a blob through and checks it. It returns io.EOF only
// when exactly size bytes with the digest want were read and nothing follows.
type verifiedReader struct {
	r    io.ReadCloser
	want v1.Hash
	size int64
	n    int64
	sum  hash.Hash
	err  error
}

var _ io.ReadCloser = (*verifiedReader)(nil)

// verified returns a reader of r's bytes that fails unless they are the blob
// with this digest and size.
func verified(r io.ReadCloser, want v1.Hash, size int64) *verifiedReader {
	return &verifiedReader{r: r, want: want, size: size, sum: sha256.New()}
}

// Read implements io.Reader.
func (v *verifiedReader) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	left := v.size - v.n
	if left == 0 {
		v.err = v.finish()
		return 0, v.err
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := v.r.Read(p)
	v.n += int64(n)
	_, _ = v.sum.Write(p[:n]) // a hash never fails
	switch {
	case errors.Is(err, io.EOF) && v.n < v.size:
		v.err = fmt.Errorf("blob %s is truncated: %d of %d bytes: %w", v.want, v.n, v.size, io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, io.EOF):
		v.err = err
	case v.n == v.size:
		// Checked here already, so that a reader of exactly size bytes that
		// never asks for the end is not handed the last bytes unchecked.
		if err := v.checkSum(); err != nil {
			v.err = err
			return 0, err
		}
	}
	return n, v.err
}

func (v *verifiedReader) checkSum() error {
	if got := sumDigest(v.sum); got != v.want {
		return fmt.Errorf("blob %s has other content: its digest is %s", v.want, got)
	}
	return nil
}

// finish is called when all bytes were read; it looks for trailing ones.
func (v *verifiedReader) finish() error {
	if err := v.checkSum(); err != nil {
		return err
	}
	var one [1]byte
	for range 100 {
		n, err := v.r.Read(one[:])
		switch {
		case n > 0:
			return fmt.Errorf("blob %s is longer than its %d bytes", v.want, v.size)
		case errors.Is(err, io.EOF):
			return io.EOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// Close implements io.Closer.
func (v *verifiedReader) Close() error { return v.r.Close() }

// readDocument reads a whole verified blob into memory; the caller has checked
// that size is within the document limit.
func readDocument(r io.ReadCloser, want v1.Hash, size int64) (doc []byte, err error) {
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(verified(r, want, size))
}

// contextReader ends a copy when its context does. It lives no longer than the
// call that made it.
type contextReader struct {
	done func() error
	r    io.Reader
}

func withContext(ctx context.Context, r io.Reader) io.Reader {
	return contextReader{done: func() error { return context.Cause(ctx) }, r: r}
}

// Read implements io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.done(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

func sumDigest(sum hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
}
