package sign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	ctypes "github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore/pkg/signature/dsse"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// Types of in-toto Statements. `cosign attest` writes 0.1; both are read.
const (
	statementV01 = "https://in-toto.io/Statement/v0.1"
	statementV1  = "https://in-toto.io/Statement/v1"
)

// predicateTypeKey is the layer annotation that names an attestation's
// predicate type. It is a hint; the signed Statement decides.
const predicateTypeKey = "predicateType"

// statement is an in-toto Statement
// (https://github.com/in-toto/attestation, spec/v0.1.0 and spec/v1).
type statement struct {
	Type          string             `json:"_type"`
	PredicateType string             `json:"predicateType"`
	Subject       []statementSubject `json:"subject"`
	Predicate     json.RawMessage    `json:"predicate"`
}

type statementSubject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// Attest signs an in-toto Statement that says predicate about subject.
// predicate is a JSON object, predicateType its type URI.
func (s *Signer) Attest(ctx context.Context, subject Subject, predicateType string, predicate []byte) (Signed, error) {
	if err := errors.Join(ctx.Err(), subject.check()); err != nil {
		return Signed{}, fmt.Errorf("attesting: %w", err)
	}
	if predicateType == "" {
		return Signed{}, fmt.Errorf("attesting %s: no predicate type", subject.Digest)
	}
	if trimmed := bytes.TrimSpace(predicate); len(trimmed) == 0 || trimmed[0] != '{' {
		return Signed{}, fmt.Errorf("attesting %s: the predicate is not a JSON object", subject.Digest)
	}
	doc, err := json.Marshal(statement{
		Type:          statementV01,
		PredicateType: predicateType,
		Subject: []statementSubject{{
			Name:   subject.Reference,
			Digest: map[string]string{subject.Digest.Algorithm: subject.Digest.Hex},
		}},
		Predicate: predicate,
	})
	if err != nil {
		return Signed{}, fmt.Errorf("attesting %s: %w", subject.Digest, err)
	}
	envelope, err := dsse.WrapSigner(s.key, ctypes.IntotoPayloadType).
		SignMessage(bytes.NewReader(doc), options.WithContext(ctx))
	if err != nil {
		return Signed{}, fmt.Errorf("attesting %s: %w", subject.Digest, err)
	}
	if len(envelope) > MaxPayload {
		return Signed{}, fmt.Errorf("attesting %s: the envelope is larger than %d bytes", subject.Digest, MaxPayload)
	}
	return Signed{
		Payload:   envelope,
		MediaType: ctypes.DssePayloadType,
		Annotations: map[string]string{
			signatureKey:     "", // it is in the envelope
			predicateTypeKey: predicateType,
		},
	}, nil
}
