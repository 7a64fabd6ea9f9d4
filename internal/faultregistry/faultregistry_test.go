package faultregistry_test

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

// body is what the wrapped handler of these tests answers.
const body = "0123456789"

func start(t *testing.T, faults ...faultregistry.Fault) *faultregistry.Server {
	t.Helper()
	s := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, body)
	}))
	s.Add(faults...)
	return s
}

// get returns the status and the body of an answer, and the error it ended in.
func get(t *testing.T, s *faultregistry.Server, path string) (int, string, error) {
	t.Helper()
	resp, err := http.Get("http://" + s.Host + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(got), err
}

func TestActions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		action faultregistry.Action
		status int
		body   string
		broken bool
	}{
		{"status", faultregistry.Status, 503, "", false},
		{"reset early", faultregistry.ResetEarly, 0, "", true},
		{"reset mid", faultregistry.ResetMid, 200, "01234", true},
		{"truncate", faultregistry.Truncate, 200, "01234", false},
		{"corrupt", faultregistry.Corrupt, 200, "0123456788", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, faultregistry.Fault{Path: ".", Action: tc.action, Status: 503})
			status, got, err := get(t, s, "/v2/")
			if status != tc.status || (err != nil) != tc.broken {
				t.Errorf("status %d, error %v; want %d, broken %v", status, err, tc.status, tc.broken)
			}
			// A reset may also discard what was sent before it.
			lost := tc.broken && len(got) < len(body)
			if got != tc.body && !lost {
				t.Errorf("body %q, want %q", got, tc.body)
			}
		})
	}
}

func TestCountAndLog(t *testing.T) {
	t.Parallel()
	s := start(t, faultregistry.Fault{Method: "GET", Path: "^/v2/a$", Skip: 1, Count: 1, Status: 500})
	var codes []int
	for _, path := range []string{"/v2/a", "/v2/b", "/v2/a", "/v2/a"} {
		code, _, err := get(t, s, path)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	if diff := cmp.Diff([]int{200, 200, 500, 200}, codes); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	var log []string
	for _, r := range s.Log() {
		line := r.String()
		if r.Fault {
			line += " fault"
		}
		log = append(log, line)
	}
	want := []string{"GET /v2/a", "GET /v2/b", "GET /v2/a fault", "GET /v2/a"}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	s.Clear()
	if n := len(s.Log()); n != 0 {
		t.Errorf("log has %d lines after Clear", n)
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	called := 0
	s := start(t, faultregistry.Fault{Path: "a$", Count: 1, Action: faultregistry.Call, Do: func() { called++ }})
	for range 2 {
		if code, got, err := get(t, s, "/v2/a"); code != 200 || got != body || err != nil {
			t.Errorf("%d %q %v", code, got, err)
		}
	}
	if called != 1 {
		t.Errorf("called %d times", called)
	}
}

func TestHangEndsWithClient(t *testing.T) {
	t.Parallel()
	s := start(t, faultregistry.Fault{Path: ".", Action: faultregistry.Hang})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Host+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 50e6}
	resp, err := client.Do(req)
	if err == nil {
		resp.Body.Close()
		t.Fatal("a hanging server answered")
	}
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}
