package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// client speaks the distribution protocol with one repository
// (https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md).
// Login is go-containerregistry's.
type client struct {
	repo        name.Repository
	http        *http.Client
	credentials string // where they come from, for errors
	retry       retryPolicy
	limits      Limits
	cache       *cache // nil when there is none
}

// loginStep is what the requests for a login are for.
const loginStep = "logging in"

// newClient logs in to ref's repository. scopes are transport.PullScope or
// transport.PushScope for it; more are scopes of other repositories.
func newClient(ctx context.Context, ref Ref, opts Options, scope string, more ...string) (*client, error) {
	opts.Limits = opts.Limits.withDefaults()
	if ref.Kind != Registry {
		return nil, fmt.Errorf("%s is not a registry reference", ref)
	}
	var nameOpts []name.Option
	if opts.Insecure {
		nameOpts = append(nameOpts, name.Insecure)
	}
	repo, err := name.NewRepository(ref.Name, nameOpts...)
	if err != nil {
		return nil, err
	}
	auth, err := authn.Resolve(ctx, opts.keychain(), repo)
	if err != nil {
		return nil, fmt.Errorf("finding credentials for %s: %w", repo.RegistryStr(), err)
	}
	c := &client{repo: repo, retry: opts.retry.withDefaults(), limits: opts.Limits}
	c.credentials = credentialSource(repo.Registry, auth, os.Getenv)
	if opts.Keychain != nil {
		c.credentials = "credentials given by the caller"
	}
	if c.cache, err = newCache(opts); err != nil {
		return nil, err
	}
	base, err := newTransport(opts)
	if err != nil {
		return nil, err
	}
	agent := opts.UserAgent
	if agent == "" {
		agent = "lathe"
	}
	ctx = withStep(ctx, step{what: loginStep})
	scopes := append([]string{repo.Scope(scope)}, more...)
	rt, err := transport.NewWithContext(ctx, repo.Registry, auth, transport.NewUserAgent(base, agent), scopes)
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	c.http = &http.Client{Transport: rt, CheckRedirect: checkRedirect}
	return c, nil
}

// checkRedirect follows a few redirects, but never from TLS to plain HTTP.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("more than 10 redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("refusing a redirect from https to %s://%s", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

// statusError is an answer that is not the one hoped for.
type statusError struct {
	code   int
	detail string // what the registry says about it, quoted
	asked  time.Duration
}

// Error implements error.
func (e *statusError) Error() string {
	s := fmt.Sprintf("status %d %s", e.code, http.StatusText(e.code))
	if e.detail != "" {
		s += ": " + e.detail
	}
	return s
}

func isStatus(err error, codes ...int) bool {
	var status *statusError
	return errors.As(err, &status) && slices.Contains(codes, status.code)
}

// url returns the address of a part of the repository.
func (c *client) url(kind, id string) string {
	u := url.URL{
		Scheme: c.repo.Scheme(),
		Host:   c.repo.RegistryStr(),
		Path:   "/v2/" + c.repo.RepositoryStr() + "/" + kind + "/" + id,
	}
	return u.String()
}

// do sends a request and returns the answer if its status is one of ok. The
// error names the host and the step.
func (c *client) do(ctx context.Context, s step, req *http.Request, ok ...int) (*http.Response, error) {
	ctx = withStep(ctx, s)
	resp, err := c.http.Do(req.WithContext(ctx))
	if err != nil {
		return nil, c.explain(ctx, err)
	}
	if slices.Contains(ok, resp.StatusCode) {
		return resp, nil
	}
	detail := errorDetail(resp.Body)
	_ = resp.Body.Close() // only an error text was in there
	return nil, c.explain(ctx, &statusError{code: resp.StatusCode, detail: detail, asked: retryAfter(resp.Header)})
}

// explain turns an error of a request into one for people: the host, the step,
// the credentials if they are the matter. Addresses are left out, for those of
// a redirect may hold a secret.
func (c *client) explain(ctx context.Context, err error) error {
	var stall *stallError
	var login *transport.Error
	var address *url.Error
	var both interface { // of https and http, which loopback registries may speak
		error
		As(any) bool
	}
	switch {
	case errors.As(err, &stall):
		return fmt.Errorf("registry %w", stall)
	case errors.As(err, &both):
		text := errors.New(printable(both.Error()))
		if err = text; errors.As(both, &login) {
			err = &statusError{code: login.StatusCode, detail: text.Error()}
		}
	case errors.As(err, &login):
		err = &statusError{code: login.StatusCode, detail: diagnostics(login.Errors)}
	case errors.As(err, &address):
		err = address.Err
	case stepOf(ctx).what == loginStep:
		// The rest may be the answer of a token service, with who knows what.
		first, _, _ := strings.Cut(err.Error(), "\n")
		err = errors.New(printable(strings.TrimSuffix(first, ":")))
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if isStatus(err, http.StatusUnauthorized, http.StatusForbidden) {
		return fmt.Errorf("registry %s: %s: %w (%s)", c.repo.RegistryStr(), stepOf(ctx).what, err, c.credentials)
	}
	return fmt.Errorf("registry %s: %s: %w", c.repo.RegistryStr(), stepOf(ctx).what, err)
}

// maxDetail bounds what an error quotes of a registry's answer.
const maxDetail = 300

// errorDetail reads the error document of an answer.
func errorDetail(body io.Reader) string {
	raw, err := io.ReadAll(io.LimitReader(body, maxErrorBody))
	if err != nil {
		return ""
	}
	var doc struct {
		Errors []transport.Diagnostic `json:"errors"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return ""
	}
	return diagnostics(doc.Errors)
}

func diagnostics(list []transport.Diagnostic) string {
	var parts []string
	for _, d := range list[:min(len(list), 3)] {
		text := strings.TrimSuffix(string(d.Code)+": "+d.Message, ": ")
		parts = append(parts, fmt.Sprintf("%q", truncate(text)))
	}
	return strings.Join(parts, ", ")
}

func truncate(s string) string {
	if len(s) > maxDetail {
		return s[:maxDetail] + "..."
	}
	return s
}

// printable drops what could play tricks on a terminal.
func printable(s string) string {
	return truncate(strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return -1
		}
		return c
	}, s))
}

// contentType returns the media type of an answer without parameters.
func contentType(h http.Header) types.MediaType {
	mt, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return types.MediaType(mt)
}
