package layers_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/lathe-build/lathe/layers"
)

// allocated is how many bytes a function asks for, freed ones too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestMemoryOfContent asks for no more memory however large files are: a layer
// of 256 MiB costs what one of 1 MiB does.
func TestMemoryOfContent(t *testing.T) {
	open := func(size int64) uint64 {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		if err := w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg, Size: size}); err != nil {
			t.Fatal(err)
		}
		return allocated(func() {
			content := &endlessZeros{left: size + 1024} // the archive ends with zeros
			if err := layers.ScanForTest(&headThen{head: buf.Bytes(), rest: content}, layers.DefaultLimits()); err != nil || content.left > 0 {
				t.Fatalf("%d bytes are left: %v", content.left, err)
			}
		})
	}
	small, large := open(1<<20), open(256<<20)
	if large > small+1<<20 {
		t.Errorf("256 MiB of content cost %d bytes of memory, 1 MiB %d", large, small)
	}
}

// TestMemoryOfEntries asks for memory in proportion to entries, and for about
// what the budget says of each, long names apart.
func TestMemoryOfEntries(t *testing.T) {
	for name, line := range map[string]func(i int) *tar.Header{
		"files": func(i int) *tar.Header { return &tar.Header{Name: fmt.Sprintf("d/f%d", i), Typeflag: tar.TypeReg} },
		"links": func(i int) *tar.Header {
			return &tar.Header{Name: fmt.Sprintf("l%d", i), Typeflag: tar.TypeSymlink, Linkname: "t"}
		},
		"whiteouts": func(i int) *tar.Header { return &tar.Header{Name: fmt.Sprintf("d/.wh.f%d", i), Typeflag: tar.TypeReg} },
	} {
		const n = 50_000
		var headers []*tar.Header
		for i := range n {
			headers = append(headers, line(i))
		}
		img := imageOf(t, tarOf(t, headers...))
		var live runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&live)
		before := live.HeapAlloc
		tree := openImage(t, img)
		runtime.GC()
		runtime.ReadMemStats(&live)
		each := (int64(live.HeapAlloc) - int64(before)) / n
		if each > 1024 {
			t.Errorf("%s: %d bytes an entry stay in memory", name, each)
		}
		if tree.Len() != n {
			t.Errorf("%s: %d entries", name, tree.Len())
		}
	}
}

// endlessZeros gives a number of zeros.
type endlessZeros struct{ left int64 }

func (z *endlessZeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

// headThen reads some bytes and then others.
type headThen struct {
	head []byte
	rest *endlessZeros
}

func (r *headThen) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.rest.Read(p)
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}
