package image

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// retryPolicy says how often and how fast a request is repeated.
type retryPolicy struct {
	attempts int           // tries in all
	first    time.Duration // wait before the second try; doubled each time
	longest  time.Duration // bound of any wait, also one that a server asks for
	sleep    func(context.Context, time.Duration) error
}

func (p retryPolicy) withDefaults() retryPolicy {
	p.attempts = orDefault(p.attempts, 4)
	if p.first <= 0 {
		p.first = 500 * time.Millisecond
	}
	if p.longest <= 0 {
		p.longest = 30 * time.Second
	}
	if p.sleep == nil {
		p.sleep = sleepContext
	}
	return p
}

func sleepContext(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// wait sleeps after the n-th failed try, counted from 1. asked is what the
// server wants, or zero.
func (p retryPolicy) wait(ctx context.Context, n int, asked time.Duration) error {
	d := asked
	if d <= 0 {
		d = p.first << min(n-1, 16)
	}
	return p.sleep(ctx, min(d, p.longest))
}

// temporaryStatus reports whether a request may work later.
func temporaryStatus(code int) bool {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	default:
		return false
	}
}

// temporaryError reports whether a connection broke in a way that need not
// happen again. A stall is not among them: its deadline is long enough.
func temporaryError(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return temporaryStatus(status.code)
	}
	var stall *stallError
	var source *sourceError
	if errors.As(err, &stall) || errors.As(err, &source) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.IsTemporary
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, broken) {
			return true
		}
	}
	// net/http has no exported errors for these.
	text := err.Error()
	for _, broken := range []string{"http: server closed idle connection", "http2: client connection lost", "server sent GOAWAY", "stream error: stream ID"} {
		if strings.Contains(text, broken) {
			return true
		}
	}
	return false
}

// retryAfter reads the Retry-After header: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(n, 0), 3600)) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// retryTransport repeats requests that can be repeated: those without a body or
// with one that can be had again. Uploads of blobs are repeated as a whole by
// the pusher.
type retryTransport struct {
	inner  http.RoundTripper
	policy retryPolicy
}

// RoundTrip implements http.RoundTripper.
func (t *retryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	once := stepOf(req.Context()).once || req.Body != nil && req.Body != http.NoBody && req.GetBody == nil
	for n := 1; ; n++ {
		resp, err := t.inner.RoundTrip(req)
		last := once || n >= t.policy.attempts
		switch {
		case err != nil && (last || !temporaryError(err)):
			return nil, err
		case err == nil && (last || !temporaryStatus(resp.StatusCode)):
			return resp, nil
		}
		var asked time.Duration
		if err == nil {
			asked = retryAfter(resp.Header)
			_ = resp.Body.Close() // the answer is not looked at
		}
		if err := t.policy.wait(req.Context(), n, asked); err != nil {
			return nil, err
		}
		if req, err = rewind(req); err != nil {
			return nil, err
		}
	}
}

// rewind returns the request with its body from the start.
func rewind(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		again.Body = body
	}
	return again, nil
}
