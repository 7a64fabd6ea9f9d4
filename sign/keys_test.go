package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadSignerOpensWhatGenerateKeyPairMakes(t *testing.T) {
	t.Parallel()
	pair := must(ourKeys())(t)
	s, err := LoadSigner(pair[0], []byte(testPassword))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(s.PublicPEM()); got != string(pair[1]) {
		t.Errorf("PublicPEM() = %s, want %s", got, pair[1])
	}
	v, err := LoadVerifier(pair[1])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(v.PublicPEM()); got != string(pair[1]) {
		t.Errorf("Verifier.PublicPEM() = %s, want %s", got, pair[1])
	}
}

func TestLoadSignerAcceptsRSAAndTheOlderHeader(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sealed := strings.ReplaceAll(string(seal(t, key, testPassword)), "SIGSTORE", "COSIGN")
	s, err := LoadSigner([]byte(sealed), []byte(testPassword))
	if err != nil {
		t.Fatal(err)
	}
	sig := must(s.Sign(t.Context(), subjectOf(hash("a"))))(t)
	img := must(Image(nil, sig))(t)
	v := must(LoadVerifier(s.PublicPEM()))(t)
	if _, err := v.VerifySignatures(t.Context(), hash("a"), img); err != nil {
		t.Error(err)
	}
}

func TestLoadSignerRefuses(t *testing.T) {
	t.Parallel()
	pair := must(ourKeys())(t)
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	box := func(json string) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: []byte(json)}))
	}
	const scrypt = `"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"AAAA"}`
	tests := []struct {
		name, key, password, want string
		is                        error
	}{
		{name: "wrong password", key: string(pair[0]), password: "wrong", is: ErrPassword},
		{name: "no password", key: string(pair[0]), is: ErrPassword},
		{name: "in the clear", key: plain(t, p384), password: testPassword, is: ErrNotEncrypted},
		{name: "public key", key: string(pair[1]), password: testPassword, want: "this is a public key"},
		{name: "no PEM", key: "hello", want: "no PEM block"},
		{name: "empty", want: "no PEM block"},
		{name: "two keys", key: string(pair[0]) + string(pair[0]), want: "more than one PEM block"},
		{name: "other PEM", key: "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n", want: `"OPENSSH PRIVATE KEY"`},
		{name: "too large", key: strings.Repeat("x", MaxKeyFile+1), want: "larger than"},
		{name: "other curve", key: string(seal(t, p384, testPassword)), password: testPassword, want: "P-384"},
		{name: "other algorithm", key: string(seal(t, ed, testPassword)), password: testPassword, want: "ed25519"},
		{name: "not JSON", key: box("x"), want: "reading the encrypted key"},
		{name: "other kdf", key: box(`{"kdf":{"name":"argon2"}}`), want: `"argon2"`},
		{name: "costly kdf", key: box(`{"kdf":{"name":"scrypt","params":{"N":1073741824,"r":8,"p":1}}}`), want: "scrypt parameters"},
		{name: "other cipher", key: box(`{` + scrypt + `,"cipher":{"name":"rot13"}}`), want: `"rot13"`},
		{name: "short nonce", key: box(`{` + scrypt + `,"cipher":{"name":"nacl/secretbox","nonce":"AAAA"}}`), want: "nonce"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadSigner([]byte(tt.key), []byte(tt.password))
			switch {
			case err == nil:
				t.Fatal("accepted")
			case tt.is != nil && !errors.Is(err, tt.is):
				t.Errorf("error %q is not %q", err, tt.is)
			case !strings.Contains(err.Error(), tt.want):
				t.Errorf("error %q does not say %q", err, tt.want)
			case strings.Contains(err.Error(), testPassword):
				t.Errorf("error %q shows the password", err)
			}
		})
	}
}

func plain(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der := must(x509.MarshalPKCS8PrivateKey(key))(t)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestLoadVerifierRefuses(t *testing.T) {
	t.Parallel()
	pair := must(ourKeys())(t)
	weak := must(x509.MarshalPKIXPublicKey(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))(t).Public()))(t)
	tests := map[string]struct{ key, want string }{
		"private key": {string(pair[0]), "this is a private key"},
		"two keys":    {string(pair[1]) + string(pair[1]), "more than one"},
		"no PEM":      {"x", "no PEM block"},
		"not a key":   {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "loading the public key"},
		"other curve": {string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: weak})), "P-224"},
		"too large":   {strings.Repeat("x", MaxKeyFile+1), "larger than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := LoadVerifier([]byte(tt.key)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one that says %q", err, tt.want)
			}
		})
	}
}

func TestReadKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode fs.FileMode, size int) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, make([]byte, size))
		check(t, os.Chmod(path, mode))
		return path
	}
	good := file("good.key", 0o600, 10)
	link := filepath.Join(dir, "link.key")
	check(t, os.Symlink(good, link))
	tests := []struct {
		name, path, want string
		is               error
	}{
		{name: "good", path: good},
		{name: "read-only", path: file("ro.key", 0o400, 10)},
		{name: "link", path: link},
		{name: "world", path: file("world.key", 0o604, 10), is: ErrKeyExposed, want: "chmod 600"},
		{name: "group", path: file("group.key", 0o640, 10), is: ErrKeyExposed, want: "mode 0640"},
		{name: "missing", path: filepath.Join(dir, "missing"), is: fs.ErrNotExist},
		{name: "directory", path: dir, want: "not a regular file"},
		{name: "device", path: os.DevNull, want: "not a regular file"},
		{name: "large", path: file("large.key", 0o600, MaxKeyFile+1), want: "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadKeyFile(tt.path)
			if checked := CheckKeyFile(tt.path); (checked == nil) != (err == nil) {
				t.Errorf("CheckKeyFile = %v, ReadKeyFile = %v", checked, err)
			}
			if tt.is == nil && tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || (tt.is != nil && !errors.Is(err, tt.is)) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %v that says %q", err, tt.is, tt.want)
			}
		})
	}
}
