package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/lathe-build/lathe/internal/faultregistry"
)

func TestListReferrers(t *testing.T) {
	t.Parallel()
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("api %v", api), func(t *testing.T) {
			t.Parallel()
			s := faultregistry.Start(t, registry.WithReferrersSupport(api))
			subject := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
			ref := subjectRef(t, s).WithDigest(subject.Digest)
			want := referrer("").ArtifactType
			if got, err := ListReferrers(t.Context(), ref, want, registryOpts()); err != nil || len(got) > 0 {
				t.Errorf("before the push: %q, %v", got, err)
			}
			p := pusherOrFail(t, s.Host+"/app", registryOpts())
			other := referrer("of another type")
			other.ArtifactType = "application/x"
			list := map[string]string{} // by digest
			for _, r := range []Referrer{other, referrer("one"), referrer("two")} {
				d, err := p.PushReferrer(t.Context(), subject, r)
				if err != nil {
					t.Fatal(err)
				}
				list[d.Digest.Hex] = string(r.Data)
			}
			got, err := ListReferrers(t.Context(), ref, want, registryOpts())
			if err != nil {
				t.Fatal(err)
			}
			var sorted, texts []string
			for _, h := range sortedKeys(list) {
				if list[h] != "of another type" {
					sorted = append(sorted, list[h])
				}
			}
			for _, b := range got {
				texts = append(texts, string(b))
			}
			if diff := cmp.Diff(sorted, texts); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := ListReferrers(ctx, ref, want, registryOpts()); !errors.Is(err, context.Canceled) {
				t.Errorf("after a cancel: %v", err)
			}
		})
	}
}

// What a registry lists is not believed: neither that an artifact refers to the
// image, nor its type, nor its content.
func TestListReferrersHostile(t *testing.T) {
	t.Parallel()
	s := faultregistry.Start(t)
	subject := pushTest(t, s, "app", "v1", Entry{Image: testImage(t)})
	ref := subjectRef(t, s).WithDigest(subject.Digest)
	p := pusherOrFail(t, s.Host+"/app", registryOpts())
	aside, err := p.PushReferrer(t.Context(), v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digestA, Size: 1}, referrer("aside"))
	if err != nil {
		t.Fatal(err)
	}
	wanted := referrer("").ArtifactType
	many := make([]v1.Descriptor, maxReferrers+1)
	for i := range many {
		many[i] = aside
	}
	for _, tc := range []struct {
		name, want string
		list       []v1.Descriptor
	}{
		{"of another image", "", []v1.Descriptor{aside}},
		{"too many", "limit of 64", many},
		{"absent", "404", []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Digest: digestA, Size: 1}}},
		{"no index", "neither", nil},
	} {
		doc := mustJSON(t, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: tc.list})
		if tc.list == nil {
			doc = []byte(`{"schemaVersion":2}`)
		}
		d := v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digestOf(doc), Size: int64(len(doc))}
		front := faultregistry.Wrap(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, fallbackTag(subject.Digest)) {
				w.Header().Set("Content-Type", string(d.MediaType))
				_, _ = w.Write(doc)
				return
			}
			s.ServeHTTP(w, r)
		}))
		got, err := ListReferrers(t.Context(), subjectRef(t, front).WithDigest(subject.Digest), wanted, registryOpts())
		if tc.want == "" && (err != nil || len(got) > 0) {
			t.Errorf("%s: %q, %v", tc.name, got, err)
		}
		if tc.want != "" {
			wantErr(t, err, tc.want)
		}
	}

	if _, err := p.PushReferrer(t.Context(), subject, referrer("mine")); err != nil {
		t.Fatal(err)
	}
	s.Add(faultregistry.Fault{Path: "/blobs/", Action: faultregistry.Corrupt})
	_, err = ListReferrers(t.Context(), ref, wanted, registryOpts())
	wantErr(t, err, "other content")
	_, err = ListReferrers(t.Context(), subjectRef(t, s), wanted, registryOpts())
	wantErr(t, err, "not a digest")
}
