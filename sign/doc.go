// Package sign makes and checks cosign signatures and in-toto attestations of
// images, with encrypted key files as `cosign generate-key-pair` writes them.
//
// # What is signed
//
// Always a digest that the caller has in hand, never a tag and never something
// looked up again: a [Subject] carries the digest of a manifest or index and
// the name under which it is published. A signature is cosign's "simple
// signing" document about that digest; an attestation is an in-toto Statement
// about it in a DSSE envelope.
//
// # Where signatures live
//
// cosign keeps all signatures of one digest in one OCI image, whose layers are
// the signed documents and whose layer annotations hold the signatures; all
// attestations in a second one. This package turns values into such images
// ([Signer.EnsureSignature], [Signer.EnsureAttestation]) and such images back
// into verified values ([Verifier.VerifySignatures],
// [Verifier.VerifyAttestations]). Reading and writing them is done elsewhere:
// in a registry they are tagged [SignatureTag] and [AttestationTag] in the
// repository of the image, in an OCI layout they are entries of index.json
// with the annotations of [LayoutAnnotations]. So nothing here touches the
// network, the optional transparency log ([Log]) excepted.
//
// # Guarantees
//
// A valid signature of the same key about the same digest and name is kept on
// a rerun: ECDSA signatures are random, a second one would only be noise. An
// attestation of the same key and predicate type is replaced; whatever other
// parties have added stays as it is. No file made here holds a time, and the
// images differ from run to run in nothing but the signatures themselves.
//
// What is read is hostile: every payload is bounded and compared with its
// digest before it is believed, a signature only counts if it is about the
// digest asked for (GHSA-whqx-f9j3-ch6m and its ancestors are about that
// mistake), and certificates, bundles and timestamps which others attached are
// not even parsed, since a key is all that is trusted here.
//
// The private key exists decrypted in memory while a [Signer] lives; the
// decrypted file is wiped after loading. Passwords belong to the caller and are
// never part of an error.
package sign
