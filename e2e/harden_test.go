//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHarden hardens each example at each level with a profile of a plain run,
// and probes original and result on what that run never touched.
func TestHarden(t *testing.T) {
	for _, w := range workloads() {
		t.Run(w.example, func(t *testing.T) {
			profile := w.profile(t)
			original := unpack(t, w.image)
			before := readRoot(t, original.Root())
			before.checkHasTools(t, w)
			want := w.answers(t, original)
			for _, level := range []string{"binaries", "packages"} {
				t.Run(level, func(t *testing.T) {
					out := filepath.Join(t.TempDir(), "out")
					lathe(t, "harden", "oci:"+w.image, "--profile", profile, "--level", level, "-o", out, "--key", shared.key)
					lathe(t, "verify", out, "--key", shared.public, "--source", "oci:"+w.image)
					bundle := unpack(t, filepath.Join(out, "image"))
					after := readRoot(t, bundle.Root())
					after.checkNoTools(t)
					after.checkDatabase(t, before)
					if level == "packages" {
						after.checkNoToolPackages(t)
					}
					if diff := cmp.Diff(want, w.answers(t, bundle)); diff != "" {
						t.Errorf("the hardened image answers otherwise (-original +hardened):\n%s", diff)
					}
				})
			}
		})
	}
}

// TestExampleProfiles uses the profiles in examples/, which were recorded on
// other builds of the images.
func TestExampleProfiles(t *testing.T) {
	for _, w := range workloads() {
		t.Run(w.example, func(t *testing.T) {
			w.prepare(t)
			out := filepath.Join(t.TempDir(), "out")
			lathe(t, "harden", "oci:"+w.image, "--profile", filepath.Join(w.dir(), "profile.json"), "--rebase", "-o", out)
			bundle := unpack(t, filepath.Join(out, "image"))
			readRoot(t, bundle.Root()).checkNoTools(t)
			w.answers(t, bundle)
		})
	}
}

// TestAlpineStandIn hardens what takes the place of Alpine where its archive is
// missing, so that an apk database is always put to the test.
func TestAlpineStandIn(t *testing.T) {
	w := &workload{example: "goserver", program: goserver.program, port: goserver.port, plain: goserver.plain, deep: goserver.deep}
	w.once.Do(func() {
		w.image = filepath.Join(shared.dir, "stand-in")
		w.err = buildExample(t, w.dir(), w.image, "")
		w.record(t)
	})
	profile := w.profile(t)
	out := filepath.Join(t.TempDir(), "out")
	lathe(t, "harden", "oci:"+w.image, "--profile", profile, "-o", out)
	before := readRoot(t, unpack(t, w.image).Root())
	before.checkHasTools(t, w)
	bundle := unpack(t, filepath.Join(out, "image"))
	after := readRoot(t, bundle.Root())
	after.checkNoTools(t)
	after.checkNoToolPackages(t)
	after.checkDatabase(t, before)
	w.answers(t, bundle)
}

// TestDeterministic hardens twice with different numbers of processors.
func TestDeterministic(t *testing.T) {
	for _, w := range workloads() {
		t.Run(w.example, func(t *testing.T) {
			profile := w.profile(t)
			var runs []map[string]string
			for _, processors := range []string{"1", "2"} {
				out := filepath.Join(t.TempDir(), "out")
				r := run("", []string{"GOMAXPROCS=" + processors}, shared.lathe,
					"harden", "oci:"+w.image, "--profile", profile, "--selector", "app="+w.example, "-o", out)
				if r.code != 0 {
					t.Fatalf("exit %d: %s", r.code, r.stderr)
				}
				runs = append(runs, readOutput(t, out))
			}
			if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
				t.Errorf("two runs differ (-GOMAXPROCS=1 +GOMAXPROCS=2):\n%s", diff)
			}
		})
	}
}

// readOutput returns what must be the same on every machine: the names of all
// blobs, which are their digests, and the plan, hint and policy.
func readOutput(t *testing.T, out string) map[string]string {
	t.Helper()
	files := map[string]string{}
	blobs, err := os.ReadDir(filepath.Join(out, "image", "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		files[b.Name()] = "a blob"
	}
	for _, name := range []string{"plan.json", "hint.json", "networkpolicy.yaml"} {
		data, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}
