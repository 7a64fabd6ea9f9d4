package sign

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

const testPassword = "correct horse"

// Key derivation takes a tenth of a second: two keys serve all tests.
var (
	ourKeys   = sync.OnceValues(newKeyPair)
	theirKeys = sync.OnceValues(newKeyPair)
)

func newKeyPair() ([2][]byte, error) {
	private, public, err := GenerateKeyPair([]byte(testPassword))
	return [2][]byte{private, public}, err
}

func ours(t testing.TB) *Signer   { t.Helper(); return signerOf(t, ourKeys) }
func theirs(t testing.TB) *Signer { t.Helper(); return signerOf(t, theirKeys) }

func signerOf(t testing.TB, keys func() ([2][]byte, error)) *Signer {
	t.Helper()
	pair, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadSigner(pair[0], []byte(testPassword))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// seal encrypts a key as cosign does.
func seal(t testing.TB, key crypto.Signer, password string) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	box, err := encrypted.Encrypt(der, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: box})
}

func hash(digit string) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(digit, 64)}
}

func subjectOf(digest v1.Hash) Subject {
	return Subject{Digest: digest, Reference: "registry.example/app"}
}

func randomImage(t testing.TB) (v1.Image, v1.Hash) {
	t.Helper()
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return img, digest
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func hashOf(b []byte) (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(b))
	return h, err
}
