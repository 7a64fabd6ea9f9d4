// Package faultregistry is a registry for tests that fails on demand.
//
// It wraps go-containerregistry's in-memory registry. A [Fault] picks requests
// by method and path and says how they fail and how often; the [Server] keeps
// an ordered log of all requests. Faults are tried in order, and the first that
// matches and is not used up applies.
package faultregistry

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Action is how a request fails.
type Action int

// The ways in which a request can fail.
const (
	// Status answers with Fault.Status and does nothing else.
	Status Action = iota
	// ResetEarly breaks the connection before anything is read or answered.
	ResetEarly
	// ResetMid breaks the connection when half of the body was taken (PUT,
	// PATCH, POST) or given (GET).
	ResetMid
	// Truncate gives half of the answer and says that it is all.
	Truncate
	// Corrupt gives an answer of the right length whose last byte is flipped.
	Corrupt
	// Hang does not answer until the client goes away or the test ends.
	Hang
	// HangMid gives half of the answer and then no more.
	HangMid
	// Call calls Fault.Do and answers as if nothing was: something else happens
	// at just that moment.
	Call
)

// Fault makes requests fail.
type Fault struct {
	Method string // such as "GET"; empty for any
	Path   string // regular expression that the path must match
	Skip   int    // how many matching requests are left alone first
	Count  int    // how many requests fail; 0 for all
	Action Action

	Status     int    // for Status
	RetryAfter string // header for Status, if not empty
	Body       string // body for Status, if not empty
	Do         func() // for Call
}

// Request is one line of the log.
type Request struct {
	Method, Path, Query string
	Header              http.Header
	// Fault reports that a fault was applied.
	Fault bool
}

// String returns method, path and query in a line.
func (r Request) String() string {
	s := r.Method + " " + r.Path
	if r.Query != "" {
		s += "?" + r.Query
	}
	return s
}

// Server is a running registry on 127.0.0.1.
type Server struct {
	// Host is "127.0.0.1:PORT", the first part of a reference.
	Host string

	inner http.Handler
	done  chan struct{}

	mu     sync.Mutex
	faults []*fault
	log    []Request
}

type fault struct {
	Fault
	path *regexp.Regexp
	seen int
}

// Start runs a registry until the test ends. Options are those of
// go-containerregistry's registry, such as registry.WithReferrersSupport.
func Start(tb testing.TB, opts ...registry.Option) *Server {
	tb.Helper()
	opts = append([]registry.Option{registry.Logger(quiet())}, opts...)
	return Wrap(tb, registry.New(opts...))
}

// Wrap serves another handler with faults.
func Wrap(tb testing.TB, inner http.Handler) *Server {
	tb.Helper()
	s := &Server{inner: inner, done: make(chan struct{})}
	srv := httptest.NewUnstartedServer(s)
	srv.Config.ErrorLog = quiet()
	srv.Start()
	tb.Cleanup(func() {
		close(s.done)
		srv.CloseClientConnections()
		srv.Close()
	})
	s.Host = strings.TrimPrefix(srv.URL, "http://")
	return s
}

// Add adds faults.
func (s *Server) Add(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		s.faults = append(s.faults, &fault{Fault: f, path: regexp.MustCompile(f.Path)})
	}
}

// Clear removes all faults and empties the log.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.log = nil, nil
}

// Log returns the requests so far, in order.
func (s *Server) Log() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.log...)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s.match(r)
	if f == nil {
		s.inner.ServeHTTP(w, r)
		return
	}
	s.apply(f, w, r)
}

// match writes the log and finds the fault that applies to a request.
func (s *Server) match(r *http.Request) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone()}
	var found *fault
	for _, f := range s.faults {
		if f.Method != "" && f.Method != r.Method || !f.path.MatchString(r.URL.Path) {
			continue
		}
		n := f.seen
		if f.Count > 0 && n >= f.Skip+f.Count {
			continue
		}
		f.seen++
		if n >= f.Skip {
			found = f
			break
		}
	}
	entry.Fault = found != nil
	s.log = append(s.log, entry)
	return found
}

func (s *Server) apply(f *fault, w http.ResponseWriter, r *http.Request) {
	switch f.Action {
	case Status:
		if f.RetryAfter != "" {
			w.Header().Set("Retry-After", f.RetryAfter)
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body) // a client that is gone does not matter
	case ResetEarly:
		reset(w)
	case Hang:
		s.wait(r)
	case Call:
		f.Do()
		s.inner.ServeHTTP(w, r)
	default:
		s.applyMid(f.Action, w, r)
	}
}

// applyMid applies the faults in the middle of a body.
func (s *Server) applyMid(action Action, w http.ResponseWriter, r *http.Request) {
	if action == ResetMid && r.Method != http.MethodGet {
		_, _ = io.CopyN(io.Discard, r.Body, max(r.ContentLength/2, 1)) // broken off in any case
		reset(w)
		return
	}
	rec := httptest.NewRecorder()
	s.inner.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	half := body[:len(body)/2]
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	length := len(body)
	switch action {
	case Truncate:
		body, length = half, len(half)
	case Corrupt:
		body = append([]byte(nil), body...)
		body[len(body)-1] ^= 1
	default: // the rest never comes
		body = half
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body) // a client that is gone does not matter
	switch action {
	case ResetMid:
		_ = http.NewResponseController(w).Flush()
		reset(w)
	case HangMid:
		_ = http.NewResponseController(w).Flush()
		s.wait(r)
	default:
	}
}

// wait blocks until the client or the test is done.
func (s *Server) wait(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.done:
	}
}

// reset breaks the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func quiet() *log.Logger { //nolint:forbidigo // a server wants one
	return log.New(io.Discard, "", 0) //nolint:forbidigo // it says nothing
}
