package layers

import (
	"bytes"
	"io"
	"testing"
)

// ScanForTest scans an archive under limits.
func ScanForTest(r io.Reader, l Limits) error {
	l = l.orDefault()
	_, err := scan(r, l, (&budget{limits: l}).take)
	return err
}

// TestFullDisk gives up a layer whose file cannot be written.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []Compression{Gzip, Zstd, Uncompressed} {
		w, err := newLayerWriter(t.TempDir(), c, make(chan struct{}, 2))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.file.Close(); err != nil {
			t.Fatal(err)
		}
		noise := bytes.Repeat([]byte("a tar that does not compress to nothing"), 1<<16)
		for i := range noise {
			noise[i] ^= byte(i * i >> 7)
		}
		_, werr := w.Write(noise)
		_, ferr := w.finish()
		if werr == nil && ferr == nil {
			t.Errorf("%s: no error", c)
		}
		w.abort()
	}
}
