package debimage

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/klauspost/compress/gzip"
)

// TestBuildAlpine builds an image that needs no tools of the host: an archive
// as the base and files on top. Twice gives the same.
func TestBuildAlpine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alpine := filepath.Join(dir, "minirootfs.tar.gz")
	out, err := os.Create(alpine)
	if err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(out)
	if _, err := zip.Write(readFile(t, archiveOf(t, "etc dir", "etc/hostname file localhost"))); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	example := filepath.Join(dir, "example")
	if err := os.MkdirAll(filepath.Join(example, "root", "srv"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(example, "root", "srv", "f"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	recipe := Recipe{Name: "test", Base: BaseAlpine, Root: "root", Config: v1.Config{Entrypoint: []string{"/srv/f"}, StopSignal: "SIGQUIT"}}
	var digests []v1.Hash
	for _, cache := range []string{"one", "two", "one"} {
		b := Builder{Cache: filepath.Join(dir, cache), AlpineRoot: alpine}
		img, err := b.Build(t.Context(), example, recipe)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
		if err := WriteLayout(img, filepath.Join(dir, "layout")); err != nil {
			t.Fatal(err)
		}
	}
	if digests[0] != digests[1] || digests[0] != digests[2] {
		t.Errorf("builds differ: %v", digests)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(dir, "layout"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := index.Image(digests[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.StopSignal != "SIGQUIT" || len(config.History) != 2 || len(config.RootFS.DiffIDs) != 2 {
		t.Errorf("the config is not the recipe's: %+v", config)
	}
}
