package debimage

import (
	"archive/tar"
	"io"
	"io/fs"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/pkgdb"
)

// TestStandIn reads the synthetic apk database with the parser under test
// elsewhere: it must list what is there, and only that.
func TestStandIn(t *testing.T) {
	t.Parallel()
	layer := filepath.Join(t.TempDir(), "layer.tar.gz")
	b := Builder{Epoch: time.Unix(Epoch, 0)}
	if err := b.writeEntries(layer, standInEntries([]byte("program"), []string{"bin/ls", "bin/sh", "usr/bin/wget"})); err != nil {
		t.Fatal(err)
	}
	root := fstest.MapFS{}
	err := readArchive(t.Context(), layer, func(h *tar.Header, r io.Reader) (err error) {
		file := &fstest.MapFile{Mode: h.FileInfo().Mode()}
		if file.Data, err = io.ReadAll(r); h.Typeflag == tar.TypeSymlink {
			file.Data = []byte(h.Linkname)
		}
		root[h.Name] = file
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	problems, err := pkgdb.Check(root)
	if err != nil || len(problems) > 0 {
		t.Errorf("the database lists what is not there: %v, %v", problems, err)
	}
	db, err := pkgdb.Read(root, pkgdb.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]string{}
	for name, file := range root {
		if file.Mode&fs.ModeDir != 0 {
			continue
		}
		for _, p := range db.Owners(name) {
			owners[name] = p.Name
		}
	}
	want := map[string]string{
		"bin/busybox": "busybox", "bin/ls": "busybox", "usr/bin/wget": "busybox", "bin/sh": "busybox-binsh",
		"etc/passwd": "alpine-baselayout", "etc/group": "alpine-baselayout", "etc/hosts": "alpine-baselayout",
		"etc/shells": "alpine-baselayout", "etc/os-release": "alpine-release", "etc/alpine-release": "alpine-release",
	}
	if diff := cmp.Diff(want, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

func TestBootstrapArgs(t *testing.T) {
	t.Parallel()
	b := bootstrap{
		variant: "custom", under: "/cache/base.tar", suite: "bookworm", include: []string{"curl", "nginx"},
		sources: []source{{uri: "http://mirror.example", suite: "bookworm", components: []string{"main"}}},
	}
	want := []string{
		"--quiet", "--variant=custom", "--skip=check/empty", "--setup-hook=tar-in '/cache/base.tar' /",
		`--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"`, "--include=curl,nginx",
		"bookworm", "out.tar", "deb http://mirror.example bookworm main",
	}
	if diff := cmp.Diff(want, b.args("out.tar")); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}
