package sign

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestSignedDocument(t *testing.T) {
	t.Parallel()
	sig := must(ours(t).Sign(t.Context(), subjectOf(hash("a"))))(t)
	want := `{"critical":{"identity":{"docker-reference":"registry.example/app"},` +
		`"image":{"docker-manifest-digest":"sha256:` + strings.Repeat("a", 64) + `"},` +
		`"type":"cosign container image signature"},"optional":null}`
	if diff := cmp.Diff(want, string(sig.Payload)); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	if sig.MediaType != "application/vnd.dev.cosign.simplesigning.v1+json" {
		t.Errorf("media type = %q", sig.MediaType)
	}
}

func TestAttestedDocument(t *testing.T) {
	t.Parallel()
	att := must(ours(t).Attest(t.Context(), subjectOf(hash("a")), "https://example.org/p", []byte(` {"b": 1, "a": "<>"} `)))(t)
	var env struct{ PayloadType, Payload string }
	check(t, json.Unmarshal(att.Payload, &env))
	doc := must(base64.StdEncoding.DecodeString(env.Payload))(t)
	want := `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://example.org/p",` +
		`"subject":[{"name":"registry.example/app","digest":{"sha256":"` + strings.Repeat("a", 64) + `"}}],` +
		`"predicate":{"b":1,"a":"\u003c\u003e"}}`
	if diff := cmp.Diff(want, string(doc)); diff != "" {
		t.Errorf("statement (-want +got):\n%s", diff)
	}
	if env.PayloadType != "application/vnd.in-toto+json" || att.MediaType != "application/vnd.dsse.envelope.v1+json" {
		t.Errorf("types = %q, %q", env.PayloadType, att.MediaType)
	}
	if diff := cmp.Diff(map[string]string{"dev.cosignproject.cosign/signature": "", "predicateType": "https://example.org/p"}, att.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestSigningRefuses(t *testing.T) {
	t.Parallel()
	s, ctx := ours(t), t.Context()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	good := subjectOf(hash("a"))
	bad := subjectOf(v1.Hash{Algorithm: "sha512", Hex: strings.Repeat("a", 128)})
	sign := func(ctx context.Context, sub Subject) error { _, err := s.Sign(ctx, sub); return err }
	attest := func(sub Subject, typ, predicate string) error {
		_, err := s.Attest(ctx, sub, typ, []byte(predicate))
		return err
	}
	for name, err := range map[string]error{
		"sign another algorithm":   sign(ctx, bad),
		"sign nothing":             sign(ctx, Subject{}),
		"sign cancelled":           sign(cancelled, good),
		"attest another algorithm": attest(bad, "t", "{}"),
		"attest without type":      attest(good, "", "{}"),
		"attest a list":            attest(good, "t", "[]"),
		"attest nothing":           attest(good, "t", " "),
		"attest broken JSON":       attest(good, "t", "{"),
		"attest too much":          attest(good, "t", `{"a":"`+strings.Repeat("x", MaxPayload)+`"}`),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestVerifySignatures(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	digest := hash("a")
	good := must(ours(t).Sign(ctx, subjectOf(digest)))(t)
	other := must(theirs(t).Sign(ctx, subjectOf(digest)))(t)
	elsewhere := must(ours(t).Sign(ctx, subjectOf(hash("b"))))(t)
	att := must(ours(t).Attest(ctx, subjectOf(digest), PredicateType, []byte("{}")))(t)
	with := func(s Signed, edit func(*Signed)) Signed {
		s.Annotations = maps.Clone(s.Annotations)
		edit(&s)
		return s
	}
	const key = "dev.cosignproject.cosign/signature"
	tests := []struct {
		name  string
		sigs  []Signed
		valid int
	}{
		{"good", []Signed{good}, 1},
		{"good among others", []Signed{other, att, good}, 1},
		{"nothing", nil, 0},
		{"another key", []Signed{other}, 0},
		{"another digest", []Signed{elsewhere}, 0},
		{"payload of another digest", []Signed{with(good, func(s *Signed) { s.Payload = elsewhere.Payload })}, 0},
		{"signature of another payload", []Signed{with(good, func(s *Signed) { s.Annotations[key] = elsewhere.Annotations[key] })}, 0},
		{"payload with a byte more", []Signed{with(good, func(s *Signed) { s.Payload = append([]byte(" "), s.Payload...) })}, 0},
		{"no signature", []Signed{with(good, func(s *Signed) { delete(s.Annotations, key) })}, 0},
		{"not base64", []Signed{with(good, func(s *Signed) { s.Annotations[key] = "!" })}, 0},
		{"an attestation", []Signed{att}, 0},
		{"hostile extras", []Signed{with(good, func(s *Signed) {
			s.Annotations["dev.sigstore.cosign/certificate"] = "x"
			s.Annotations["dev.sigstore.cosign/bundle"] = `{"Payload":{"body":1}}`
			s.Annotations["dev.sigstore.cosign/rfc3161timestamp"] = "x"
		})}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			img := must(Image(nil, tt.sigs...))(t)
			got, err := ours(t).Verifier().VerifySignatures(t.Context(), digest, img)
			if len(got) != tt.valid || (err == nil) != (tt.valid > 0) {
				t.Fatalf("%d valid, %v; want %d", len(got), err, tt.valid)
			}
			if err != nil && !errors.Is(err, ErrNoSignature) {
				t.Errorf("error %q is not ErrNoSignature", err)
			}
			for _, sig := range got {
				if sig.Reference != "registry.example/app" {
					t.Errorf("reference = %q", sig.Reference)
				}
			}
		})
	}
	if _, err := ours(t).Verifier().VerifySignatures(ctx, digest, nil); !errors.Is(err, ErrNoSignature) {
		t.Errorf("without an image: %v", err)
	}
}

// signDocument signs any text as if it were a signature's payload.
func signDocument(t *testing.T, s *Signer, doc string) Signed {
	t.Helper()
	sig := must(s.key.SignMessage(strings.NewReader(doc)))(t)
	return Signed{
		Payload: []byte(doc), MediaType: "application/vnd.dev.cosign.simplesigning.v1+json",
		Annotations: map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(sig)},
	}
}

func TestVerifySignaturesChecksTheDocument(t *testing.T) {
	t.Parallel()
	digest := hash("a")
	for name, doc := range map[string]string{
		"not JSON":     "x",
		"other type":   `{"critical":{"image":{"docker-manifest-digest":"` + digest.String() + `"},"type":"atomic container signature"}}`,
		"no digest":    `{"critical":{"type":"cosign container image signature"}}`,
		"other digest": `{"critical":{"image":{"docker-manifest-digest":"` + hash("b").String() + `"},"type":"cosign container image signature"}}`,
	} {
		img := must(Image(nil, signDocument(t, ours(t), doc)))(t)
		if _, err := ours(t).Verifier().VerifySignatures(t.Context(), digest, img); !errors.Is(err, ErrNoSignature) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

func TestVerifyAttestations(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	digest := hash("a")
	attest := func(s *Signer, d v1.Hash, typ, predicate string) Signed {
		return must(s.Attest(ctx, subjectOf(d), typ, []byte(predicate)))(t)
	}
	good := attest(ours(t), digest, PredicateType, `{"n":1}`)
	second := attest(ours(t), digest, PredicateType, `{"n":2}`)
	edited := func(from, to string) Signed {
		s := good
		s.Payload = []byte(strings.Replace(string(s.Payload), from, to, 1))
		if string(s.Payload) == string(good.Payload) {
			t.Fatalf("%q is not in the envelope", from)
		}
		return s
	}
	forged := func(from, to string) Signed {
		s := good
		var env map[string]any
		check(t, json.Unmarshal(s.Payload, &env))
		doc := string(must(base64.StdEncoding.DecodeString(env["payload"].(string)))(t))
		env["payload"] = base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(doc, from, to)))
		s.Payload = must(json.Marshal(env))(t)
		return s
	}
	asMedia := func(mt types.MediaType) Signed { s := good; s.MediaType = mt; return s }
	manySigs := `"signatures":[` + strings.Repeat(`{"sig":"AAAA"},`, maxEnvelopeSignatures)
	tests := []struct {
		name string
		atts []Signed
		want []string
	}{
		{"good", []Signed{good}, []string{`{"n":1}`}},
		{"two", []Signed{good, second}, []string{`{"n":1}`, `{"n":2}`}},
		{"good among others", []Signed{attest(theirs(t), digest, PredicateType, `{"n":9}`), good, attest(ours(t), digest, "https://other", `{"n":8}`)}, []string{`{"n":1}`}},
		{"another key", []Signed{attest(theirs(t), digest, PredicateType, `{}`)}, nil},
		{"another digest", []Signed{attest(ours(t), hash("b"), PredicateType, `{}`)}, nil},
		{"another type", []Signed{attest(ours(t), digest, "https://other", `{}`)}, nil},
		{"predicate changed", []Signed{forged(`"n":1`, `"n":7`)}, nil},
		{"digest changed", []Signed{forged(strings.Repeat("a", 64), strings.Repeat("b", 64))}, nil},
		{"payload type changed", []Signed{edited("application/vnd.in-toto+json", "application/vnd.other+json")}, nil},
		{"no signatures", []Signed{edited(`"signatures":[`, `"signatures":[],"x":[`)}, nil},
		{"too many signatures", []Signed{edited(`"signatures":[`, manySigs)}, nil},
		{"not an envelope", []Signed{{Payload: []byte("x"), MediaType: good.MediaType, Annotations: good.Annotations}}, nil},
		{"another media type", []Signed{asMedia("text/plain")}, nil},
		{"nothing", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			img := must(Image(nil, tt.atts...))(t)
			predicates, err := ours(t).Verifier().VerifyAttestations(t.Context(), digest, img, PredicateType)
			var got []string
			for _, p := range predicates {
				got = append(got, string(p))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("predicates (-want +got):\n%s", diff)
			}
			if (err == nil) != (tt.want != nil) || (err != nil && !errors.Is(err, ErrNoAttestation)) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

func TestImageIsValidAndDeterministic(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	sig := must(ours(t).Sign(ctx, subjectOf(hash("a"))))(t)
	a := must(Image(nil, sig))(t)
	b := must(Image(nil, sig))(t)
	if x, y := must(a.Digest())(t), must(b.Digest())(t); x != y {
		t.Errorf("two digests for one signature: %s, %s", x, y)
	}
	check(t, validate.Image(a, validate.Fast)) // in full it expects gzip, which cosign does not use
	want := `{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],` +
		`"os":"","rootfs":{"type":"layers","diff_ids":["` + must(hashOf(sig.Payload))(t).String() + `"]},"config":{}}`
	if diff := cmp.Diff(want, string(must(a.RawConfigFile())(t))); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	m := must(a.Manifest())(t)
	if m.MediaType != types.OCIManifestSchema1 || m.Config.MediaType != types.OCIConfigJSON {
		t.Errorf("media types = %s, %s", m.MediaType, m.Config.MediaType)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	hex := strings.Repeat("a", 64)
	if got := SignatureTag(hash("a")); got != "sha256-"+hex+".sig" {
		t.Error(got)
	}
	if got := AttestationTag(hash("a")); got != "sha256-"+hex+".att" {
		t.Error(got)
	}
}
