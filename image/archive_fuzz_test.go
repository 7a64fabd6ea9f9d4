package image

import (
	"archive/tar"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

func FuzzArchive(f *testing.F) {
	good := archiveOf(f, classic(f)...)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(archiveOf(f, member{name: "manifest.json", data: []byte(`[{"Config":"c","Layers":["c"]}]`)}, member{name: "c", kind: tar.TypeSymlink, link: "c"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "x.tar")
		writeTestFile(t, file, data)
		limits := Limits{ArchiveBytes: 1 << 20, ArchiveMembers: 100}
		src, err := Read(t.Context(), Ref{Kind: DockerArchive, Path: file}, Options{Limits: limits})
		if err != nil {
			return
		}
		defer src.Close()
		cfg, err := src.Images[0].Image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range mustLayers(t, src.Images[0].Image) {
			data, err := readAll(l.Compressed)
			if err != nil {
				continue
			}
			mt, err := l.MediaType()
			if err != nil {
				t.Fatal(err)
			}
			if mt == types.DockerUncompressedLayer && digestOf(data) != cfg.RootFS.DiffIDs[i] {
				t.Error("a raw layer was read that is not its diff ID")
			}
		}
	})
}
