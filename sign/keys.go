package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Limits on what is read.
const (
	// MaxKeyFile is the largest key file, in bytes. An encrypted P-256 key
	// takes about 650 bytes, one of RSA 4096 under 5 KiB.
	MaxKeyFile = 64 << 10

	rsaMinBits = 2048
	rsaMaxBits = 4096
)

// Errors that callers branch on.
var (
	// ErrPassword means that the password does not open the key file (or that
	// the encrypted part of the file is damaged, which looks the same).
	ErrPassword = errors.New("wrong password for the private key")
	// ErrNotEncrypted means that a private key file holds a key in the clear.
	ErrNotEncrypted = errors.New("the private key is not encrypted")
)

// Signer signs with one private key.
type Signer struct {
	key    signature.SignerVerifier
	public []byte
}

// Verifier checks what one public key has signed.
type Verifier struct {
	key    signature.Verifier
	public []byte
}

// GenerateKeyPair makes an ECDSA P-256 key pair, the private half encrypted
// with password in the format of `cosign generate-key-pair` (cosign.key,
// cosign.pub). An empty password is allowed, as in cosign, and protects
// nothing.
func GenerateKeyPair(password []byte) (private, public []byte, err error) {
	keys, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return password, nil })
	if err != nil {
		return nil, nil, fmt.Errorf("generating a key pair: %w", err)
	}
	return keys.PrivateBytes, keys.PublicBytes, nil
}

// LoadSigner opens an encrypted private key in PEM, as `cosign
// generate-key-pair` and `cosign import-key-pair` write it. ECDSA P-256 and
// RSA of 2048 to 4096 bits are accepted: what `cosign verify --key` checks
// without further flags. The error is [ErrPassword] for a wrong password and
// [ErrNotEncrypted] for a key in the clear.
func LoadSigner(keyPEM, password []byte) (*Signer, error) {
	sv, public, err := openKey(keyPEM, password)
	if err != nil {
		return nil, fmt.Errorf("loading the private key: %w", err)
	}
	return &Signer{key: sv, public: public}, nil
}

func openKey(keyPEM, password []byte) (signature.SignerVerifier, []byte, error) {
	sealed, err := sealedKey(keyPEM)
	if err != nil {
		return nil, nil, err
	}
	// All else about the file was checked: what can fail now is the
	// authenticated decryption.
	der, err := encrypted.Decrypt(sealed, password)
	if err != nil {
		return nil, nil, ErrPassword
	}
	defer clear(der)
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, nil, fmt.Errorf("parsing the decrypted key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("unsupported key type %T", parsed)
	}
	if err := checkAlgorithm(key.Public()); err != nil {
		return nil, nil, err
	}
	sv, err := signature.LoadSignerVerifier(key, crypto.SHA256)
	if err != nil {
		return nil, nil, err
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encoding the public key: %w", err)
	}
	return sv, public, nil
}

// PublicPEM returns the public key in PEM (PKIX), the content of cosign.pub.
func (s *Signer) PublicPEM() []byte { return append([]byte(nil), s.public...) }

// Verifier returns the verifier of the signer's own public key.
func (s *Signer) Verifier() *Verifier {
	return &Verifier{key: s.key, public: s.public}
}

// LoadVerifier opens a public key in PEM (PKIX), such as cosign.pub. The same
// algorithms as for [LoadSigner] are accepted.
func LoadVerifier(publicPEM []byte) (*Verifier, error) {
	if len(publicPEM) > MaxKeyFile {
		return nil, fmt.Errorf("loading the public key: larger than %d bytes", MaxKeyFile)
	}
	block, rest := pem.Decode(publicPEM)
	switch {
	case block == nil:
		return nil, errors.New("loading the public key: no PEM block found")
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("loading the public key: this is a private key; give the public one (cosign.pub)")
	case len(bytes.TrimSpace(rest)) != 0:
		return nil, errors.New("loading the public key: more than one PEM block")
	}
	pub, err := cryptoutils.UnmarshalPEMToPublicKey(publicPEM)
	if err != nil {
		return nil, fmt.Errorf("loading the public key: %w", err)
	}
	if err := checkAlgorithm(pub); err != nil {
		return nil, fmt.Errorf("loading the public key: %w", err)
	}
	v, err := signature.LoadVerifier(pub, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("loading the public key: %w", err)
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(pub)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	return &Verifier{key: v, public: public}, nil
}

// PublicPEM returns the public key in PEM (PKIX).
func (v *Verifier) PublicPEM() []byte { return append([]byte(nil), v.public...) }

// encryptedKey is the envelope inside the PEM block, as written by
// go-securesystemslib's package encrypted.
type encryptedKey struct {
	KDF struct {
		Name   string `json:"name"`
		Params struct {
			N int `json:"N"`
			R int `json:"r"`
			P int `json:"p"`
		} `json:"params"`
		Salt []byte `json:"salt"`
	} `json:"kdf"`
	Cipher struct {
		Name  string `json:"name"`
		Nonce []byte `json:"nonce"`
	} `json:"cipher"`
	Ciphertext []byte `json:"ciphertext"`
}

// sealedKey returns the encrypted part of a key file. It refuses everything
// whose failure to decrypt would not mean a wrong password: other formats, keys
// in the clear, envelopes with unknown parameters.
func sealedKey(keyPEM []byte) ([]byte, error) {
	if len(keyPEM) > MaxKeyFile {
		return nil, fmt.Errorf("larger than %d bytes", MaxKeyFile)
	}
	block, rest := pem.Decode(keyPEM)
	switch {
	case block == nil:
		return nil, errors.New("no PEM block found")
	case len(bytes.TrimSpace(rest)) != 0:
		return nil, errors.New("more than one PEM block")
	}
	switch block.Type {
	case cosign.SigstorePrivateKeyPemType, cosign.CosignPrivateKeyPemType:
		return block.Bytes, checkSealed(block.Bytes)
	case cosign.PrivateKeyPemType, cosign.RSAPrivateKeyPemType, cosign.ECPrivateKeyPemType:
		return nil, fmt.Errorf("%w (PEM type %q); encrypt it with `cosign import-key-pair`", ErrNotEncrypted, block.Type)
	case "PUBLIC KEY", "RSA PUBLIC KEY":
		return nil, errors.New("this is a public key; give the private one (cosign.key)")
	default:
		return nil, fmt.Errorf("unknown PEM type %q; expected %q", block.Type, cosign.SigstorePrivateKeyPemType)
	}
}

// checkSealed checks the parameters of an encrypted key: only the scrypt costs
// that cosign has ever written, so that a file cannot ask for gigabytes.
func checkSealed(sealed []byte) error {
	var k encryptedKey
	if err := json.Unmarshal(sealed, &k); err != nil {
		return fmt.Errorf("reading the encrypted key: %w", err)
	}
	cost := k.KDF.Params
	switch {
	case k.KDF.Name != "scrypt":
		return fmt.Errorf("unknown key derivation %q", k.KDF.Name)
	case (cost.N != 1<<15 && cost.N != 1<<16 && cost.N != 1<<17) || cost.R != 8 || cost.P != 1:
		return errors.New("unsupported scrypt parameters")
	case k.Cipher.Name != "nacl/secretbox":
		return fmt.Errorf("unknown cipher %q", k.Cipher.Name)
	case len(k.Cipher.Nonce) != 24:
		return errors.New("the nonce has a wrong size")
	}
	return nil
}

// checkAlgorithm accepts the keys whose signatures `cosign verify --key`
// checks with its default digest, SHA-256.
func checkAlgorithm(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return nil
		}
		return fmt.Errorf("unsupported curve %s; use ECDSA P-256", k.Curve.Params().Name)
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < rsaMinBits || bits > rsaMaxBits {
			return fmt.Errorf("unsupported RSA key of %d bits; use %d to %d", bits, rsaMinBits, rsaMaxBits)
		}
		return nil
	default:
		return fmt.Errorf("unsupported key type %T; use ECDSA P-256", pub)
	}
}
