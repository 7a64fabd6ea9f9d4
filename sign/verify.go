package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	ssldsse "github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	ctypes "github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

// maxEnvelopeSignatures bounds the work that one envelope can ask for.
const maxEnvelopeSignatures = 16

// Errors that callers branch on. Both are wrapped with what was found instead.
var (
	// ErrNoSignature means that no entry is a signature of the key about the digest.
	ErrNoSignature = errors.New("no valid signature")
	// ErrNoAttestation means that no entry is an attestation of the key about
	// the digest with the wanted predicate type.
	ErrNoAttestation = errors.New("no valid attestation")
)

// VerifiedSignature is a signature that is valid.
type VerifiedSignature struct {
	// Reference is the name that the signer gave the image. It is signed, but
	// nobody has compared it with anything.
	Reference string
	// Logged says that a transparency log bundle is attached (not that it is valid).
	Logged bool
}

// VerifySignatures checks the entries of the signature image img (which may be
// nil) and returns those that the key has made about digest, at least one; the
// error is [ErrNoSignature] otherwise. Entries of other keys are passed over.
// Limits: [MaxEntries], [MaxPayload], [MaxTotal].
func (v *Verifier) VerifySignatures(ctx context.Context, digest v1.Hash, img v1.Image) ([]VerifiedSignature, error) {
	entries, err := readEntries(img)
	if err != nil {
		return nil, err
	}
	var valid []VerifiedSignature
	var reason error
	r := newReader()
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		doc, err := r.payload(e)
		if err != nil {
			if errors.Is(err, errTooLarge) {
				reason = err
				continue
			}
			return nil, err
		}
		sig, err := v.verifySignature(ctx, digest, e, doc)
		if err != nil {
			reason = err
			continue
		}
		valid = append(valid, sig)
	}
	if len(valid) == 0 {
		return nil, notFound(ErrNoSignature, digest, len(entries), reason)
	}
	return valid, nil
}

// verifySignature checks one entry with cosign's own code. It hands over the
// payload and the signature alone: what else is attached needs no parsing.
func (v *Verifier) verifySignature(ctx context.Context, digest v1.Hash, e entry, doc []byte) (VerifiedSignature, error) {
	b64 := e.desc.Annotations[signatureKey]
	if b64 == "" {
		return VerifiedSignature{}, errors.New("an entry has no signature")
	}
	sig, err := static.NewSignature(doc, b64)
	if err != nil {
		return VerifiedSignature{}, err
	}
	opts := &cosign.CheckOpts{SigVerifier: v.key, IgnoreTlog: true, ClaimVerifier: cosign.SimpleClaimVerifier}
	if _, err := cosign.VerifyImageSignature(ctx, sig, digest, opts); err != nil {
		return VerifiedSignature{}, err
	}
	var claim payload.SimpleContainerImage
	if err := json.Unmarshal(doc, &claim); err != nil {
		return VerifiedSignature{}, fmt.Errorf("reading the signed document: %w", err)
	}
	if claim.Critical.Type != payload.CosignSignatureType {
		return VerifiedSignature{}, fmt.Errorf("the signed document has the type %q", claim.Critical.Type)
	}
	return VerifiedSignature{Reference: claim.Critical.Identity.DockerReference, Logged: e.logged()}, nil
}

// VerifyAttestations checks the entries of the attestation image img (which may
// be nil) and returns the predicates of those that the key has made about
// digest with the given predicate type, at least one; the error is
// [ErrNoAttestation] otherwise. Other entries are passed over. The limits are
// those of [Verifier.VerifySignatures].
func (v *Verifier) VerifyAttestations(ctx context.Context, digest v1.Hash, img v1.Image, predicateType string) ([][]byte, error) {
	entries, err := readEntries(img)
	if err != nil {
		return nil, err
	}
	var predicates [][]byte
	var reason error
	r := newReader()
	for _, e := range entries {
		predicate, err := v.attestation(ctx, r, e, digest, predicateType)
		var other *otherError
		switch {
		case err == nil:
			predicates = append(predicates, predicate)
		case errors.As(err, &other):
			reason = err
		default:
			return nil, err
		}
	}
	if len(predicates) == 0 {
		return nil, notFound(ErrNoAttestation, digest, len(entries), reason)
	}
	return predicates, nil
}

// otherError says why an entry is not the one that is looked for. All other
// errors end the search.
type otherError struct{ err error }

func (e *otherError) Error() string { return e.err.Error() }
func (e *otherError) Unwrap() error { return e.err }

// attestation reads and checks one entry. It returns the predicate, or an
// *otherError when the entry is somebody else's or about something else.
func (v *Verifier) attestation(ctx context.Context, r *reader, e entry, digest v1.Hash, predicateType string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if e.desc.MediaType != ctypes.DssePayloadType {
		return nil, &otherError{fmt.Errorf("an entry has the media type %q", e.desc.MediaType)}
	}
	raw, err := r.payload(e)
	if err != nil {
		if errors.Is(err, errTooLarge) {
			return nil, &otherError{err}
		}
		return nil, err
	}
	st, err := v.verifyEnvelope(ctx, digest, raw)
	if err != nil {
		return nil, &otherError{err}
	}
	if st.PredicateType != predicateType {
		return nil, &otherError{fmt.Errorf("an entry has the predicate type %q", st.PredicateType)}
	}
	return st.Predicate, nil
}

// verifyEnvelope checks a DSSE envelope with cosign's own code and returns the
// Statement inside.
func (v *Verifier) verifyEnvelope(ctx context.Context, digest v1.Hash, raw []byte) (*statement, error) {
	var env ssldsse.Envelope
	if err := json.Unmarshal(raw, &env); err != nil {
		return nil, fmt.Errorf("reading the envelope: %w", err)
	}
	if n := len(env.Signatures); n == 0 || n > maxEnvelopeSignatures {
		return nil, fmt.Errorf("an envelope has %d signatures; 1 to %d are accepted", n, maxEnvelopeSignatures)
	}
	att, err := static.NewAttestation(raw, static.WithLayerMediaType(ctypes.DssePayloadType))
	if err != nil {
		return nil, err
	}
	opts := &cosign.CheckOpts{
		SigVerifier: v.key, IgnoreTlog: true, MaxWorkers: 1,
		ClaimVerifier: cosign.IntotoSubjectClaimVerifier,
	}
	if _, _, err := cosign.VerifyImageAttestation(ctx, single{Image: empty.Image, sig: att}, digest, opts); err != nil {
		return nil, err
	}
	doc, err := env.DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("reading the envelope: %w", err)
	}
	var st statement
	if err := json.Unmarshal(doc, &st); err != nil {
		return nil, fmt.Errorf("reading the in-toto statement: %w", err)
	}
	if st.Type != statementV01 && st.Type != statementV1 {
		return nil, fmt.Errorf("an entry has the statement type %q", st.Type)
	}
	return &st, nil
}

// single is one attestation in the form that cosign's verification takes.
type single struct {
	v1.Image
	sig oci.Signature
}

var _ oci.Signatures = single{}

// Get implements oci.Signatures.
func (s single) Get() ([]oci.Signature, error) { return []oci.Signature{s.sig}, nil }

// notFound describes a search without a result, with the last reason only:
// entries are anybody's to add, a list of them could be as long as they like.
func notFound(what error, digest v1.Hash, entries int, reason error) error {
	if reason == nil {
		return fmt.Errorf("%w of %s: nothing is attached", what, digest)
	}
	const maxReason = 300
	text := reason.Error()
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return fmt.Errorf("%w of %s among %d; the last one: %q", what, digest, entries, string(bytes.ToValidUTF8([]byte(text), nil)))
}
