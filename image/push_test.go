package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

// Content goes up without any tag, children before parents, and the tag last.
func TestPushOrder(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	p := pusherOrFail(t, s.Host+"/app:v1", registryOpts())
	d, err := p.PushContent(t.Context(), Entry{Index: newIndex(t, "linux/amd64", "linux/arm64")})
	if err != nil {
		t.Fatal(err)
	}
	var manifests []string
	for _, r := range s.Log() {
		if r.Method == http.MethodPut && strings.Contains(r.Path, "/manifests/") {
			manifests = append(manifests, r.Path)
		}
	}
	if len(manifests) != 3 || !strings.HasSuffix(manifests[2], d.Digest.String()) {
		t.Errorf("manifests went up as %q, want the index %s last of three", manifests, d.Digest)
	}
	s.Clear()
	if err := p.Tag(t.Context(), "v1", d); err != nil {
		t.Fatal(err)
	}
	log := s.Log()
	if last := log[len(log)-1].String(); last != "PUT /v2/app/manifests/v1" {
		t.Errorf("last request is %s", last)
	}
	ref, err := name.ParseReference(s.Host + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	idx, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(idx); err != nil {
		t.Error(err)
	}
}

func TestPushAgain(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	img := testImage(t)
	pushTest(t, s, "app", "v1", Entry{Image: img})
	s.Clear()
	pushTest(t, s, "app", "v2", Entry{Image: img})
	if n := requests(s, http.MethodPost, "/blobs/"); n != 0 {
		t.Errorf("%d blobs were sent again", n)
	}
}

func TestPushFaults(t *testing.T) {
	t.Parallel()
	type fault = faultregistry.Fault
	const upload, manifest = "/blobs/uploads/.", "/manifests/"
	for _, tc := range []struct {
		name  string
		fault fault
		want  []string // empty: it works in the end
	}{
		{"429 at the start", fault{Method: "POST", Path: "/blobs/", Status: 429, RetryAfter: "2", Count: 2}, nil},
		{"500 at the end", fault{Method: "PUT", Path: upload, Status: 500, Count: 1}, nil},
		{"503 at the manifest", fault{Method: "PUT", Path: manifest, Status: 503, Count: 2}, nil},
		{"503 at the look", fault{Method: "HEAD", Path: "/blobs/", Status: 503, Count: 2}, nil},
		{"503 forever", fault{Method: "PUT", Path: upload, Status: 503}, []string{"sending blob", "503"}},
		{"reset early", fault{Method: "PUT", Path: upload, Action: faultregistry.ResetEarly, Count: 2}, nil},
		{"reset in mid blob", fault{Method: "PUT", Path: upload, Action: faultregistry.ResetMid, Count: 2}, nil},
		{"reset in mid blob forever", fault{Method: "PUT", Path: upload, Action: faultregistry.ResetMid}, []string{"sending blob"}},
		{"reset in mid manifest", fault{Method: "PUT", Path: manifest, Action: faultregistry.ResetMid, Count: 1}, nil},
		{"401", fault{Method: "POST", Path: "/blobs/", Status: 401}, []string{"401", "starting upload", "credentials"}},
		{"403", fault{Method: "PUT", Path: manifest, Status: 403}, []string{"403", "writing manifest", "credentials"}},
		{"404", fault{Method: "POST", Path: "/blobs/", Status: 404}, []string{"404", "starting upload"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t)
			p := pusherOrFail(t, s.Host+"/app", registryOpts())
			s.Add(tc.fault)
			img := testImage(t)
			_, err := p.PushTag(t.Context(), "v1", Entry{Image: img})
			if len(tc.want) > 0 {
				wantErr(t, err, append(tc.want, s.Host)...)
				s.Clear()
				wantErr(t, readErr(t, s.Host+"/app:v1", registryOpts()), "404")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.Clear()
			checkSame(t, readOne(t, s.Host+"/app:v1", registryOpts()).Images[0].Image, img)
		})
	}
}

func TestPushHang(t *testing.T) {
	t.Parallel()
	for path, step := range map[string]string{
		"/blobs/uploads/$": "starting upload of blob",
		"/blobs/uploads/.": "sending blob",
		"/manifests/":      "writing manifest",
	} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t)
			opts := registryOpts()
			opts.Timeout = 200 * time.Millisecond
			p := pusherOrFail(t, s.Host+"/app", opts)
			s.Add(faultregistry.Fault{Path: path, Action: faultregistry.Hang})
			size := 100
			if step == "sending blob" {
				size = 16 << 20 // more than is buffered: the server takes no bytes either
			}
			img := newImage(t, "linux/amd64", rawLayer(t, "f", strings.Repeat("x", size)))
			_, err := p.PushContent(t.Context(), Entry{Image: img})
			wantErr(t, err, s.Host, "no progress for 200ms", step)
		})
	}
}

// A slow source is not a stall of the network.
func TestPushSlowSource(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	opts := registryOpts()
	opts.Timeout = 100 * time.Millisecond
	p := pusherOrFail(t, s.Host+"/app", opts)
	data := []byte("slow")
	d := v1.Descriptor{Digest: digestOf(data), Size: int64(len(data))}
	waited := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() { close(waited) })
	err := p.c.uploadBlob(t.Context(), d, "", func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(readerFunc(func([]byte) (int, error) {
			<-waited
			return 0, io.EOF
		}), bytes.NewReader(data))), nil
	})
	if err != nil {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

// Read implements io.Reader.
func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A blob that is not what it should be is not sent, and not tried again.
func TestPushBadSource(t *testing.T) {
	t.Parallel()
	dir := writeTestLayout(t, Entry{Image: testImage(t)})
	src := readOne(t, "oci:"+dir, Options{})
	layer := mustLayers(t, src.Images[0].Image)[2]
	path := filepath.Join(dir, "blobs", "sha256", digestOrFail(t, layer).Hex)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[600] ^= 1
	for want, bad := range map[string][]byte{"other content": flipped, "truncated": good[:100], "longer": append(good, 'x')} {
		t.Run(want, func(t *testing.T) {
			s := faultregistry.Start(t)
			writeTestFile(t, path, bad)
			p := pusherOrFail(t, s.Host+"/app", registryOpts())
			_, err := p.PushContent(t.Context(), Entry{Image: src.Images[0].Image})
			wantErr(t, err, want, digestOrFail(t, layer).String())
			n := 0
			for _, r := range s.Log() {
				if r.Method == http.MethodPut && strings.Contains(r.Query, digestOrFail(t, layer).Hex) {
					n++
				}
			}
			if n > 1 {
				t.Errorf("it was tried %d times", n)
			}
			if want == "longer" {
				return // its first bytes are good, so the registry may have it
			}
			s.Clear()
			if ok, err := p.c.hasBlob(t.Context(), v1.Descriptor{Digest: digestOrFail(t, layer)}); ok || err != nil {
				t.Errorf("the registry has the bad blob: %v", err)
			}
		})
	}
}

func TestPushCancel(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	p := pusherOrFail(t, s.Host+"/app", registryOpts())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.PushContent(ctx, Entry{Image: testImage(t)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPushMount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		sent   bool
	}{
		{"mounted", http.StatusCreated, false},
		{"not there", http.StatusAccepted, true},
		{"not allowed", http.StatusMethodNotAllowed, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inner := registry.New(registry.Logger(quietLog()))
			s := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost && r.URL.Query().Get("mount") != "" && tc.status != http.StatusAccepted {
					w.WriteHeader(tc.status)
					return
				}
				r.URL.RawQuery = withoutMount(r.URL.Query())
				inner.ServeHTTP(w, r)
			}))
			opts := registryOpts()
			from, err := ParseRef(s.Host + "/base")
			if err != nil {
				t.Fatal(err)
			}
			opts.MountFrom = from
			p := pusherOrFail(t, s.Host+"/app", opts)
			if _, err := p.PushContent(t.Context(), Entry{Image: testImage(t)}); err != nil {
				t.Fatal(err)
			}
			var asked, sent int
			for _, r := range s.Log() {
				if strings.Contains(r.Query, "from=base&mount=sha256%3A") {
					asked++
				}
				if r.Method == http.MethodPut && strings.Contains(r.Path, "/uploads/") {
					sent++
				}
			}
			if asked != 4 || (sent > 0) != tc.sent {
				t.Errorf("asked for %d mounts and sent %d blobs", asked, sent)
			}
		})
	}
}

func withoutMount(q url.Values) string {
	q.Del("mount")
	q.Del("from")
	return q.Encode()
}

func TestMountSource(t *testing.T) {
	t.Parallel()
	ref := func(s string) Ref {
		r, err := ParseRef(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	to := ref("registry.example/team/app:v1")
	for from, want := range map[string]string{
		"registry.example/base":     "base",
		"registry.example/team/app": "",
		"other.example/base":        "",
		"oci:dir":                   "",
	} {
		if got := mountSource(to, ref(from)).RepositoryStr(); got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}

func TestTagRefuses(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	p := pusherOrFail(t, s.Host+"/app", registryOpts())
	absent := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digestA, Size: 1}
	wantErr(t, p.Tag(t.Context(), "v1", absent), "404")
	wantErr(t, p.Tag(t.Context(), "not/a tag", absent), "not/a tag")
	if n := requests(s, http.MethodPut, "/manifests/"); n != 0 {
		t.Errorf("%d tags were written", n)
	}
	_, err := p.PushContent(t.Context(), Entry{})
	wantErr(t, err, "either an image or an index")
}
