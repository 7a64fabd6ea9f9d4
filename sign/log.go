package sign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/go-openapi/runtime"
	httptransport "github.com/go-openapi/runtime/client"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/rekor/pkg/generated/client"
	"github.com/sigstore/rekor/pkg/generated/client/entries"
	"github.com/sigstore/rekor/pkg/generated/client/pubkey"
	"github.com/sigstore/rekor/pkg/generated/models"
	rekortypes "github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/types/dsse"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1" // registers the entry type
	"github.com/sigstore/rekor/pkg/types/hashedrekord"
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // registers the entry type
	"github.com/sigstore/sigstore/pkg/tuf"
)

const (
	// PublicLog is the public transparency log that cosign uses. Entries in it
	// are public for ever: digest, signature and public key, and the hash of an
	// attestation.
	PublicLog = "https://rekor.sigstore.dev"

	// maxLogResponse is the largest answer that is read from a log, in bytes.
	maxLogResponse = 4 << 20

	entryVersion = "0.0.1"
)

// Log is a Rekor transparency log (version 1 of its API). Uploading is all or
// nothing: if the log cannot be reached, refuses, or answers with an entry
// about something else, there is an error and no signature.
type Log struct {
	// URL is the log's, for example [PublicLog].
	URL string
	// PublicKeyPEM is the log's public key. If empty, the log is asked for it:
	// then an answer is checked for consistency, not for who gave it.
	PublicKeyPEM []byte
	// Transport makes the requests; nil means [http.DefaultTransport]. Retries
	// and certificates are its affair, deadlines the context's.
	Transport http.RoundTripper
}

// UploadSignature records sig, made by the key of v, and returns it with the
// log's bundle attached.
func (l *Log) UploadSignature(ctx context.Context, v *Verifier, sig Signed) (Signed, error) {
	b64 := sig.Annotations[signatureKey]
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		return Signed{}, fmt.Errorf("uploading the signature to %q: %w", l.name(), err)
	}
	sum := sha256.Sum256(sig.Payload)
	return l.upload(ctx, v, sig, hashedrekord.KIND, rekortypes.ArtifactProperties{
		SignatureBytes: raw,
		ArtifactHash:   hex.EncodeToString(sum[:]),
		PublicKeyBytes: [][]byte{v.public},
		PKIFormat:      "x509",
	})
}

// UploadAttestation records att, made by the key of v, and returns it with the
// log's bundle attached. The log keeps hashes of the attestation, not its text.
func (l *Log) UploadAttestation(ctx context.Context, v *Verifier, att Signed) (Signed, error) {
	return l.upload(ctx, v, att, dsse.KIND, rekortypes.ArtifactProperties{
		ArtifactBytes:  att.Payload,
		PublicKeyBytes: [][]byte{v.public},
	})
}

func (l *Log) upload(ctx context.Context, v *Verifier, s Signed, kind string, props rekortypes.ArtifactProperties) (Signed, error) {
	rekor, err := l.client()
	if err != nil {
		return Signed{}, err
	}
	proposed, err := rekortypes.NewProposedEntry(ctx, kind, entryVersion, props)
	if err != nil {
		return Signed{}, fmt.Errorf("preparing the entry for the log: %w", err)
	}
	params := entries.NewCreateLogEntryParamsWithContext(ctx).WithProposedEntry(proposed)
	resp, err := rekor.Entries.CreateLogEntry(params)
	if err != nil {
		return Signed{}, fmt.Errorf("uploading to the transparency log %q: %w", l.name(), err)
	}
	b, err := toBundle(resp.Payload)
	if err != nil {
		return Signed{}, fmt.Errorf("reading the answer of the transparency log %q: %w", l.name(), err)
	}
	keys, err := l.keys(ctx, rekor)
	if err != nil {
		return Signed{}, err
	}
	if err := checkBundle(v, s, b, keys); err != nil {
		return Signed{}, fmt.Errorf("checking the answer of the transparency log %q: %w", l.name(), err)
	}
	text, err := json.Marshal(b)
	if err != nil {
		return Signed{}, fmt.Errorf("encoding the answer of the transparency log: %w", err)
	}
	s.Annotations = maps.Clone(s.Annotations)
	s.Annotations[bundleKey] = string(text)
	return s, nil
}

// toBundle takes the one entry of an answer. Nothing about it is trusted to
// be present.
func toBundle(answer models.LogEntry) (*bundle.RekorBundle, error) {
	if len(answer) != 1 {
		return nil, fmt.Errorf("%d entries instead of one", len(answer))
	}
	for _, e := range answer {
		_, isText := e.Body.(string)
		if !isText || e.IntegratedTime == nil || e.LogIndex == nil || e.LogID == nil || e.Verification == nil {
			break
		}
		return bundle.EntryToBundle(&e), nil
	}
	return nil, errors.New("the entry is incomplete")
}

// checkBundle compares an entry with what was to be recorded (payload hash,
// signature, key) and checks the log's promise to include it.
func checkBundle(v *Verifier, s Signed, b *bundle.RekorBundle, keys *cosign.TrustedTransparencyLogPubKeys) error {
	sig, err := static.NewSignature(s.Payload, s.Annotations[signatureKey], static.WithBundle(b))
	if err != nil {
		return err
	}
	ok, err := cosign.VerifyBundle(sig, &cosign.CheckOpts{SigVerifier: v.key, RekorPubKeys: keys})
	if err != nil {
		return err
	}
	if !ok {
		return errors.New("no entry")
	}
	return nil
}

// keys returns the public key that the log's promises are checked with.
func (l *Log) keys(ctx context.Context, rekor *client.Rekor) (*cosign.TrustedTransparencyLogPubKeys, error) {
	keyPEM := l.PublicKeyPEM
	if len(keyPEM) == 0 {
		resp, err := rekor.Pubkey.GetPublicKey(pubkey.NewGetPublicKeyParamsWithContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("asking the transparency log %q for its public key: %w", l.name(), err)
		}
		keyPEM = []byte(resp.Payload)
	}
	keys := cosign.NewTrustedTransparencyLogPubKeys()
	if err := keys.AddTransparencyLogPubKey(bytes.TrimSpace(keyPEM), tuf.Active); err != nil {
		return nil, fmt.Errorf("reading the public key of the transparency log %q: %w", l.name(), err)
	}
	return &keys, nil
}

// name is the log's address as it may be shown.
func (l *Log) name() string {
	u, err := url.Parse(l.URL)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}

// client makes a client whose answers are bounded.
func (l *Log) client() (*client.Rekor, error) {
	u, err := url.Parse(l.URL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("the address of the transparency log, %q, is not an http(s) URL", l.name())
	}
	path := u.Path
	if path == "" {
		path = client.DefaultBasePath
	}
	next := l.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	rt := httptransport.NewWithClient(u.Host, path, []string{u.Scheme}, &http.Client{Transport: bounded{next}})
	rt.Consumers["application/x-pem-file"] = runtime.TextConsumer()
	return client.New(rt, nil), nil
}

// bounded cuts the bodies of responses at [maxLogResponse].
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, left: maxLogResponse}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the log's answer is larger than %d bytes", maxLogResponse)
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	return n, err
}
