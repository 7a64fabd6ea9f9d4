package sign

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// cosignCLI is one installed cosign.
type cosignCLI struct {
	path  string
	major string
	env   []string
}

// cosigns finds the programs to test with: those named by $LATHE_COSIGN (a
// path list), or the one on PATH.
func cosigns(t *testing.T) []cosignCLI {
	t.Helper()
	paths := filepath.SplitList(os.Getenv("LATHE_COSIGN"))
	if len(paths) == 0 {
		p, err := exec.LookPath("cosign")
		if err != nil {
			t.Skip("no cosign on PATH or in $LATHE_COSIGN: conformance with it is not tested")
		}
		paths = []string{p}
	}
	var found []cosignCLI
	for _, p := range paths {
		out, err := exec.Command(p, "version").CombinedOutput()
		if err != nil {
			t.Fatalf("%s version: %v\n%s", p, err, out)
		}
		c := cosignCLI{path: p}
		for line := range strings.Lines(string(out)) {
			if version, ok := strings.CutPrefix(line, "GitVersion:"); ok {
				c.major, _, _ = strings.Cut(strings.TrimSpace(version), ".")
			}
		}
		found = append(found, c)
	}
	return found
}

// oldFormat are the flags with which a version reads signatures stored as tags.
func (c cosignCLI) oldFormat() []string {
	if c.major == "v2" {
		return nil
	}
	return []string{"--new-bundle-format=false"}
}

func (c cosignCLI) run(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.path, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), c.env...), "COSIGN_PASSWORD="+testPassword, "HOME="+dir, "COSIGN_YES=true", "COSIGN_EXPERIMENTAL=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func eachCosign(t *testing.T, test func(t *testing.T, c cosignCLI)) {
	t.Helper()
	for i, c := range cosigns(t) {
		t.Run(fmt.Sprintf("%d-%s", i, c.major), func(t *testing.T) { test(t, c) })
	}
}

func TestConformanceKeys(t *testing.T) {
	t.Parallel()
	eachCosign(t, func(t *testing.T, c cosignCLI) {
		dir := t.TempDir()
		if out, err := c.run(t, dir, "generate-key-pair"); err != nil {
			t.Fatalf("generate-key-pair: %v\n%s", err, out)
		}
		key, err := ReadKeyFile(filepath.Join(dir, "cosign.key"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := LoadSigner(key, []byte(testPassword))
		if err != nil {
			t.Fatal(err)
		}
		pub, err := os.ReadFile(filepath.Join(dir, "cosign.pub"))
		if err != nil {
			t.Fatal(err)
		}
		if string(s.PublicPEM()) != string(pub) {
			t.Errorf("public key = %s, cosign wrote %s", s.PublicPEM(), pub)
		}
		// The other way round: cosign opens a key of ours.
		pair, err := ourKeys()
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "our.key"), pair[0])
		out, err := c.run(t, dir, "public-key", "--key", "our.key", "--outfile", "our.pub")
		if err != nil {
			t.Fatalf("public-key: %v\n%s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, "our.pub"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(got)) != strings.TrimSpace(string(pair[1])) {
			t.Errorf("cosign public-key = %s, want %s", got, pair[1])
		}
	})
}

// signBoth makes the signature and attestation images of digest.
func signBoth(t *testing.T, s *Signer, subject Subject) (sigs, atts v1.Image) {
	t.Helper()
	ctx := context.Background()
	sigs, _, err := s.EnsureSignature(ctx, subject, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	predicate := must(testPredicate().Marshal())(t)
	atts, _, err = s.EnsureAttestation(ctx, subject, PredicateType, predicate, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sigs, atts
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestConformanceLayout(t *testing.T) {
	t.Parallel()
	eachCosign(t, func(t *testing.T, c cosignCLI) {
		dir := t.TempDir()
		s := ours(t)
		writeFile(t, filepath.Join(dir, "cosign.pub"), s.PublicPEM())
		writeFile(t, filepath.Join(dir, "other.pub"), theirs(t).PublicPEM())
		img, digest := randomImage(t)
		idx := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img})
		idxDigest := must(idx.Digest())(t)

		p := must(layout.Write(filepath.Join(dir, "image"), empty.Index))(t)
		check(t, p.AppendImage(img, layout.WithAnnotations(LayoutAnnotations(KindImage))))
		writeSigned(t, p, s, digest)
		p = must(layout.Write(filepath.Join(dir, "index"), empty.Index))(t)
		check(t, p.AppendIndex(idx, layout.WithAnnotations(LayoutAnnotations(KindIndex))))
		writeSigned(t, p, s, idxDigest)

		for _, which := range []string{"image", "index"} {
			verifyArgs := append([]string{"verify", "--local-image", "--insecure-ignore-tlog"}, c.oldFormat()...)
			attArgs := append([]string{"verify-attestation", "--local-image", "--insecure-ignore-tlog", "--type", PredicateType}, c.oldFormat()...)
			for _, args := range [][]string{verifyArgs, attArgs} {
				good := append(args[:len(args):len(args)], "--key", "cosign.pub", which)
				if out, err := c.run(t, dir, good...); err != nil {
					t.Errorf("cosign %s: %v\n%s", strings.Join(good, " "), err, out)
				}
				bad := append(args[:len(args):len(args)], "--key", "other.pub", which)
				if out, err := c.run(t, dir, bad...); err == nil {
					t.Errorf("cosign %s accepts another key\n%s", strings.Join(bad, " "), out)
				}
			}
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeSigned(t *testing.T, p layout.Path, s *Signer, digest v1.Hash) {
	t.Helper()
	sigs, atts := signBoth(t, s, subjectOf(digest))
	check(t, p.AppendImage(sigs, layout.WithAnnotations(LayoutAnnotations(KindSignatures))))
	check(t, p.AppendImage(atts, layout.WithAnnotations(LayoutAnnotations(KindAttestations))))
}

func TestConformanceRegistry(t *testing.T) {
	t.Parallel()
	eachCosign(t, func(t *testing.T, c cosignCLI) {
		srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
		t.Cleanup(srv.Close)
		repo := must(name.NewRepository(strings.TrimPrefix(srv.URL, "http://") + "/app"))(t)
		dir := t.TempDir()
		s := ours(t)
		pair := must(ourKeys())(t)
		writeFile(t, filepath.Join(dir, "cosign.key"), pair[0])
		writeFile(t, filepath.Join(dir, "cosign.pub"), pair[1])
		img, digest := randomImage(t)
		check(t, remote.Write(repo.Tag("v1"), img))
		subject := Subject{Digest: digest, Reference: repo.Name()}
		sigs, atts := signBoth(t, s, subject)
		check(t, remote.Write(repo.Tag(SignatureTag(digest)), sigs))
		check(t, remote.Write(repo.Tag(AttestationTag(digest)), atts))

		ref := repo.Digest(digest.String()).String()
		verify := []string{"verify", "--insecure-ignore-tlog", "--allow-http-registry", "--key", "cosign.pub"}
		attest := append([]string{"verify-attestation", "--type", PredicateType}, verify[1:]...)
		for _, args := range [][]string{verify, attest, append(verify, c.oldFormat()...), append(attest, c.oldFormat()...)} {
			if out, err := c.run(t, dir, append(args, ref)...); err != nil {
				t.Errorf("cosign %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		checkSaved(t, c, dir, s, digest, ref)
		checkCosignSigned(t, c, dir, s, repo)
	})
}

// checkSaved compares what `cosign save` writes with LayoutAnnotations.
func checkSaved(t *testing.T, c cosignCLI, dir string, s *Signer, digest v1.Hash, ref string) {
	t.Helper()
	out, err := c.run(t, dir, "save", "--dir", "saved", "--allow-http-registry", ref)
	if err != nil {
		t.Fatalf("save: %v\n%s", err, out)
	}
	idx := must(layout.ImageIndexFromPath(filepath.Join(dir, "saved")))(t)
	found := map[string]v1.Hash{}
	for _, d := range must(idx.IndexManifest())(t).Manifests {
		found[d.Annotations["kind"]] = d.Digest
	}
	if found[string(KindImage)] != digest {
		t.Errorf("cosign save wrote %v, want %s under %q", found, digest, KindImage)
	}
	sigs := must(idx.Image(found[string(KindSignatures)]))(t)
	if _, err := s.Verifier().VerifySignatures(t.Context(), digest, sigs); err != nil {
		t.Error(err)
	}
	atts := must(idx.Image(found[string(KindAttestations)]))(t)
	if _, err := s.Verifier().VerifyAttestations(t.Context(), digest, atts, PredicateType); err != nil {
		t.Error(err)
	}
}

// checkCosignSigned lets cosign sign and attest another image and reads that.
func checkCosignSigned(t *testing.T, c cosignCLI, dir string, s *Signer, repo name.Repository) {
	t.Helper()
	if c.major != "v2" {
		return // later versions sign in another format, with a signing config
	}
	img, digest := randomImage(t)
	check(t, remote.Write(repo.Tag("v2"), img))
	ref := repo.Digest(digest.String()).String()
	writeFile(t, filepath.Join(dir, "predicate.json"), must(testPredicate().Marshal())(t))
	for _, args := range [][]string{
		{"sign", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key", ref},
		{"attest", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key", "--type", PredicateType, "--predicate", "predicate.json", ref},
	} {
		if out, err := c.run(t, dir, args...); err != nil {
			t.Fatalf("cosign %s: %v\n%s", args[0], err, out)
		}
	}
	ctx := t.Context()
	sigs := must(remote.Image(repo.Tag(SignatureTag(digest))))(t)
	// cosign claims the name with its registry, as we do here: kept.
	_, changed, err := s.EnsureSignature(ctx, Subject{Digest: digest, Reference: repo.Name()}, sigs, nil)
	if err != nil || changed {
		t.Errorf("EnsureSignature of what cosign signed = changed %v, %v; want it kept", changed, err)
	}
	atts := must(remote.Image(repo.Tag(AttestationTag(digest))))(t)
	predicates, err := s.Verifier().VerifyAttestations(ctx, digest, atts, PredicateType)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePredicate(predicates[0]); err != nil {
		t.Error(err)
	}
}
