package kubescape

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/internal/importtest"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// read imports one file.
func read(name string, data []byte, opts foreign.Options) (*profile.Profile, error) {
	in, err := foreign.Open(name, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return importObjects(context.Background(), []*foreign.Input{in}, opts)
}

func mustRead(t *testing.T, text string, opts foreign.Options) *profile.Profile {
	t.Helper()
	p, err := read("objects.yaml", []byte(text), opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]foreign.Options{
		"application.yaml": {Container: "shop", Name: "shop", Complete: true},
		"container.yaml":   {},
		"storage.json":     {Run: "ci", Scenarios: []string{"e2e"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			if !detect(data) || !detect(data[:len(data)*3/4]) {
				t.Error("it is not known by its beginning")
			}
			p := mustRead(t, string(data), opts)
			importtest.Golden(t, filepath.Join("testdata", name+".profile"), p)
			got, err := p.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := profile.Read(bytes.NewReader(got), profile.Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// samples is where other projects' objects lie, or the test is skipped.
func samples(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		found := filepath.Join(dir, "shared", "profiles", "kubescape")
		if _, err := os.Stat(found); err == nil {
			return found
		}
		if dir == filepath.Dir(dir) {
			t.Skip("SKIPPED: the samples of other projects are not there (shared/profiles/kubescape)")
		}
		dir = filepath.Dir(dir)
	}
}

// TestSamples compares counts with those of a script in another language.
func TestSamples(t *testing.T) {
	t.Parallel()
	dir := samples(t)
	type counts struct{ Execs, Files, Patterns, Outside, Syscalls, Capabilities, Connect, Accept int }
	for _, test := range []struct {
		file, container string
		want            counts
	}{
		{"applicationprofile-harbor-database.yaml", "database", counts{10, 117, 5, 18, 132, 7, 0, 0}},
		{"applicationprofile-harbor-database.yaml", "data-permissions-ensurer", counts{2, 8, 0, 1, 64, 2, 0, 0}},
		{"applicationprofile-harbor-nginx.yaml", "", counts{1, 16, 0, 2, 77, 2, 0, 0}},
		{"applicationprofile-harbor-redis.yaml", "", counts{1, 19, 0, 8, 74, 3, 0, 0}},
		{"applicationprofile-harbor-registry.yaml", "registryctl", counts{7, 22, 0, 4, 102, 1, 0, 0}},
		{"applicationprofile-harbor-registry.yaml", "registry", counts{7, 23, 0, 4, 79, 3, 0, 0}},
		{"applicationprofile-relative-exec-path.yaml", "", counts{1, 5, 0, 2, 86, 1, 0, 0}},
		{"containerprofile-exec-arg-wildcards.yaml", "", counts{7, 0, 0, 0, 29, 0, 0, 0}},
		{"containerprofile-multisubtype.yaml", "", counts{2, 0, 0, 0, 0, 0, 0, 0}},
		{"containerprofile-multisubtype.yaml", "setup", counts{5, 0, 0, 0, 0, 0, 0, 0}},
		{"containerprofile-multisubtype.yaml", "debug", counts{6, 0, 0, 0, 0, 0, 0, 0}},
		{"containerprofile-network-wildcards-multidoc.yaml", "nw-20-multi-container-frontend", counts{0, 0, 0, 0, 0, 0, 1, 0}},
		{"containerprofile-network-wildcards-multidoc.yaml", "nw-20-multi-container-sidecar", counts{0, 0, 0, 0, 0, 0, 4, 1}},
		{"containerprofile-slice-complete-java-server.json", "", counts{7, 78, 0, 6, 101, 5, 2, 0}},
		{"containerprofile-slice-partial-grpc_health_probe.json", "", counts{1, 5, 0, 6, 0, 4, 0, 0}},
		{"networkneighborhood-example.yaml", "", counts{0, 0, 0, 0, 0, 0, 1, 1}},
		{"networkneighborhood-operator.json", "", counts{0, 0, 0, 0, 0, 0, 10, 3}},
	} {
		data, err := os.ReadFile(filepath.Join(dir, test.file))
		if err != nil {
			t.Fatal(err)
		}
		p := mustRead(t, string(data), foreign.Options{Container: test.container})
		c := p.Coverage().Counts
		got := counts{c.Executables, c.Files, c.Patterns, c.Outside, c.Syscalls, c.Capabilities, c.Connect, c.Accept}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s, container %q:\n%s", test.file, test.container, diff)
		}
	}
}
