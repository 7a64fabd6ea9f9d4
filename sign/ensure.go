package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// EnsureSignature returns the signature image of subject: existing (which may
// be nil), with a new signature added unless the same key has already signed
// the same digest and reference there (and, with tlog, has had it logged).
// changed is false when existing needs no writing. A nil tlog means no log.
func (s *Signer) EnsureSignature(ctx context.Context, subject Subject, existing v1.Image, tlog *Log) (img v1.Image, changed bool, err error) {
	valid, err := s.Verifier().VerifySignatures(ctx, subject.Digest, existing)
	if err != nil && !errors.Is(err, ErrNoSignature) {
		return nil, false, fmt.Errorf("checking the signatures that exist: %w", err)
	}
	for _, sig := range valid {
		if sig.Reference == subject.Reference && (tlog == nil || sig.Logged) {
			return existing, false, nil
		}
	}
	sig, err := s.Sign(ctx, subject)
	if err != nil {
		return nil, false, err
	}
	if tlog != nil {
		if sig, err = tlog.UploadSignature(ctx, s.Verifier(), sig); err != nil {
			return nil, false, err
		}
	}
	img, err = Image(existing, sig)
	return img, true, err
}

// EnsureAttestation returns the attestation image of subject: existing (which
// may be nil), where the attestation of this predicate replaces all that the
// same key has made about the same digest with the same type. If exactly one
// is there and says the same, nothing changes. Attestations of other keys and
// types are left alone.
func (s *Signer) EnsureAttestation(ctx context.Context, subject Subject, predicateType string, predicate []byte, existing v1.Image, tlog *Log) (img v1.Image, changed bool, err error) {
	entries, err := readEntries(existing)
	if err != nil {
		return nil, false, err
	}
	foreign, own, err := s.Verifier().split(ctx, entries, subject.Digest, predicateType)
	if err != nil {
		return nil, false, fmt.Errorf("checking the attestations that exist: %w", err)
	}
	if len(own) == 1 && sameJSON(own[0].predicate, predicate) && (tlog == nil || own[0].logged) {
		return existing, false, nil
	}
	att, err := s.Attest(ctx, subject, predicateType, predicate)
	if err != nil {
		return nil, false, err
	}
	if tlog != nil {
		if att, err = tlog.UploadAttestation(ctx, s.Verifier(), att); err != nil {
			return nil, false, err
		}
	}
	img, err = build(foreign, []Signed{att})
	return img, true, err
}

// ownAttestation is an attestation of ours that exists already.
type ownAttestation struct {
	predicate []byte
	logged    bool
}

// split tells the attestations of the key about digest from all other entries.
func (v *Verifier) split(ctx context.Context, entries []entry, digest v1.Hash, predicateType string) (foreign []entry, own []ownAttestation, err error) {
	r := newReader()
	for _, e := range entries {
		predicate, err := v.attestation(ctx, r, e, digest, predicateType)
		var other *otherError
		switch {
		case err == nil:
			own = append(own, ownAttestation{predicate: predicate, logged: e.logged()})
		case errors.As(err, &other):
			foreign = append(foreign, e)
		default:
			return nil, nil, err
		}
	}
	return foreign, own, nil
}

// sameJSON compares two documents apart from white space.
func sameJSON(a, b []byte) bool {
	var ca, cb bytes.Buffer
	if json.Compact(&ca, a) != nil || json.Compact(&cb, b) != nil {
		return false
	}
	return bytes.Equal(ca.Bytes(), cb.Bytes())
}
