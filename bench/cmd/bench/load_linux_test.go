package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestAsk counts the requests of one connection, and refuses other answers.
func TestAsk(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if status, ok := wanted()[r.URL.Path]; !ok || status != http.StatusOK {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	defer server.Close()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if err := ask(dial(), 40); err != nil || served.Load() != 40 {
		t.Errorf("%v after %d requests", err, served.Load())
	}
	server.Config.Handler = http.NotFoundHandler()
	if err := ask(dial(), 40); err == nil || !strings.Contains(err.Error(), "status 404, want 200") {
		t.Errorf("%v", err)
	}
}
