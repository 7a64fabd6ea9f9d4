package sign

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	ctypes "github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

// Subject is what a signature or attestation is about.
type Subject struct {
	// Digest is that of the manifest or index, SHA-256.
	Digest v1.Hash
	// Reference is the name under which the image is published, for example
	// "ghcr.io/acme/web". cosign shows it; policies may compare it.
	Reference string
}

func (s Subject) check() error {
	if s.Digest.Algorithm != "sha256" || len(s.Digest.Hex) != 64 {
		return fmt.Errorf("%q is not a SHA-256 digest", s.Digest.String())
	}
	return nil
}

// Signed is one signature or attestation as cosign stores it: a layer of a
// signature or attestation image.
type Signed struct {
	// Payload is the layer: a simple signing document, or a DSSE envelope.
	Payload []byte
	// MediaType is the layer's.
	MediaType types.MediaType
	// Annotations are the layer's: the signature, the predicate type of an
	// attestation, the transparency log's bundle.
	Annotations map[string]string
}

// Sign signs subject.
func (s *Signer) Sign(ctx context.Context, subject Subject) (Signed, error) {
	if err := errors.Join(ctx.Err(), subject.check()); err != nil {
		return Signed{}, fmt.Errorf("signing: %w", err)
	}
	doc, err := json.Marshal(payload.SimpleContainerImage{
		Critical: payload.Critical{
			Identity: payload.Identity{DockerReference: subject.Reference},
			Image:    payload.Image{DockerManifestDigest: subject.Digest.String()},
			Type:     payload.CosignSignatureType,
		},
	})
	if err != nil {
		return Signed{}, fmt.Errorf("signing %s: %w", subject.Digest, err)
	}
	sig, err := s.key.SignMessage(bytes.NewReader(doc), options.WithContext(ctx))
	if err != nil {
		return Signed{}, fmt.Errorf("signing %s: %w", subject.Digest, err)
	}
	return Signed{
		Payload:     doc,
		MediaType:   ctypes.SimpleSigningMediaType,
		Annotations: map[string]string{signatureKey: base64.StdEncoding.EncodeToString(sig)},
	}, nil
}
