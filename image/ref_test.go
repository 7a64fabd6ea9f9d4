package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var (
	hexA    = strings.Repeat("a", 64)
	digestA = v1.Hash{Algorithm: "sha256", Hex: hexA}
)

func TestParseRef(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]Ref{
		"nginx":                            {Kind: Registry, Name: "index.docker.io/library/nginx", Tag: "latest"},
		"docker:dind":                      {Kind: Registry, Name: "index.docker.io/library/docker", Tag: "dind"},
		"docker://nginx:1.27":              {Kind: Registry, Name: "index.docker.io/library/nginx", Tag: "1.27"},
		"ghcr.io/a/b@sha256:" + hexA:       {Kind: Registry, Name: "ghcr.io/a/b", Digest: digestA},
		"ghcr.io/a/b:v1@sha256:" + hexA:    {Kind: Registry, Name: "ghcr.io/a/b", Tag: "v1", Digest: digestA},
		"localhost:5000/xy@sha256:" + hexA: {Kind: Registry, Name: "localhost:5000/xy", Digest: digestA},
		"127.0.0.1:5000/xy":                {Kind: Registry, Name: "127.0.0.1:5000/xy", Tag: "latest"},
		"oci:dir":                          {Kind: OCI, Path: "dir"},
		"oci:/a/b:v1":                      {Kind: OCI, Path: "/a/b", Tag: "v1"},
		"oci:/a/b:docker.io/library/x:v1":  {Kind: OCI, Path: "/a/b", Tag: "docker.io/library/x:v1"},
		"oci:dir@sha256:" + hexA:           {Kind: OCI, Path: "dir", Digest: digestA},
		"docker-archive:x.tar":             {Kind: DockerArchive, Path: "x.tar"},
		"docker-archive:x.tar:alpine:3.20": {Kind: DockerArchive, Path: "x.tar", Tag: "alpine:3.20"},
		"docker-daemon:alpine:3.20":        {Kind: DockerDaemon, Name: "alpine:3.20"},
		"docker-daemon:sha256:" + hexA:     {Kind: DockerDaemon, Name: "sha256:" + hexA},
	} {
		got, err := ParseRef(typed)
		if err != nil {
			t.Errorf("%s: %v", typed, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Ref{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typed, diff)
		}
		if got.String() != typed {
			t.Errorf("%s: String is %q", typed, got)
		}
		again, err := ParseRef(got.WithDigest(v1.Hash{}).String())
		if got.Digest == (v1.Hash{}) && (err != nil || !cmp.Equal(want, again, cmpopts.IgnoreUnexported(Ref{}))) {
			t.Errorf("%s: the full form %q is not the same reference: %v", typed, got.WithDigest(v1.Hash{}), err)
		}
	}
}

func TestParseRefErrors(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"":                          "want NAME",
		"UPPER":                     "UPPER",
		"oci:":                      "directory is empty",
		"oci:dir:":                  "tag is empty",
		"oci:dir@sha256:abc":        "not a digest",
		"x@sha512:" + hexA + hexA:   "sha512",
		"docker-archive:":           "file is empty",
		"docker-archive:x.tar:A B":  "A B",
		"docker-daemon:":            "want NAME",
		"podman://x":                `unknown kind "podman"`,
		"oci-archive:/tmp/x":        `"oci-archive" is not supported`,
		"name\x1b[31m":              "control characters",
		"registry.example/x:tag:xx": "want NAME",
	} {
		_, err := ParseRef(typed)
		if err == nil {
			t.Errorf("%q: no error", typed)
			continue
		}
		wantErr(t, err, want)
	}
}

func TestWithDigest(t *testing.T) {
	t.Parallel()
	r, err := ParseRef("ghcr.io/a/b:v1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.WithDigest(digestA).String(), "ghcr.io/a/b@sha256:"+hexA; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"nginx", "oci:a:b", "oci:a@sha256:" + hexA, "docker-archive:a:b:c", "docker://x", "docker-daemon:x", "a/b:c@sha256:" + hexA} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRef(s)
		if err != nil {
			return
		}
		again, err := ParseRef(r.String())
		if err != nil || !cmp.Equal(r, again, cmp.AllowUnexported(Ref{})) {
			t.Errorf("%q is not stable: %v, %+v, %+v", s, err, r, again)
		}
	})
}
