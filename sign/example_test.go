package sign_test

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/sign"
)

// A signature is made for a digest in hand, stored under the tag that cosign
// looks for, and checked with the public key.
func Example() {
	ctx := context.Background()
	private, public, err := sign.GenerateKeyPair([]byte("password"))
	if err != nil {
		fmt.Println(err)
		return
	}
	signer, err := sign.LoadSigner(private, []byte("password"))
	if err != nil {
		fmt.Println(err)
		return
	}
	digest := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	signatures, _, err := signer.EnsureSignature(ctx, sign.Subject{Digest: digest, Reference: "registry.example/app"}, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := sign.LoadVerifier(public)
	if err != nil {
		fmt.Println(err)
		return
	}
	valid, err := verifier.VerifySignatures(ctx, digest, signatures)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(valid), valid[0].Reference, sign.SignatureTag(digest)[:12])
	// Output: 1 registry.example/app sha256-00000
}
