package sign

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/sigstore/rekor/pkg/generated/models"
	rekortypes "github.com/sigstore/rekor/pkg/types"
)

// fakeLog is a Rekor server with two of its end points and no memory.
type fakeLog struct {
	key *ecdsa.PrivateKey
	pem []byte
	// edit changes an entry before it is promised, answer the whole answer.
	edit   func(entry map[string]any)
	answer func(w http.ResponseWriter, r *http.Request) bool
}

func startLog(t *testing.T, l *fakeLog) *Log {
	t.Helper()
	l.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	der := must(x509.MarshalPKIXPublicKey(l.key.Public()))(t)
	l.pem = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/log/publicKey", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(l.pem)
	})
	mux.HandleFunc("POST /api/v1/log/entries", func(w http.ResponseWriter, r *http.Request) {
		if l.answer != nil && l.answer(w, r) {
			return
		}
		if err := l.create(w, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return &Log{URL: srv.URL, PublicKeyPEM: l.pem, Transport: srv.Client().Transport}
}

// create answers as Rekor does: the canonical entry and a signed promise.
func (l *fakeLog) create(w http.ResponseWriter, r *http.Request) error {
	proposed, err := models.UnmarshalProposedEntry(r.Body, jsonConsumer{})
	if err != nil {
		return err
	}
	parsed, err := rekortypes.CreateVersionedEntry(proposed)
	if err != nil {
		return err
	}
	body, err := rekortypes.CanonicalizeEntry(r.Context(), parsed)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(l.key.Public())
	if err != nil {
		return err
	}
	id := sha256.Sum256(der)
	entry := map[string]any{
		"body": base64.StdEncoding.EncodeToString(body), "integratedTime": 1700000000,
		"logID": hex.EncodeToString(id[:]), "logIndex": 7,
	}
	promised, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(promised)
	set, err := ecdsa.SignASN1(rand.Reader, l.key, sum[:])
	if err != nil {
		return err
	}
	entry["verification"] = map[string]any{"signedEntryTimestamp": set}
	if l.edit != nil {
		l.edit(entry)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/api/v1/log/entries/1")
	w.WriteHeader(http.StatusCreated)
	return json.NewEncoder(w).Encode(map[string]any{strings.Repeat("1", 64): entry})
}

type jsonConsumer struct{}

func (jsonConsumer) Consume(r io.Reader, v any) error { return json.NewDecoder(r).Decode(v) }

func TestLogAttachesBundles(t *testing.T) {
	t.Parallel()
	ctx, s, subject := t.Context(), ours(t), subjectOf(hash("a"))
	tlog := startLog(t, &fakeLog{})
	for _, keyPEM := range [][]byte{tlog.PublicKeyPEM, nil} { // given, or asked for
		tlog := *tlog
		tlog.PublicKeyPEM = keyPEM
		sigs, _, err := s.EnsureSignature(ctx, subject, nil, &tlog)
		check(t, err)
		atts, _, err := s.EnsureAttestation(ctx, subject, PredicateType, []byte(`{"a":1}`), nil, &tlog)
		check(t, err)
		valid := must(s.Verifier().VerifySignatures(ctx, subject.Digest, sigs))(t)
		if !valid[0].Logged {
			t.Error("the signature has no bundle")
		}
		must(s.Verifier().VerifyAttestations(ctx, subject.Digest, atts, PredicateType))(t)
		text := must(atts.Manifest())(t).Layers[0].Annotations["dev.sigstore.cosign/bundle"]
		if !strings.Contains(text, `"logIndex":7`) || !strings.HasPrefix(text, `{"SignedEntryTimestamp":"`) {
			t.Errorf("bundle = %s", text)
		}
		// What is logged is kept, also when a log is asked for again.
		for _, again := range []*Log{&tlog, nil} {
			if _, changed, err := s.EnsureSignature(ctx, subject, sigs, again); err != nil || changed {
				t.Errorf("signature again: changed %v, %v", changed, err)
			}
			if _, changed, err := s.EnsureAttestation(ctx, subject, PredicateType, []byte(`{"a":1}`), atts, again); err != nil || changed {
				t.Errorf("attestation again: changed %v, %v", changed, err)
			}
		}
	}
}

func TestLogIsAddedToUnloggedSignatures(t *testing.T) {
	t.Parallel()
	ctx, s, subject := t.Context(), ours(t), subjectOf(hash("a"))
	sigs, atts := signBoth(t, s, subject)
	tlog := startLog(t, &fakeLog{})
	sigs, changed, err := s.EnsureSignature(ctx, subject, sigs, tlog)
	if err != nil || !changed {
		t.Fatalf("signature: changed %v, %v", changed, err)
	}
	valid := must(s.Verifier().VerifySignatures(ctx, subject.Digest, sigs))(t)
	if len(valid) != 2 || !valid[1].Logged {
		t.Errorf("valid = %+v", valid)
	}
	atts, changed, err = s.EnsureAttestation(ctx, subject, PredicateType, must(testPredicate().Marshal())(t), atts, tlog)
	if err != nil || !changed || len(layersOf(t, atts)) != 1 {
		t.Errorf("attestation: changed %v, %v", changed, err)
	}
}

func TestLogFailures(t *testing.T) {
	t.Parallel()
	other := must(ours(t).Sign(t.Context(), subjectOf(hash("b"))))(t)
	status := func(code int) *fakeLog {
		return &fakeLog{answer: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Location", "/api/v1/log/entries/1")
			w.WriteHeader(code)
			fmt.Fprint(w, `{"code":1,"message":"no"}`)
			return true
		}}
	}
	body := func(text string) *fakeLog {
		return &fakeLog{answer: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, text)
			return true
		}}
	}
	edit := func(key string, value any) *fakeLog {
		return &fakeLog{edit: func(e map[string]any) { e[key] = value }}
	}
	tests := map[string]*fakeLog{
		"unavailable":       status(http.StatusServiceUnavailable),
		"refused":           status(http.StatusBadRequest),
		"exists already":    status(http.StatusConflict),
		"not JSON":          body("<html>"),
		"nothing":           body("{}"),
		"two entries":       body(`{"a":{},"b":{}}`),
		"empty entry":       body(`{"a":{}}`),
		"body not text":     edit("body", map[string]any{"a": 1}),
		"body not base64":   edit("body", "!"),
		"body not an entry": edit("body", base64.StdEncoding.EncodeToString([]byte("{}"))),
		"no verification":   edit("verification", nil),
		"no time":           edit("integratedTime", nil),
		"other index":       edit("logIndex", 8),
		"other log":         edit("logID", strings.Repeat("0", 64)),
		"wrong promise":     edit("verification", map[string]any{"signedEntryTimestamp": []byte("x")}),
		"endless answer": {answer: func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"a":{"body":"`)
			for junk := strings.Repeat("x", 1<<16); ; {
				if _, err := fmt.Fprint(w, junk); err != nil {
					return true
				}
			}
		}},
		"entry of another signature": {answer: func(_ http.ResponseWriter, r *http.Request) bool {
			text, _ := io.ReadAll(r.Body)
			var e map[string]any
			_ = json.Unmarshal(text, &e)
			sum := sha256.Sum256(other.Payload)
			sp := e["spec"].(map[string]any)
			if e["kind"] != "hashedrekord" {
				r.Body = io.NopCloser(strings.NewReader("{}")) // refused
				return false
			}
			sp["data"].(map[string]any)["hash"].(map[string]any)["value"] = hex.EncodeToString(sum[:])
			sp["signature"].(map[string]any)["content"] = other.Annotations[signatureKey]
			text, _ = json.Marshal(e)
			r.Body = io.NopCloser(strings.NewReader(string(text)))
			return false
		}},
	}
	for name, fake := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tlog := startLog(t, fake)
			ctx, s, subject := t.Context(), ours(t), subjectOf(hash("a"))
			if img, changed, err := s.EnsureSignature(ctx, subject, nil, tlog); err == nil || img != nil || changed {
				t.Errorf("signature: changed %v, %v", changed, err)
			}
			if img, changed, err := s.EnsureAttestation(ctx, subject, PredicateType, []byte("{}"), nil, tlog); err == nil || img != nil || changed {
				t.Errorf("attestation: changed %v, %v", changed, err)
			}
		})
	}
}

func TestLogUnreachable(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, url := range []string{closed.URL, "ftp://log.example", "log.example", "https://", "%"} {
		_, _, err := ours(t).EnsureSignature(t.Context(), subjectOf(hash("a")), nil, &Log{URL: url})
		if err == nil || !strings.Contains(err.Error(), "transparency log") {
			t.Errorf("%s: error = %v", url, err)
		}
	}
}

func TestLogHonoursTheDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	tlog := startLog(t, &fakeLog{answer: func(http.ResponseWriter, *http.Request) bool { <-release; return true }})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := ours(t).EnsureSignature(ctx, subjectOf(hash("a")), nil, tlog); err == nil {
		t.Error("no error from a log that does not answer")
	}
}

func TestLogErrorsHideThePassword(t *testing.T) {
	t.Parallel()
	tlog := startLog(t, &fakeLog{edit: func(e map[string]any) { e["logID"] = nil }})
	for _, url := range []string{strings.Replace(tlog.URL, "//", "//me:secret@", 1), "ftp://me:secret@host", "https://me:secret@host/%"} {
		_, _, err := ours(t).EnsureSignature(t.Context(), subjectOf(hash("a")), nil, &Log{URL: url})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("error = %v", err)
		}
	}
}

func TestLogWithAnotherKey(t *testing.T) {
	t.Parallel()
	tlog := startLog(t, &fakeLog{})
	for _, keyPEM := range [][]byte{ours(t).PublicPEM(), []byte("x")} {
		tlog.PublicKeyPEM = keyPEM
		if _, _, err := ours(t).EnsureSignature(t.Context(), subjectOf(hash("a")), nil, tlog); err == nil {
			t.Errorf("accepted with the key %q", keyPEM)
		}
	}
}

// cosign checks the bundle offline when it knows the log's key.
func TestConformanceLog(t *testing.T) {
	t.Parallel()
	eachCosign(t, func(t *testing.T, c cosignCLI) {
		dir := t.TempDir()
		tlog := startLog(t, &fakeLog{})
		s := ours(t)
		writeFile(t, filepath.Join(dir, "cosign.pub"), s.PublicPEM())
		writeFile(t, filepath.Join(dir, "rekor.pub"), tlog.PublicKeyPEM)
		img, digest := randomImage(t)
		sigs, _, err := s.EnsureSignature(t.Context(), subjectOf(digest), nil, tlog)
		check(t, err)
		atts, _, err := s.EnsureAttestation(t.Context(), subjectOf(digest), PredicateType, []byte(`{"a":1}`), nil, tlog)
		check(t, err)
		p := must(layout.Write(filepath.Join(dir, "image"), empty.Index))(t)
		check(t, p.AppendImage(img, layout.WithAnnotations(LayoutAnnotations(KindImage))))
		check(t, p.AppendImage(sigs, layout.WithAnnotations(LayoutAnnotations(KindSignatures))))
		check(t, p.AppendImage(atts, layout.WithAnnotations(LayoutAnnotations(KindAttestations))))
		c.env = []string{"SIGSTORE_REKOR_PUBLIC_KEY=rekor.pub"}
		for _, args := range [][]string{{"verify"}, {"verify-attestation", "--type", PredicateType}} {
			args = append(args, "--local-image", "--offline", "--key", "cosign.pub", "image")
			if out, err := c.run(t, dir, args...); err != nil || !strings.Contains(out, "transparency log") {
				t.Errorf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
	})
}
