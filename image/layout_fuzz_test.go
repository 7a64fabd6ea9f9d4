package image

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// FuzzLayoutIndex reads an index.json and picks an entry of it: what is picked
// has a digest that is one, and is what was asked for.
func FuzzLayoutIndex(f *testing.F) {
	desc := `{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":10,"digest":"sha256:` + hexA + `"`
	for _, seed := range []string{
		`{"schemaVersion":2,"manifests":[]}`,
		`{"schemaVersion":2,"manifests":[` + desc + `}]}`,
		`{"schemaVersion":2,"manifests":[` + desc + `,"annotations":{"org.opencontainers.image.ref.name":"v1"}},` + desc + `,"annotations":{"kind":"dev.cosignproject.cosign/sigs"}}]}`,
		`{"schemaVersion":2,"manifests":[` + desc + `,"annotations":{"kind":"dev.cosignproject.cosign/image","org.opencontainers.image.ref.name":"v1"}},` + desc + `,"size":-1}]}`,
		`{"schemaVersion":2,"manifests":[{"digest":"sha256:../../etc/passwd","size":1}]}`,
		`{"manifests":null,"Manifests":[` + desc + `}]}`, `[]`, `{`, "\xff",
	} {
		f.Add([]byte(seed), "v1", false)
		f.Add([]byte(seed), "", true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, tag string, byDigest bool) {
		if checkJSON(raw) != nil {
			return
		}
		im, err := parseIndex(raw, DefaultLimits())
		if err != nil {
			return
		}
		ref := Ref{Kind: OCI, Tag: tag}
		if byDigest {
			ref.Digest = v1.Hash{Algorithm: "sha256", Hex: hexA}
		}
		d, err := pickEntry(im.Manifests, ref)
		if err != nil {
			return
		}
		if checkDigest(d.Digest) != nil || d.Size < 0 || byDigest && d.Digest != ref.Digest {
			t.Fatalf("picked %+v", d)
		}
		if tag != "" && d.Annotations[AnnotationRefName] != tag {
			t.Fatalf("picked %+v for the tag %q", d, tag)
		}
	})
}
