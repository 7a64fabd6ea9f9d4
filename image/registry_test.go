package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

// anonymous keeps the tests from reading anybody's login file.
type anonymous struct{}

// Resolve implements authn.Keychain.
func (anonymous) Resolve(authn.Resource) (authn.Authenticator, error) { return authn.Anonymous, nil }

// registryOpts are fast options for a registry on loopback.
func registryOpts() Options {
	o := fast()
	o.Keychain = anonymous{}
	return o
}

// pushTest pushes an entry to a repository and tags it.
func pushTest(t *testing.T, s *faultregistry.Server, repo, tag string, e Entry) v1.Descriptor {
	t.Helper()
	p := pusherOrFail(t, s.Host+"/"+repo, registryOpts())
	d, err := p.PushTag(t.Context(), tag, e)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func pusherOrFail(t *testing.T, ref string, opts Options) *Pusher {
	t.Helper()
	r, err := ParseRef(ref)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPusher(t.Context(), r, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRegistryRoundTrip(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	img := testImage(t)
	d := pushTest(t, s, "team/app", "v1", Entry{Image: img})
	if d.Digest != digestOrFail(t, img) {
		t.Errorf("pushed %s", d.Digest)
	}
	for _, ref := range []string{":v1", "@" + d.Digest.String(), ":v1@" + d.Digest.String()} {
		src := readOne(t, "docker://"+s.Host+"/team/app"+ref, registryOpts())
		if src.Digest != d.Digest || src.Index != nil || len(src.Images) != 1 {
			t.Errorf("%s: source is %+v", ref, src)
		}
		checkSame(t, src.Images[0].Image, img)
	}
}

func TestRegistryIndexRoundTrip(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	idx := newIndex(t, "linux/amd64", "linux/arm64")
	d := pushTest(t, s, "app", "v1", Entry{Index: idx})
	s.Clear()
	src := readOne(t, s.Host+"/app:v1", registryOpts())
	if src.Digest != d.Digest || src.Index == nil || src.Tag != "v1" || len(src.Images) != 2 {
		t.Fatalf("source is %+v", src)
	}
	// Nobody asked for the platforms yet: a registry counts each as a pull.
	if n := requests(s, "GET", "/manifests/"); n != 1 {
		t.Errorf("%d manifests fetched by Read, want 1", n)
	}
	for _, p := range src.Images {
		want, err := idx.Image(p.Descriptor.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkSame(t, p.Image, want)
	}
	// Moving the tag changes nothing for what was read.
	pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	raw, err := src.Index.RawManifest()
	if err != nil || digestOf(raw) != d.Digest {
		t.Errorf("index is %s, %v", digestOf(raw), err)
	}
}

// requests counts the requests of a method whose path holds part.
func requests(s *faultregistry.Server, method, part string) int {
	n := 0
	for _, r := range s.Log() {
		if r.Method == method && strings.Contains(r.Path, part) {
			n++
		}
	}
	return n
}

func TestRegistryReadFaults(t *testing.T) {
	t.Parallel()
	type fault = faultregistry.Fault
	const manifest, blob = "/manifests/", "/blobs/"
	for _, tc := range []struct {
		name   string
		fault  fault
		want   []string // empty: the read works in the end
		faults int      // requests that failed, 0 for any
	}{
		{"429 twice", fault{Path: manifest, Status: 429, RetryAfter: "1", Count: 2}, nil, 2},
		{"500 once", fault{Path: blob, Status: 500, Count: 1}, nil, 1},
		{"503 forever", fault{Path: manifest, Status: 503}, []string{"reading manifest v1", "503"}, 3},
		{"ping 503 twice", fault{Path: "^/v2/$", Status: 503, Count: 2}, nil, 2},
		{"401", fault{Path: manifest, Status: 401}, []string{"401", "credentials"}, 1},
		{"403", fault{Path: manifest, Status: 403, Body: `{"errors":[{"code":"DENIED","message":"not \u001b[1mfor you"}]}`}, []string{"403", `"DENIED: not \x1b[1mfor you"`, "credentials"}, 1},
		{"403 at login", fault{Path: "^/v2/$", Status: 403}, []string{"logging in", "403", "credentials"}, 1},
		{"404", fault{Path: manifest, Status: 404}, []string{"404"}, 1},
		{"reset early", fault{Path: manifest, Action: faultregistry.ResetEarly, Count: 2}, nil, 2},
		{"reset early forever", fault{Path: blob, Action: faultregistry.ResetEarly}, []string{"reading blob"}, 0},
		{"reset in mid blob", fault{Path: blob, Action: faultregistry.ResetMid, Count: 1}, nil, 1},
		{"reset in mid blob, twice in a row", fault{Path: blob, Action: faultregistry.ResetMid, Skip: 1, Count: 2}, nil, 2},
		{"truncated manifest", fault{Path: manifest, Action: faultregistry.Truncate}, []string{"manifest"}, 0},
		{"truncated blob once", fault{Path: blob, Action: faultregistry.Truncate, Count: 1}, nil, 1},
		{"truncated blob forever", fault{Path: blob, Action: faultregistry.Truncate}, []string{"truncated"}, 0},
		{"wrong bytes", fault{Path: blob, Action: faultregistry.Corrupt}, []string{"other content"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t)
			pushTest(t, s, "app", "v1", Entry{Image: newImage(t, "linux/amd64", rawLayer(t, "f", strings.Repeat("x", 5000)))})
			s.Clear()
			s.Add(tc.fault)
			err := readErr(t, s.Host+"/app:v1", registryOpts())
			if len(tc.want) == 0 && err != nil {
				t.Fatal(err)
			}
			if len(tc.want) > 0 {
				wantErr(t, err, tc.want...)
			}
			n := 0
			for _, r := range s.Log() {
				if r.Fault {
					n++
				}
			}
			if tc.faults > 0 && n != tc.faults {
				t.Errorf("%d requests failed, want %d: %v", n, tc.faults, s.Log())
			}
		})
	}
}

func TestRegistryManifestOfOtherDigest(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	d := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	s.Add(faultregistry.Fault{Path: "/manifests/", Action: faultregistry.Corrupt})
	wantErr(t, readErr(t, s.Host+"/app@"+d.Digest.String(), registryOpts()), "other content", d.Digest.String())
}

func TestRegistryHang(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path   string
		action faultregistry.Action
		step   string
	}{
		{"^/v2/$", faultregistry.Hang, "logging in"},
		{"/manifests/", faultregistry.Hang, "reading manifest v1"},
		{"/blobs/", faultregistry.Hang, "reading blob sha256:"},
		{"/blobs/", faultregistry.HangMid, "reading blob sha256:"},
	} {
		t.Run(fmt.Sprint(tc.path, tc.action), func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t)
			pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
			s.Add(faultregistry.Fault{Path: tc.path, Action: tc.action})
			opts := registryOpts()
			opts.Timeout = 100 * time.Millisecond
			wantErr(t, readErr(t, s.Host+"/app:v1", opts), s.Host, "no progress for 100ms", tc.step)
		})
	}
}

func TestRegistryCancel(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	src := readOne(t, s.Host+"/app:v1", registryOpts())
	ref := src.Ref
	ctx, cancel := context.WithCancel(t.Context())
	src, err := Read(ctx, ref, registryOpts())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := drain(src.Images[0].Image); !errors.Is(err, context.Canceled) {
		t.Errorf("reading a layer: %v", err)
	}
	if _, err := Read(ctx, ref, registryOpts()); !errors.Is(err, context.Canceled) {
		t.Errorf("reading: %v", err)
	}
}

func TestRegistryLimits(t *testing.T) {
	t.Parallel()
	s := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		for range 1000 {
			if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
				return
			}
		}
	}))
	wantErr(t, readErr(t, s.Host+"/app:v1", registryOpts()), "over the limit of 4194304 bytes")
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	// Blobs come from elsewhere, as from most registries; the other place must
	// not see credentials.
	var seen []string
	elsewhere := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		s.ServeHTTP(w, r)
	}))
	front := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pass, ok := r.BasicAuth(); r.URL.Path == "/v2/" && (!ok || pass != "secret") {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://"+elsewhere.Host+r.URL.Path+"?signature=topsecret", http.StatusTemporaryRedirect)
			return
		}
		s.ServeHTTP(w, r)
	}))
	opts := fast()
	opts.Keychain = password{}
	if err := readErr(t, front.Host+"/app:v1", opts); err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || strings.Join(seen, "") != "" {
		t.Errorf("Authorization elsewhere: %q", seen)
	}
	s.Add(faultregistry.Fault{Path: "/blobs/", Action: faultregistry.ResetEarly})
	if err := readErr(t, front.Host+"/app:v1", opts); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error shows a secret, or there is none: %v", err)
	}
}

// password is a keychain with one login for everything.
type password struct{}

// Resolve implements authn.Keychain.
func (password) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "me", Password: "secret"}, nil
}

func TestCheckRedirect(t *testing.T) {
	t.Parallel()
	get := func(url string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	via := []*http.Request{get("https://a/")}
	if err := checkRedirect(get("https://b/"), via); err != nil {
		t.Error(err)
	}
	wantErr(t, checkRedirect(get("http://169.254.169.254/?x=secret"), via), "from https to http://169.254.169.254")
	wantErr(t, checkRedirect(get("https://b/"), make([]*http.Request, 10)), "10 redirects")
}

func TestResolve(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	ref, err := ParseRef(s.Host + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := Resolve(t.Context(), ref, registryOpts()); found || err != nil {
		t.Errorf("before the push: %v, %v", found, err)
	}
	want := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	got, found, err := Resolve(t.Context(), ref, registryOpts())
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.Add(faultregistry.Fault{Path: "/manifests/", Status: 403})
	if _, _, err := Resolve(t.Context(), ref, registryOpts()); err == nil {
		t.Error("a refused request counts as no image")
	}
}

func TestReadByTag(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	ref, err := ParseRef(s.Host + "/app")
	if err != nil {
		t.Fatal(err)
	}
	tag := "sha256-" + hexA + ".sig"
	if _, found, err := ReadByTag(t.Context(), ref, tag, registryOpts()); found || err != nil {
		t.Errorf("before the push: %v, %v", found, err)
	}
	sig := newImage(t, "linux/amd64", packedArtifact(t))
	pushTest(t, s, "app", tag, Entry{Image: sig})
	got, found, err := ReadByTag(t.Context(), ref, tag, registryOpts())
	if err != nil || !found {
		t.Fatal(found, err)
	}
	checkSame(t, got, sig)
	wantErr(t, readErr(t, s.Host+"/app:"+tag, registryOpts()), "unknown media type")
}
