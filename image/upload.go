package image

import (
	"errors"
	"io"
	"sync"
)

// sourceError is a blob that could not be read while it was sent. Sending it
// again would not help.
type sourceError struct{ err error }

// Error implements error.
func (e *sourceError) Error() string { return e.err.Error() }

// Unwrap returns what went wrong.
func (e *sourceError) Unwrap() error { return e.err }

// uploadBody is a blob on its way to a registry. It remembers why its source
// failed, since the transport only tells that the connection broke. The
// transport may still read it after it gave up.
type uploadBody struct {
	*verifiedReader
	mu     sync.Mutex
	closed bool
	failed error
}

// Read implements io.Reader.
func (b *uploadBody) Read(p []byte) (int, error) {
	n, err := b.verifiedReader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.closed && b.failed == nil {
			b.failed = &sourceError{err}
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *uploadBody) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	return b.verifiedReader.Close()
}

func (b *uploadBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}
