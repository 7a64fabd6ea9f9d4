package image

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// step is what a request is for. It travels in the request's context so that
// redirects and logins made on its behalf have it too.
type step struct {
	what string // for errors: "reading manifest latest"
	blob bool   // the answer may be large
	once bool   // the caller repeats it itself
}

type stepKey struct{}

func withStep(ctx context.Context, s step) context.Context {
	return context.WithValue(ctx, stepKey{}, s)
}

func stepOf(ctx context.Context) step {
	s, _ := ctx.Value(stepKey{}).(step)
	return s
}

// stallError is a request that made no progress for too long.
type stallError struct {
	host string
	what string
	idle time.Duration
}

// Error implements error.
func (e *stallError) Error() string {
	return fmt.Sprintf("%s made no progress for %s while %s", e.host, e.idle, e.what)
}

// maxErrorBody bounds the body of an answer that is not a success.
const maxErrorBody = 64 << 10

// watchdog ends requests that make no progress: no connection, no bytes taken,
// no answer, no bytes given. It also bounds the size of answers that are not
// blobs.
type watchdog struct {
	inner http.RoundTripper
	idle  time.Duration
	limit int64
}

// RoundTrip implements http.RoundTripper.
func (w *watchdog) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	s := stepOf(ctx)
	stall := &stallError{host: req.URL.Host, what: s.what, idle: w.idle}
	timer := time.AfterFunc(w.idle, func() { cancel(stall) })
	req = req.Clone(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &sentBody{ReadCloser: req.Body, timer: timer, idle: w.idle}
	}
	resp, err := w.inner.RoundTrip(req)
	timer.Stop()
	if err != nil {
		err = stallCause(ctx, err)
		cancel(nil)
		return nil, err
	}
	limit := w.limit
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		limit = maxErrorBody
	case s.blob:
		limit = -1
	}
	resp.Body = &watchedBody{
		body: resp.Body, timer: timer, idle: w.idle, left: limit,
		cause: func(err error) error { return stallCause(ctx, err) },
		end:   func() { timer.Stop(); cancel(nil) },
	}
	return resp, nil
}

// stallCause returns the stall that ended a request, or the error it had.
func stallCause(ctx context.Context, err error) error {
	var stall *stallError
	if errors.As(context.Cause(ctx), &stall) {
		return stall
	}
	return err
}

// sentBody stops the clock while the source of an upload is read: only the
// network is watched.
type sentBody struct {
	io.ReadCloser
	timer *time.Timer
	idle  time.Duration
}

// Read implements io.Reader.
func (b *sentBody) Read(p []byte) (int, error) {
	b.timer.Stop()
	n, err := b.ReadCloser.Read(p)
	b.timer.Reset(b.idle)
	return n, err
}

// watchedBody runs the clock while an answer is read.
type watchedBody struct {
	body  io.ReadCloser
	timer *time.Timer
	idle  time.Duration
	left  int64 // bytes that may still come; negative: any number
	cause func(error) error
	end   func()
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.body.Read(p)
	b.timer.Stop()
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			return 0, errors.New("the answer is too large")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.cause(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	err := b.body.Close()
	b.end()
	return err
}

// newTransport returns the transport below login: TLS, deadlines, retries.
func newTransport(opts Options) (http.RoundTripper, error) {
	pool, err := certPool(opts.CAFile)
	if err != nil {
		return nil, err
	}
	base := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // digests are of the bytes as they are
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: pool,
			InsecureSkipVerify: opts.Insecure,
		},
	}
	w := &watchdog{inner: base, idle: opts.timeout(), limit: opts.Limits.DocumentBytes + maxErrorBody}
	return &retryTransport{inner: w, policy: opts.retry.withDefaults()}, nil
}

// certPool returns the system's certificates and those of a file; nil is the
// system's alone.
func certPool(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}
