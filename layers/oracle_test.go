package layers_test

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// flat is a root filesystem: path → what is there. It is made by code that
// shares nothing with the package under test.
type flat map[string]string

// flatten applies an image's layers the way the specification says: whiteouts
// of a layer first, then its entries in order. It does not know symbolic links
// in parents.
func flatten(t testing.TB, img v1.Image) flat {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	root := flat{}
	for i, l := range layers {
		rc, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		applyTar(t, fmt.Sprint("layer ", i), root, rc)
		_ = rc.Close()
	}
	return root
}

func applyTar(t testing.TB, what string, root flat, r io.Reader) {
	t.Helper()
	type item struct {
		hdr  *tar.Header
		body string
	}
	var items []item
	tr := tar.NewReader(r)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		items = append(items, item{hdr, string(body)})
	}
	for _, it := range items {
		name := path.Clean(it.hdr.Name)
		dir, base := path.Dir(name), path.Base(name)
		switch {
		case base == ".wh..wh..opq":
			root.remove(dir, false)
		case strings.HasPrefix(base, ".wh."):
			root.remove(path.Join(dir, strings.TrimPrefix(base, ".wh.")), true)
		}
	}
	for _, it := range items {
		name := path.Clean(it.hdr.Name)
		if strings.HasPrefix(path.Base(name), ".wh.") {
			continue
		}
		value := fmt.Sprintf("%c %o %d:%d ", it.hdr.Typeflag, it.hdr.Mode, it.hdr.Uid, it.hdr.Gid)
		switch it.hdr.Typeflag {
		case tar.TypeLink:
			target, ok := root[path.Clean(it.hdr.Linkname)]
			if !ok {
				t.Fatalf("%s: hard link %q to %q, which is not there", what, it.hdr.Name, it.hdr.Linkname)
			}
			value = target
		case tar.TypeSymlink:
			value += "-> " + it.hdr.Linkname
		default:
			value += it.body
		}
		if it.hdr.Typeflag != tar.TypeDir {
			root.remove(name, true)
		} else if old, ok := root[name]; ok && old[0] != '5' {
			root.remove(name, true)
		}
		root[name] = value
	}
}

// remove takes away what is below a path, and the path itself.
func (f flat) remove(p string, self bool) {
	for k := range f {
		if k == p && self || strings.HasPrefix(k, p+"/") {
			delete(f, k)
		}
	}
}

// kept is the part of a root whose paths keep says yes to.
func (f flat) kept(keep func(string) bool) flat {
	out := flat{}
	for p, v := range f {
		if keep(p) {
			out[p] = v
		}
	}
	return out
}
