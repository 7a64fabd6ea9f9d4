package image

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

func referrer(data string) Referrer {
	return Referrer{
		ArtifactType: "application/vnd.dev.lathe.plan.v1+json", MediaType: "application/vnd.dev.lathe.plan.v1+json+zstd",
		Data: []byte(data), Annotations: map[string]string{"dev.lathe.kind": "plan"},
	}
}

// listed returns the referrers that another client finds.
func listed(t *testing.T, s *faultregistry.Server, subject v1.Descriptor) []v1.Descriptor {
	t.Helper()
	ref, err := name.NewDigest(s.Host + "/app@" + subject.Digest.String())
	if err != nil {
		t.Fatal(err)
	}
	idx, err := remote.Referrers(ref)
	if err != nil {
		t.Fatal(err)
	}
	im, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	return im.Manifests
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("api %v", api), func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t, registry.WithReferrersSupport(api))
			subject := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
			p := pusherOrFail(t, s.Host+"/app", registryOpts())
			var want []v1.Hash
			for _, data := range []string{"one", "two", "one"} {
				d, err := p.PushReferrer(t.Context(), subject, referrer(data))
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, d.Digest)
			}
			if want[0] != want[2] {
				t.Errorf("the same referrer has two digests: %v", want)
			}
			got := map[v1.Hash]string{}
			for _, d := range listed(t, s, subject) {
				got[d.Digest] = d.ArtifactType
			}
			artifact := referrer("").ArtifactType
			if api {
				artifact = string(MediaTypeEmpty) // what this registry says it is
			}
			if diff := cmp.Diff(map[v1.Hash]string{want[0]: artifact, want[1]: artifact}, got); diff != "" {
				t.Errorf("referrers (-want +got):\n%s", diff)
			}
			if n := requests(s, http.MethodPut, "/manifests/sha256-"); (n > 0) == api {
				t.Errorf("the fallback tag was written %d times", n)
			}
			img, found, err := ReadByTag(t.Context(), subjectRef(t, s), want[1].String(), registryOpts())
			if err != nil || !found {
				t.Fatal(found, err)
			}
			if data, err := readAll(mustLayers(t, img)[0].Compressed); err != nil || string(data) != "two" {
				t.Errorf("the referrer holds %q, %v", data, err)
			}
		})
	}
}

func subjectRef(t *testing.T, s *faultregistry.Server) Ref {
	t.Helper()
	r, err := ParseRef(s.Host + "/app")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A registry that handles the subject says so, and nothing else is asked.
func TestReferrersHeader(t *testing.T) {
	t.Parallel()
	inner := registry.New(registry.Logger(quietLog()))
	var subject v1.Descriptor
	s := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256:") {
			w.Header().Set("OCI-Subject", subject.Digest.String())
		}
		inner.ServeHTTP(w, r)
	}))
	subject = pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	s.Clear()
	p := pusherOrFail(t, s.Host+"/app", registryOpts())
	if _, err := p.PushReferrer(t.Context(), subject, referrer("x")); err != nil {
		t.Fatal(err)
	}
	if n := requests(s, http.MethodGet, "/referrers/") + requests(s, http.MethodGet, "/manifests/"); n != 0 {
		t.Errorf("%d needless requests", n)
	}
}

func TestReferrersFaults(t *testing.T) {
	t.Parallel()
	fallback := "/manifests/sha256-"
	for _, tc := range []struct {
		name    string
		fault   faultregistry.Fault
		refused bool
		want    string
	}{
		{"refused", faultregistry.Fault{Method: "PUT", Path: "/manifests/sha256:", Status: 415}, true, "415"},
		{"not allowed", faultregistry.Fault{Method: "PUT", Path: "/manifests/sha256:", Status: 403}, false, "credentials"},
		{"later", faultregistry.Fault{Method: "PUT", Path: "/manifests/sha256:", Status: 503}, false, "503"},
		{"fallback not allowed", faultregistry.Fault{Method: "PUT", Path: fallback, Status: 403}, false, "403"},
		{"fallback unreadable", faultregistry.Fault{Method: "GET", Path: fallback, Status: 500}, false, "500"},
		{"API asked and refused", faultregistry.Fault{Method: "GET", Path: "/referrers/", Status: 401}, false, "401"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t)
			subject := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
			p := pusherOrFail(t, s.Host+"/app", registryOpts())
			s.Add(tc.fault)
			_, err := p.PushReferrer(t.Context(), subject, referrer("x"))
			wantErr(t, err, tc.want, subject.Digest.String())
			if errors.Is(err, ErrArtifactRefused) != tc.refused {
				t.Errorf("refused is %v in %v", !tc.refused, err)
			}
		})
	}
}

// What else the fallback tag lists stays; what is not an index is not replaced.
func TestReferrersFallbackOfOthers(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	subject := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	theirs := newIndex(t, "linux/amd64")
	tag := "sha256-" + subject.Digest.Hex
	pushTest(t, s, "app", tag, Entry{Index: theirs})
	p := pusherOrFail(t, s.Host+"/app", registryOpts())
	d, err := p.PushReferrer(t.Context(), subject, referrer("x"))
	if err != nil {
		t.Fatal(err)
	}
	im, err := theirs.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want := map[v1.Hash]bool{d.Digest: true, im.Manifests[0].Digest: true}
	got := map[v1.Hash]bool{}
	for _, d := range listed(t, s, subject) {
		got[d.Digest] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("referrers (-want +got):\n%s", diff)
	}
	pushTest(t, s, "app", tag, Entry{Image: testImage(t)})
	_, err = p.PushReferrer(t.Context(), subject, referrer("y"))
	wantErr(t, err, "not an index of referrers")
}
