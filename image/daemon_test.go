package image

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeDaemon is a docker daemon with one image.
type fakeDaemon struct {
	mu     sync.Mutex
	saved  []byte // the archive of the image
	answer string // to a load; empty: what docker says
	paths  []string
}

// ServeHTTP implements http.Handler.
func (d *fakeDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paths = append(d.paths, r.URL.String())
	switch r.URL.Path {
	case "/_ping":
		w.Header().Set("Api-Version", "1.47")
	case "/v1.47/images/get":
		if d.saved == nil {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"message":"No such image: nobody"}`)
			return
		}
		_, _ = w.Write(d.saved)
	case "/v1.47/images/load":
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		d.saved = data
		if d.answer == "" {
			d.answer = `{"stream":"Loaded image: app:v1\n"}` + "\n"
		}
		_, _ = io.WriteString(w, d.answer)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

// startDaemon serves a handler on a unix socket and returns options for it.
func startDaemon(t *testing.T, h http.Handler) Options {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	if err := srv.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	srv.Listener = l
	srv.Start()
	t.Cleanup(srv.Close)
	return Options{DockerHost: "unix://" + path, Timeout: 5 * time.Second, TempDir: t.TempDir()}
}

func TestDaemonRoundTrip(t *testing.T) {
	t.Parallel()
	d := &fakeDaemon{}
	opts := startDaemon(t, d)
	from := readOne(t, "oci:"+writeTestLayout(t, Entry{Image: testImage(t)}), Options{})
	if err := WriteDaemon(t.Context(), "app:v1", from.Images[0].Image, opts); err != nil {
		t.Fatal(err)
	}
	src := readOne(t, "docker-daemon:app:v1", opts)
	if src.Tag != "v1" {
		t.Errorf("tag %q", src.Tag)
	}
	want, err := from.Images[0].Image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := src.Images[0].Image.ConfigName(); err != nil || got != want {
		t.Errorf("config %s, want %s, %v", got, want, err)
	}
	if _, err := drain(src.Images[0].Image); err != nil {
		t.Error(err)
	}
	if last := d.paths[len(d.paths)-1]; last != "/v1.47/images/get?names=app%3Av1" {
		t.Errorf("asked for %s", last)
	}
	if left := tree(t, opts.TempDir); len(left) > 0 {
		t.Errorf("temporary files: %v", left)
	}
}

func TestDaemonErrors(t *testing.T) {
	t.Parallel()
	img := testImage(t)
	opts := startDaemon(t, &fakeDaemon{})
	wantErr(t, readErr(t, "docker-daemon:nobody", opts), "No such image", opts.DockerHost)

	opts = startDaemon(t, &fakeDaemon{answer: `{"stream":"x"}{"errorDetail":{"message":"bad"},"error":"no space \u001b[1mleft"}`})
	wantErr(t, WriteDaemon(t.Context(), "app:v1", img, opts), `"no space \x1b[1mleft"`, "docker-daemon:app:v1")
	opts = startDaemon(t, &fakeDaemon{answer: "nonsense"})
	wantErr(t, WriteDaemon(t.Context(), "app:v1", img, opts), "daemon's answer")
	wantErr(t, WriteDaemon(t.Context(), "", img, opts), "needs a name")
	wantErr(t, WriteDaemon(t.Context(), "A B", img, opts), "A B")

	opts.DockerHost = "unix://" + filepath.Join(t.TempDir(), "none.sock")
	wantErr(t, readErr(t, "docker-daemon:app", opts), opts.DockerHost, "no such file")
	opts.DockerHost = "ssh://me@host"
	wantErr(t, readErr(t, "docker-daemon:app", opts), `"ssh" is not supported`)
}

func TestDaemonFaults(t *testing.T) {
	t.Parallel()
	saved := archiveOf(t, classic(t)...)
	opts := startDaemon(t, &fakeDaemon{saved: saved[:len(saved)/3]})
	if err := readErr(t, "docker-daemon:app", opts); err == nil {
		t.Error("a truncated archive was read")
	}
	opts.Limits.ArchiveBytes = 1000
	wantErr(t, readErr(t, "docker-daemon:app", opts), "limit of 1000 bytes")

	done := make(chan struct{})
	opts = startDaemon(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_ping" {
			select {
			case <-r.Context().Done():
			case <-done:
			}
		}
	}))
	opts.Timeout = 100 * time.Millisecond
	wantErr(t, readErr(t, "docker-daemon:app", opts), opts.DockerHost, "no progress", "saving image")
	big := newImage(t, "linux/amd64", rawLayer(t, "f", strings.Repeat("x", 8<<20)))
	wantErr(t, WriteDaemon(t.Context(), "app:v1", big, opts), "no progress", "loading the image")
	close(done)
}

// A source that fails while it is sent is what the error is about.
func TestDaemonBadSource(t *testing.T) {
	t.Parallel()
	dir := writeTestLayout(t, Entry{Image: testImage(t)})
	src := readOne(t, "oci:"+dir, Options{})
	path := filepath.Join(dir, "blobs", "sha256", digestOrFail(t, mustLayers(t, src.Images[0].Image)[2]).Hex)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeTestFile(t, path, bytes.ToUpper(data))
	d := &fakeDaemon{}
	opts := startDaemon(t, d)
	wantErr(t, WriteDaemon(t.Context(), "app:v1", src.Images[0].Image, opts), "other content")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WriteDaemon(ctx, "app:v1", testImage(t), opts); !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancel: %v", err)
	}
	if d.saved != nil {
		t.Error("the daemon took half an image")
	}
}

// The real daemon, where there is one.
func TestDaemonDocker(t *testing.T) {
	t.Parallel()
	host := os.Getenv("LATHE_TEST_DOCKER_HOST")
	if host == "" {
		t.Skip("LATHE_TEST_DOCKER_HOST names no docker daemon")
	}
	opts := Options{DockerHost: host, TempDir: t.TempDir()}
	img := testImage(t)
	if err := WriteDaemon(t.Context(), "lathe-test/app:v1", img, opts); err != nil {
		t.Fatal(err)
	}
	src := readOne(t, "docker-daemon:lathe-test/app:v1", opts)
	if _, err := drain(src.Images[0].Image); err != nil {
		t.Error(err)
	}
	want, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := src.Images[0].Image.ConfigName(); err != nil || got != want {
		t.Errorf("config %s, want %s, %v", got, want, err)
	}
	wantErr(t, readErr(t, "docker-daemon:lathe-test/none:v1", opts), "lathe-test/none")
}

// A daemon behind TLS wants a client certificate.
func TestDaemonTLS(t *testing.T) {
	t.Parallel()
	saved := archiveOf(t, classic(t)...)
	srv := httptest.NewUnstartedServer(&fakeDaemon{saved: saved})
	srv.Config.ErrorLog = quietLog()
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	key, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	env := func(k string) string {
		return map[string]string{
			"DOCKER_HOST":       "tcp://" + strings.TrimPrefix(srv.URL, "https://"),
			"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": dir,
		}[k]
	}
	_, err = newDaemon(t.Context(), Options{}, env)
	wantErr(t, err, "ca.pem")
	writeTestFile(t, filepath.Join(dir, "ca.pem"), cert)
	_, err = newDaemon(t.Context(), Options{}, env)
	wantErr(t, err, "cert.pem")
	writeTestFile(t, filepath.Join(dir, "cert.pem"), cert)
	writeTestFile(t, filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	d, err := newDaemon(t.Context(), Options{}, env)
	if err != nil {
		t.Fatal(err)
	}
	if d.version != "/v1.47" {
		t.Errorf("version %q", d.version)
	}
}
