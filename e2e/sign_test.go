//go:build e2e && linux

package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// predicateType names lathe's attestation.
const predicateType = "https://lathe.dev/hardening/v1alpha1"

// cosign is a real cosign.
type cosign struct {
	path string
	more []string // flags that its version needs for local images
}

// cosigns returns those of LATHE_COSIGN, or the one on the PATH. The test is
// skipped when there is none.
func cosigns(t *testing.T) []cosign {
	t.Helper()
	paths := filepath.SplitList(os.Getenv("LATHE_COSIGN"))
	if len(paths) == 0 {
		found, err := exec.LookPath("cosign")
		if err != nil {
			t.Skip("no cosign: put one on the PATH or name it in LATHE_COSIGN")
		}
		paths = []string{found}
	}
	var out []cosign
	for _, p := range paths {
		if r := run("", nil, p, "version"); r.code != 0 {
			t.Fatalf("LATHE_COSIGN: %q does not run: exit %d\n%s", p, r.code, r.stderr)
		}
		c := cosign{path: p}
		if help := run("", nil, p, "verify", "--help"); strings.Contains(help.stdout+help.stderr, "--new-bundle-format") {
			c.more = []string{"--new-bundle-format=false"}
		}
		out = append(out, c)
	}
	return out
}

func (c cosign) verify(layout string) result {
	return run("", nil, c.path, append([]string{"verify", "--local-image", "--insecure-ignore-tlog", "--key", shared.public, layout}, c.more...)...)
}

func (c cosign) verifyAttestation(layout string) result {
	return run("", nil, c.path, append([]string{
		"verify-attestation", "--local-image", "--insecure-ignore-tlog",
		"--type", predicateType, "--key", shared.public, layout,
	}, c.more...)...)
}

// signed hardens the smallest example with a signature.
func signed(t *testing.T) string {
	t.Helper()
	profiles := goserver.profiles(t)
	out := filepath.Join(t.TempDir(), "out")
	lathe(t, slices.Concat([]string{"harden", "oci:" + goserver.image, "--selector", "app=web", "-o", out, "--key", shared.key}, profiles)...)
	return out
}

// TestCosignAccepts checks signature and attestation with the real cosign.
func TestCosignAccepts(t *testing.T) {
	layout := filepath.Join(signed(t), "image")
	for _, c := range cosigns(t) {
		if r := c.verify(layout); r.code != 0 {
			t.Errorf("%s verify: exit %d\n%s", c.path, r.code, r.stderr)
		}
		r := c.verifyAttestation(layout)
		if r.code != 0 {
			t.Errorf("%s verify-attestation: exit %d\n%s", c.path, r.code, r.stderr)
		}
		if !strings.Contains(r.stdout, "payload") {
			t.Errorf("%s verify-attestation prints no attestation: %s", c.path, r.stdout)
		}
	}
}

// TestTampering changes one part of an output after the other. lathe refuses
// every change, cosign those of manifest, signature and attestation.
func TestTampering(t *testing.T) {
	original := signed(t)
	tests := []struct {
		name   string
		change func(t *testing.T, out string)
		cosign string // the check that must refuse; "" for none
	}{
		{"manifest, a byte", func(t *testing.T, out string) { flip(t, blob(out, imageDigest(t, out))) }, "verify"},
		{"manifest, another image", replaceManifest, "verify"},
		{"signature", func(t *testing.T, out string) { replaceSignature(t, out, "sigs") }, "verify"},
		{"attestation", func(t *testing.T, out string) { replaceSignature(t, out, "atts") }, "attestation"},
		{"config", func(t *testing.T, out string) { flip(t, blob(out, imageManifest(t, out).Config.Digest)) }, ""},
		{"layer", func(t *testing.T, out string) { flip(t, blob(out, imageManifest(t, out).Layers[1].Digest)) }, ""},
		{"plan", func(t *testing.T, out string) { edit(t, filepath.Join(out, "plan.json"), `"keep"`, `"drop"`) }, ""},
		{"hint", func(t *testing.T, out string) { edit(t, filepath.Join(out, "hint.json"), "8080", "8081") }, ""},
		{"policy", func(t *testing.T, out string) { edit(t, filepath.Join(out, "networkpolicy.yaml"), "8080", "8081") }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if err := os.CopyFS(out, os.DirFS(original)); err != nil {
				t.Fatal(err)
			}
			if r := run("", nil, shared.lathe, "verify", out, "--key", shared.public); r.code != 0 {
				t.Fatalf("the copy is refused before it is changed: %s", r.stderr)
			}
			test.change(t, out)
			if r := run("", nil, shared.lathe, "verify", out, "--key", shared.public); r.code != 1 {
				t.Errorf("lathe verify: exit %d, want 1\n%s", r.code, r.stdout)
			} else if strings.Count(strings.TrimSpace(r.stderr), "\n") > 2 {
				t.Errorf("lathe verify says too much:\n%s", r.stderr)
			} else {
				t.Logf("lathe verify: %s", strings.TrimSpace(r.stderr))
			}
			if test.cosign == "" {
				return
			}
			for _, c := range cosigns(t) {
				check := c.verify
				if test.cosign == "attestation" {
					check = c.verifyAttestation
				}
				if r := check(filepath.Join(out, "image")); r.code == 0 {
					t.Errorf("%s accepts it", c.path)
				}
			}
		})
	}
	t.Run("another key", func(t *testing.T) {
		prefix := filepath.Join(t.TempDir(), "other")
		lathe(t, "generate-key-pair", "--output-key-prefix", prefix)
		if r := run("", nil, shared.lathe, "verify", original, "--key", prefix+".pub"); r.code != 1 {
			t.Errorf("lathe verify: exit %d, want 1\n%s", r.code, r.stderr)
		}
	})
}

// readIndex reads the layout's index.
func readIndex(t *testing.T, out string) *v1.IndexManifest {
	t.Helper()
	var index v1.IndexManifest
	readJSON(t, filepath.Join(out, "image", "index.json"), &index)
	return &index
}

// entry returns the index entry whose kind annotation ends in kind.
func entry(t *testing.T, out, kind string) *v1.Descriptor {
	t.Helper()
	index := readIndex(t, out)
	i := slices.IndexFunc(index.Manifests, func(d v1.Descriptor) bool {
		return strings.HasSuffix(d.Annotations["kind"], "/"+kind)
	})
	if i < 0 {
		t.Fatalf("the layout has no %s: %+v", kind, index)
	}
	return &index.Manifests[i]
}

func imageDigest(t *testing.T, out string) v1.Hash { t.Helper(); return entry(t, out, "image").Digest }

func imageManifest(t *testing.T, out string) *v1.Manifest {
	t.Helper()
	var m v1.Manifest
	readJSON(t, blob(out, imageDigest(t, out)), &m)
	return &m
}

func blob(out string, digest v1.Hash) string {
	return filepath.Join(out, "image", "blobs", digest.Algorithm, digest.Hex)
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// rewrite replaces the content of a file.
func rewrite(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(bytes.Clone(data))
	if bytes.Equal(data, changed) {
		t.Fatalf("%s was not changed", name)
	}
	if err := os.WriteFile(name, changed, 0o600); err != nil {
		t.Fatal(err)
	}
}

// flip changes a byte in the middle of a file.
func flip(t *testing.T, name string) {
	t.Helper()
	rewrite(t, name, func(data []byte) []byte { data[len(data)/2] ^= 1; return data })
}

func edit(t *testing.T, name, before, after string) {
	t.Helper()
	rewrite(t, name, func(data []byte) []byte { return bytes.Replace(data, []byte(before), []byte(after), 1) })
}

// store adds a blob to the layout and returns its digest.
func store(t *testing.T, out string, data []byte) v1.Hash {
	t.Helper()
	sum := sha256.Sum256(data)
	digest := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	if err := os.WriteFile(blob(out, digest), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return digest
}

// redirect makes the index point to other content in place of digest.
func redirect(t *testing.T, out string, digest v1.Hash, content []byte) {
	t.Helper()
	index := readIndex(t, out)
	for i, d := range index.Manifests {
		if d.Digest == digest {
			index.Manifests[i].Digest, index.Manifests[i].Size = store(t, out, content), int64(len(content))
		}
	}
	data, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(out, "image", "index.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// replaceManifest puts a consistent other image in the layout: one annotation
// more, all digests right.
func replaceManifest(t *testing.T, out string) {
	m := imageManifest(t, out)
	m.Annotations = map[string]string{"planted": "yes"}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	redirect(t, out, imageDigest(t, out), data)
}

// replaceSignature makes the signatures of a kind cover something else: their
// payloads change, all digests stay right.
func replaceSignature(t *testing.T, out, kind string) {
	desc := entry(t, out, kind)
	var m v1.Manifest
	readJSON(t, blob(out, desc.Digest), &m)
	data, err := os.ReadFile(blob(out, m.Layers[0].Digest))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte(`"payload":"`))
	if kind == "sigs" {
		i = bytes.Index(data, []byte("sha256:"))
	}
	if i < 0 {
		t.Fatalf("no payload to change: %s", data)
	}
	i += len(`"payload":"`) + 40
	data[i] = map[bool]byte{true: '1', false: '0'}[data[i] == '0']
	m.Layers[0].Digest, m.Layers[0].Size = store(t, out, data), int64(len(data))
	manifest, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	redirect(t, out, desc.Digest, manifest)
}
