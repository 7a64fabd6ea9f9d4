package sign

import (
	"testing"
)

// Whatever the key file is, it opens nothing without the password's key and
// costs no more than one derivation.
func FuzzLoadSigner(f *testing.F) {
	pair, err := ourKeys()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(pair[1])
	f.Add([]byte("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\ne30=\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := LoadSigner(b, nil); err == nil && len(s.PublicPEM()) == 0 {
			t.Error("a signer without a key")
		}
	})
}

func FuzzLoadVerifier(f *testing.F) {
	f.Add(ours(f).PublicPEM())
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := LoadVerifier(b)
		if err != nil {
			return
		}
		if _, err := LoadVerifier(v.PublicPEM()); err != nil {
			t.Errorf("cannot be loaded again: %v", err)
		}
	})
}

// No entry that the key did not sign is accepted, and none panics.
func FuzzVerify(f *testing.F) {
	s, digest := ours(f), hash("a")
	sig := must(s.Sign(f.Context(), subjectOf(digest)))(f)
	att := must(s.Attest(f.Context(), subjectOf(digest), PredicateType, []byte(`{"a":1}`)))(f)
	other := must(theirs(f).Attest(f.Context(), subjectOf(digest), PredicateType, []byte(`{"a":2}`)))(f)
	f.Add([]byte("{}"), "AAAA")
	f.Add(sig.Payload[1:], sig.Annotations[signatureKey])
	f.Add(other.Payload, "")
	f.Fuzz(func(t *testing.T, doc []byte, b64 string) {
		if string(doc) == string(sig.Payload) || string(doc) == string(att.Payload) {
			return
		}
		annotations := map[string]string{signatureKey: b64, bundleKey: b64}
		asSig := Signed{Payload: doc, MediaType: sig.MediaType, Annotations: annotations}
		asAtt := Signed{Payload: doc, MediaType: att.MediaType, Annotations: annotations}
		img := must(Image(nil, asSig, asAtt))(t)
		if got, err := s.Verifier().VerifySignatures(t.Context(), digest, img); err == nil {
			t.Errorf("accepts %+v", got)
		}
		predicates, err := s.Verifier().VerifyAttestations(t.Context(), digest, img, PredicateType)
		if err == nil && string(predicates[0]) != `{"a":1}` {
			t.Errorf("accepts %q", predicates)
		}
	})
}
