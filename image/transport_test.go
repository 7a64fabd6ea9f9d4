package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

// What is said about credentials helps and holds no secret.
func TestCredentialSource(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := dir + "/config.json"
	writeTestFile(t, file, []byte(`{"auths":{"a.example":{"auth":"c2VjcmV0OnNlY3JldA=="}},"credHelpers":{"b.example":"ecr-login"}}`))
	env := func(k string) string { return map[string]string{"DOCKER_CONFIG": dir}[k] }
	login := &authn.Basic{Username: "secret", Password: "secret"}
	for _, tc := range []struct {
		host string
		auth authn.Authenticator
		env  func(string) string
		want string
	}{
		{"a.example", login, env, "credentials of " + file},
		{"b.example", login, env, "credentials of docker-credential-ecr-login, named in " + file},
		{"c.example", authn.Anonymous, env, "no credentials for c.example in " + file},
		{"c.example", authn.Anonymous, func(string) string { return "" }, "no credentials: there is no docker or podman login file"},
	} {
		c, err := name.NewRegistry(tc.host)
		if err != nil {
			t.Fatal(err)
		}
		if got := credentialSource(c, tc.auth, tc.env); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.host, got, tc.want)
		}
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	opts := registryOpts()
	opts.CAFile = t.TempDir() + "/ca.pem"
	if err := readErr(t, "127.0.0.1:1/app", opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	writeTestFile(t, opts.CAFile, []byte("not a certificate"))
	wantErr(t, readErr(t, "127.0.0.1:1/app", opts), "no PEM certificate")

	srv := newTLSServer(t, registry.New(registry.Logger(quietLog())))
	img := newImage(t, "linux/amd64", packedLayer(t, compression.GZip, "f", "x"))
	opts.CAFile = srv.caFile
	ref := srv.host + "/app:v1"
	p := pusherOrFail(t, ref, opts)
	if _, err := p.PushTag(t.Context(), "v1", Entry{Image: img}); err != nil {
		t.Fatal(err)
	}
	if err := readErr(t, ref, opts); err != nil {
		t.Error(err)
	}
	wantErr(t, readErr(t, ref, registryOpts()), "certificate")
	insecure := registryOpts()
	insecure.Insecure = true
	if err := readErr(t, ref, insecure); err != nil {
		t.Errorf("with --insecure: %v", err)
	}
}

func TestRetryWaits(t *testing.T) {
	t.Parallel()
	var waits []time.Duration
	p := retryPolicy{sleep: func(_ context.Context, d time.Duration) error {
		waits = append(waits, d)
		return nil
	}}.withDefaults()
	for n, asked := range map[int]string{1: "", 2: "7", 3: "3000", 4: "nonsense"} {
		waits = nil
		h := http.Header{"Retry-After": {asked}}
		if err := p.wait(t.Context(), n, retryAfter(h)); err != nil {
			t.Fatal(err)
		}
		want := map[int]time.Duration{1: 500 * time.Millisecond, 2: 7 * time.Second, 3: 30 * time.Second, 4: 4 * time.Second}[n]
		if diff := cmp.Diff([]time.Duration{want}, waits); diff != "" {
			t.Errorf("try %d, asked for %q (-want +got):\n%s", n, asked, diff)
		}
	}
	h := http.Header{"Retry-After": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}}
	if d := retryAfter(h); d < 59*time.Minute || d > time.Hour {
		t.Errorf("date in an hour: %s", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleepContext(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("sleeping in a canceled context: %v", err)
	}
}

func TestLoginRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"refused": func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"no token": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"other":"secret"}`)
		},
		"huge": func(w http.ResponseWriter) {
			for range 200 {
				if _, err := io.WriteString(w, strings.Repeat("secret", 10000)); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					answer(w)
					return
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
				w.WriteHeader(http.StatusUnauthorized)
			}))
			opts := fast()
			opts.Keychain = password{}
			err := readErr(t, s.Host+"/app:v1", opts)
			wantErr(t, err, s.Host, "logging in")
			if strings.Contains(err.Error(), "secret") || len(err.Error()) > 1000 {
				t.Errorf("error shows what it must not: %.300s", err)
			}
			if name == "refused" {
				wantErr(t, err, "401", "credentials")
			}
		})
	}
}

func TestTemporaryError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("x: %w", syscall.ECONNRESET), true},
		{net.ErrClosed, true},
		{io.ErrUnexpectedEOF, true},
		{errors.New("stream error: stream ID 7; INTERNAL_ERROR; received from peer"), true},
		{errors.New("http2: server sent GOAWAY and closed the connection"), true},
		{&statusError{code: 503}, true},
		{&statusError{code: 501}, false},
		{&statusError{code: 404}, false},
		{&stallError{}, false},
		{&sourceError{io.ErrUnexpectedEOF}, false},
		{context.Canceled, false},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), false},
		{syscall.ECONNREFUSED, false},
		{&net.DNSError{IsTemporary: true}, true},
		{&net.DNSError{IsNotFound: true}, false},
	} {
		if got := temporaryError(tc.err); got != tc.want {
			t.Errorf("%v: %v", tc.err, got)
		}
	}
}
