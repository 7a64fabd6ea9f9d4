package sign

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layersOf lists the digests of the layers of img.
func layersOf(t *testing.T, img v1.Image) []v1.Hash {
	t.Helper()
	var digests []v1.Hash
	for _, d := range must(img.Manifest())(t).Layers {
		digests = append(digests, d.Digest)
	}
	return digests
}

func TestEnsureSignatureKeepsAValidOne(t *testing.T) {
	t.Parallel()
	ctx, s, subject := t.Context(), ours(t), subjectOf(hash("a"))
	first, changed, err := s.EnsureSignature(ctx, subject, nil, nil)
	if err != nil || !changed {
		t.Fatalf("first: changed %v, %v", changed, err)
	}
	again, changed, err := s.EnsureSignature(ctx, subject, first, nil)
	if err != nil || changed {
		t.Fatalf("again: changed %v, %v", changed, err)
	}
	if x, y := must(first.Digest())(t), must(again.Digest())(t); x != y {
		t.Errorf("the image went from %s to %s", x, y)
	}
}

func TestEnsureSignatureAddsToOthers(t *testing.T) {
	t.Parallel()
	ctx, subject := t.Context(), subjectOf(hash("a"))
	img, _, err := theirs(t).EnsureSignature(ctx, subject, nil, nil)
	check(t, err)
	before := must(img.Manifest())(t).Layers[0]
	img, changed, err := ours(t).EnsureSignature(ctx, subject, img, nil)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	layers := must(img.Manifest())(t).Layers
	if len(layers) != 2 {
		t.Fatalf("%d layers", len(layers))
	}
	if diff := cmp.Diff(before, layers[0]); diff != "" {
		t.Errorf("their signature changed (-want +got):\n%s", diff)
	}
	for _, s := range []*Signer{ours(t), theirs(t)} {
		if _, err := s.Verifier().VerifySignatures(ctx, subject.Digest, img); err != nil {
			t.Error(err)
		}
	}
	// Another name is another claim.
	subject.Reference = "registry.example/other"
	img, changed, err = ours(t).EnsureSignature(ctx, subject, img, nil)
	if err != nil || !changed || len(layersOf(t, img)) != 3 {
		t.Errorf("another reference: changed %v, %v", changed, err)
	}
}

func TestEnsureAttestationReplacesOursOnly(t *testing.T) {
	t.Parallel()
	ctx, s, subject := t.Context(), ours(t), subjectOf(hash("a"))
	attest := func(s *Signer, typ, predicate string) Signed {
		return must(s.Attest(ctx, subject, typ, []byte(predicate)))(t)
	}
	huge := Signed{Payload: make([]byte, MaxPayload+1), MediaType: types.MediaType("application/vnd.dsse.envelope.v1+json")}
	foreign := []Signed{
		attest(theirs(t), PredicateType, `{"theirs":1}`),
		attest(s, "https://slsa.dev/provenance/v1", `{"ours":1}`),
		{Payload: []byte("not an envelope"), MediaType: "text/plain", Annotations: map[string]string{"a": "b"}},
		huge,
	}
	existing := must(Image(nil, append([]Signed{attest(s, PredicateType, `{"old":1}`), attest(s, PredicateType, `{"old":2}`)}, foreign...)...))(t)
	kept := must(existing.Manifest())(t).Layers[2:]

	img, changed, err := s.EnsureAttestation(ctx, subject, PredicateType, []byte(`{"new":1}`), existing, nil)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	layers := must(img.Manifest())(t).Layers
	if diff := cmp.Diff(kept, layers[:len(layers)-1]); diff != "" {
		t.Errorf("what others added changed (-want +got):\n%s", diff)
	}
	got := must(s.Verifier().VerifyAttestations(ctx, subject.Digest, img, PredicateType))(t)
	if len(got) != 1 || string(got[0]) != `{"new":1}` {
		t.Errorf("our predicates = %q", got)
	}
	if _, err := theirs(t).Verifier().VerifyAttestations(ctx, subject.Digest, img, PredicateType); err != nil {
		t.Errorf("their attestation: %v", err)
	}

	again, changed, err := s.EnsureAttestation(ctx, subject, PredicateType, []byte(`{ "new": 1 }`), img, nil)
	if err != nil || changed {
		t.Fatalf("the same predicate: changed %v, %v", changed, err)
	}
	if x, y := must(img.Digest())(t), must(again.Digest())(t); x != y {
		t.Errorf("the image went from %s to %s", x, y)
	}
}

func TestEnsureReportsBrokenImages(t *testing.T) {
	t.Parallel()
	ctx, s, subject := t.Context(), ours(t), subjectOf(hash("a"))
	sig := must(s.Sign(ctx, subject))(t)
	att := must(s.Attest(ctx, subject, PredicateType, []byte(`{}`)))(t)
	swapped := func(s Signed) v1.Image {
		return &swappedBytes{Image: must(Image(nil, s))(t), bytes: strings.Repeat("x", len(s.Payload))}
	}
	failed := errors.New("connection reset")
	tests := map[string]struct {
		sig, att v1.Image
		want     string
	}{
		"other bytes":   {swapped(sig), swapped(att), "with another digest or size"},
		"unreadable":    {&swappedBytes{Image: must(Image(nil, sig))(t), err: failed}, &swappedBytes{Image: must(Image(nil, att))(t), err: failed}, "connection reset"},
		"too many":      {manyEntries(t, MaxEntries+1, 1), manyEntries(t, MaxEntries+1, 1), "the limit is 1000"},
		"too much":      {manyEntries(t, 17, MaxPayload), manyEntries(t, 17, MaxPayload), "larger than"},
		"no manifest":   {noManifest{empty.Image}, noManifest{empty.Image}, "no manifest"},
		"negative size": {negativeSize{must(Image(nil, sig))(t)}, negativeSize{must(Image(nil, att))(t)}, "negative size"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, _, err := s.EnsureSignature(ctx, subject, tt.sig, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("signature: error = %v, want %q", err, tt.want)
			}
			if _, _, err := s.EnsureAttestation(ctx, subject, PredicateType, []byte("{}"), tt.att, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("attestation: error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFullImageTakesNoMore(t *testing.T) {
	t.Parallel()
	_, _, err := ours(t).EnsureSignature(t.Context(), subjectOf(hash("a")), manyEntries(t, MaxEntries, 1), nil)
	if err == nil || !strings.Contains(err.Error(), "the limit is 1000") {
		t.Errorf("error = %v", err)
	}
}

func TestCancelledContextStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	subject := subjectOf(hash("a"))
	sigs, atts := signBoth(t, ours(t), subject)
	cancel()
	v := ours(t).Verifier()
	if _, err := v.VerifySignatures(ctx, subject.Digest, sigs); !errors.Is(err, context.Canceled) {
		t.Errorf("VerifySignatures: %v", err)
	}
	if _, err := v.VerifyAttestations(ctx, subject.Digest, atts, PredicateType); !errors.Is(err, context.Canceled) {
		t.Errorf("VerifyAttestations: %v", err)
	}
}

// manyEntries is an image with n layers of size bytes each, in DSSE's type.
func manyEntries(t *testing.T, n, size int) v1.Image {
	t.Helper()
	layer := static.NewLayer(make([]byte, size), "application/vnd.dsse.envelope.v1+json")
	adds := make([]mutate.Addendum, n)
	for i := range adds {
		adds[i] = mutate.Addendum{Layer: layer}
	}
	return must(mutate.Append(empty.Image, adds...))(t)
}

// swappedBytes serves other bytes than its manifest says, or an error.
type swappedBytes struct {
	v1.Image
	bytes string
	err   error
}

func (s *swappedBytes) LayerByDigest(h v1.Hash) (v1.Layer, error) {
	l, err := s.Image.LayerByDigest(h)
	return &swappedLayer{l, s}, err
}

type swappedLayer struct {
	v1.Layer
	from *swappedBytes
}

func (l *swappedLayer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(l.from.bytes)), l.from.err
}

type noManifest struct{ v1.Image }

func (noManifest) Manifest() (*v1.Manifest, error) { return nil, errors.New("no manifest") }

type negativeSize struct{ v1.Image }

func (n negativeSize) Manifest() (*v1.Manifest, error) {
	m, err := n.Image.Manifest()
	m = m.DeepCopy()
	for i := range m.Layers {
		m.Layers[i].Size = -1
	}
	return m, err
}
