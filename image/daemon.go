package image

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// defaultDockerHost is where docker listens on Linux.
const defaultDockerHost = "unix:///var/run/docker.sock"

// daemon speaks the two requests of the Docker Engine API that are needed here
// (https://docs.docker.com/reference/api/engine/): a hundred lines instead of
// the modules that docker's own client brings along.
type daemon struct {
	http    *http.Client
	host    string // as configured, for errors
	address string // http or https, without a path
	version string // "/v1.47", what the daemon prefers
}

// newDaemon finds the docker daemon as docker's command line tool does, from
// DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, and asks for its version.
func newDaemon(ctx context.Context, opts Options, env func(string) string) (*daemon, error) {
	host := opts.DockerHost
	if host == "" {
		host = env("DOCKER_HOST")
	}
	if host == "" {
		host = defaultDockerHost
	}
	d := &daemon{host: host}
	tr, err := d.transport(env)
	if err != nil {
		return nil, fmt.Errorf("docker daemon %s: %w", host, err)
	}
	d.http = &http.Client{Transport: &watchdog{inner: tr, idle: opts.timeout(), limit: maxErrorBody}}
	if err := d.ping(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *daemon) transport(env func(string) string) (*http.Transport, error) {
	u, err := url.Parse(d.host)
	if err != nil {
		return nil, err
	}
	tr := &http.Transport{DisableCompression: true}
	switch u.Scheme {
	case "unix":
		path := u.Path
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		d.address = "http://docker"
		return tr, nil
	case "tcp", "http", "https":
		d.address = "http://" + u.Host
		if env("DOCKER_TLS_VERIFY") == "" && u.Scheme != "https" {
			return tr, nil
		}
		d.address = "https://" + u.Host
		tr.TLSClientConfig, err = daemonTLS(env)
		return tr, err
	default:
		return nil, fmt.Errorf("%q is not supported; use unix:// or tcp://", u.Scheme)
	}
}

// daemonTLS reads the client certificate that docker uses.
func daemonTLS(env func(string) string) (*tls.Config, error) {
	dir := env("DOCKER_CERT_PATH")
	if dir == "" {
		dir = filepath.Join(env("HOME"), ".docker")
	}
	pool, err := certPool(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{cert}}, nil
}

// ping learns the API version that the daemon speaks.
func (d *daemon) ping(ctx context.Context) error {
	resp, err := d.do(ctx, step{what: "looking for the daemon"}, http.MethodGet, "/_ping", nil)
	if err != nil {
		return err
	}
	if v := resp.Header.Get("Api-Version"); v != "" {
		d.version = "/v" + url.PathEscape(v)
	}
	return resp.Body.Close()
}

// do sends a request and returns the answer if it is a success.
func (d *daemon) do(ctx context.Context, s step, method, path string, body io.Reader) (*http.Response, error) {
	ctx = withStep(ctx, s)
	req, err := http.NewRequestWithContext(ctx, method, d.address+d.version+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-tar")
	}
	resp, err := d.http.Do(req)
	if err != nil {
		var address *url.Error
		if errors.As(err, &address) {
			err = address.Err
		}
		return nil, fmt.Errorf("docker daemon %s: %s: %w", d.host, s.what, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	var answer struct {
		Message string `json:"message"`
	}
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // an error text, if there is one
	_ = resp.Body.Close()
	if json.Unmarshal(raw, &answer) != nil || answer.Message == "" {
		answer.Message = resp.Status
	}
	return nil, fmt.Errorf("docker daemon %s: %s: %q", d.host, s.what, truncate(answer.Message))
}

// readDockerDaemon reads an image out of a docker daemon by way of a temporary
// file without a name.
func readDockerDaemon(ctx context.Context, ref Ref, opts Options) (*Source, error) {
	d, err := newDaemon(ctx, opts, os.Getenv)
	if err != nil {
		return nil, err
	}
	query := url.Values{"names": {ref.Name}}
	s := step{what: fmt.Sprintf("saving image %q", ref.Name), blob: true}
	resp, err := d.do(ctx, s, http.MethodGet, "/images/get?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	f, err := spool(ctx, resp.Body, uncompressed, opts)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	src, err := readArchiveFile(ctx, f, "", opts.Limits)
	if err != nil {
		return nil, err
	}
	if _, idErr := parseDigest(ref.Name); idErr != nil && src.Tag == "" {
		src.Tag = tagPart(ref.Name)
	}
	return src, nil
}

// WriteDaemon loads img into the docker daemon under the given "name:tag". The
// daemon takes an image as a whole or not at all.
func WriteDaemon(ctx context.Context, name string, img v1.Image, opts Options) error {
	if err := writeDaemon(ctx, name, img, opts); err != nil {
		return fmt.Errorf("writing %s%s: %w", prefixDockerDaemon, name, err)
	}
	return nil
}

func writeDaemon(ctx context.Context, name string, img v1.Image, opts Options) error {
	if name == "" {
		return errors.New("the image needs a name")
	}
	if err := checkArchiveTag(name); err != nil {
		return err
	}
	d, err := newDaemon(ctx, opts, os.Getenv)
	if err != nil {
		return err
	}
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	go func() {
		buf := bufio.NewWriterSize(pw, 1<<20)
		err := writeArchive(ctx, buf, name, img)
		if err == nil {
			err = buf.Flush()
		}
		written <- err
		pw.CloseWithError(err)
	}()
	resp, err := d.do(ctx, step{what: "loading the image"}, http.MethodPost, "/images/load?quiet=1", pr)
	_ = pr.Close() // ends the writer if the daemon did not read everything
	if source := <-written; source != nil && !errors.Is(source, io.ErrClosedPipe) {
		if err == nil {
			_ = resp.Body.Close()
		}
		return source
	}
	if err != nil {
		return err
	}
	return loadResult(resp.Body)
}

// loadResult reads the daemon's progress messages; a failure is one of them,
// after a status of success.
func loadResult(body io.ReadCloser) (err error) {
	defer func() { err = errors.Join(err, body.Close()) }()
	dec := json.NewDecoder(body)
	for {
		var message struct {
			Error string `json:"error"`
		}
		err := dec.Decode(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the daemon's answer: %w", err)
		}
		if message.Error != "" {
			return fmt.Errorf("the daemon says %q", truncate(strings.TrimSpace(message.Error)))
		}
	}
}
