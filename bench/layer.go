package bench

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// item is one entry of a layer to be.
type item struct {
	name    string
	flag    byte // tar's type flag
	mode    int64
	link    string
	head    []byte // first bytes of the content
	size    int64  // of the content, head included
	texture texture
}

// layer collects entries; its archive has them sorted, as a walk over a
// directory gives them, with the directories that they are in.
type layer struct {
	items []item
	dirs  map[string]bool
}

func newLayer() *layer { return &layer{dirs: map[string]bool{".": true}} }

func (l *layer) add(it item) {
	for d := path.Dir(it.name); !l.dirs[d]; d = path.Dir(d) {
		l.dirs[d] = true
		l.items = append(l.items, item{name: d + "/", flag: tar.TypeDir, mode: 0o755})
	}
	l.items = append(l.items, it)
}

func (l *layer) file(name string, t texture, size int64) {
	l.add(item{name: name, flag: tar.TypeReg, mode: 0o644, texture: t, size: size})
}

func (l *layer) exactly(name, content string) {
	l.add(item{name: name, flag: tar.TypeReg, mode: 0o644, head: []byte(content), size: int64(len(content))})
}

// elf adds a file that starts as an ELF file and goes on like machine code.
func (l *layer) elf(name string, head []byte, size int64) {
	size = max(size, int64(len(head)))
	l.add(item{name: name, flag: tar.TypeReg, mode: 0o755, head: head, size: size, texture: code})
}

func (l *layer) symlink(name, target string) {
	l.add(item{name: name, flag: tar.TypeSymlink, mode: 0o777, link: target})
}

func (l *layer) hardlink(name, target string) {
	l.add(item{name: name, flag: tar.TypeLink, mode: 0o755, link: target})
}

// writtenLayer is a layer's blob on disk.
type writtenLayer struct {
	descriptor v1.Descriptor
	diffID     v1.Hash
	raw        int64 // bytes of the archive
	entries    int
}

// store compresses a layer as docker does and puts it under its digest.
func (l *layer) store(blobs string, number uint64, c *contents) (_ *writtenLayer, err error) {
	f, err := os.CreateTemp(blobs, "layer-")
	if err != nil {
		return nil, fmt.Errorf("generating a layer: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("generating a layer: %w", err), f.Close(), os.Remove(f.Name()))
		}
	}()
	digest, diff := sha256.New(), sha256.New()
	buf := bufio.NewWriterSize(f, 1<<20)
	blob := &counter{w: io.MultiWriter(buf, digest)}
	z := gzip.NewWriter(blob)
	raw := &counter{w: io.MultiWriter(z, diff)}
	if err := l.archive(raw, number, c); err != nil {
		return nil, err
	}
	if err := errors.Join(z.Close(), buf.Flush(), f.Close()); err != nil {
		return nil, err
	}
	w := &writtenLayer{raw: raw.n, entries: len(l.items), diffID: hash(diff.Sum(nil))}
	w.descriptor = v1.Descriptor{MediaType: types.OCILayer, Digest: hash(digest.Sum(nil)), Size: blob.n}
	return w, os.Rename(f.Name(), filepath.Join(blobs, w.descriptor.Digest.Hex))
}

func hash(sum []byte) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum)} }

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (l *layer) archive(w io.Writer, number uint64, c *contents) error {
	slices.SortFunc(l.items, func(a, b item) int { return strings.Compare(a.name, b.name) })
	tw := tar.NewWriter(w)
	for i := range l.items {
		it := &l.items[i]
		hdr := &tar.Header{
			Name: it.name, Typeflag: it.flag, Mode: it.mode, Linkname: it.link, Size: it.size,
			ModTime: time.Unix(1_700_000_000+int64(i), 0),
		}
		if err := tw.WriteHeader(hdr); err != nil {
			return fmt.Errorf("%q: %w", it.name, err)
		}
		if _, err := tw.Write(it.head); err != nil {
			return fmt.Errorf("%q: %w", it.name, err)
		}
		if err := c.write(tw, it.texture, number<<32|uint64(i), it.size-int64(len(it.head))); err != nil { //nolint:gosec // a position
			return fmt.Errorf("%q: %w", it.name, err)
		}
	}
	return tw.Close()
}
