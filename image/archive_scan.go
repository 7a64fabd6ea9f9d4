package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxArchiveLinks bounds the links from a member of an archive to its content.
const maxArchiveLinks = 8

// archive is a docker archive with an index of its members.
type archive struct {
	f       io.ReaderAt
	members map[string]archiveMember
}

// archiveMember is where one member's bytes are.
type archiveMember struct {
	offset, size int64
	link         string // where a link leads to; a cleaned name in the archive
	twice        bool   // the name is there more than once
}

// scanArchive reads the headers of a tar file, once, without its contents.
func scanArchive(ctx context.Context, f *os.File, limits Limits) (*archive, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	a := &archive{f: f, members: map[string]archiveMember{}}
	tr := tar.NewReader(f)
	for n := 0; ; n++ {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return nil, fmt.Errorf("not a readable tar file: %w", err)
		}
		if n >= limits.ArchiveMembers {
			return nil, fmt.Errorf("over the limit of %d members", limits.ArchiveMembers)
		}
		offset, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		a.add(hdr, offset)
	}
}

// add notes a member if it is a file or a link; what else is in there is never
// asked for.
func (a *archive) add(hdr *tar.Header, offset int64) {
	name := path.Clean("/" + hdr.Name)[1:]
	_, sparse := hdr.PAXRecords["GNU.sparse.major"]
	m := archiveMember{offset: offset, size: hdr.Size}
	switch {
	case sparse:
		return
	case hdr.Typeflag == tar.TypeReg:
	case hdr.Typeflag == tar.TypeSymlink && !path.IsAbs(hdr.Linkname):
		m.link = path.Join("/", path.Dir(name), hdr.Linkname)[1:]
	case hdr.Typeflag == tar.TypeSymlink:
		m.link = path.Clean(hdr.Linkname)[1:]
	case hdr.Typeflag == tar.TypeLink:
		m.link = path.Clean("/" + hdr.Linkname)[1:]
	default:
		return
	}
	_, m.twice = a.members[name]
	a.members[name] = m
}

// open returns the content of a member; links are followed inside the archive,
// as docker save of old made them for layers that repeat.
func (a *archive) open(name string) (*io.SectionReader, error) {
	at := path.Clean("/" + name)[1:]
	for links := range maxArchiveLinks {
		m, ok := a.members[at]
		switch {
		case !ok && links == 0:
			return nil, fmt.Errorf("the archive has no file %q", name)
		case !ok:
			return nil, fmt.Errorf("%q links to %q, which the archive does not have", name, at)
		case m.twice:
			return nil, fmt.Errorf("the archive has %q more than once", at)
		case m.link == "":
			return io.NewSectionReader(a.f, m.offset, m.size), nil
		}
		at = m.link
	}
	return nil, fmt.Errorf("%q is behind more than %d links", name, maxArchiveLinks)
}

// read returns a whole small member.
func (a *archive) read(name string, limit int64) ([]byte, error) {
	r, err := a.open(name)
	if err != nil {
		return nil, err
	}
	if r.Size() > limit {
		return nil, fmt.Errorf("%q has %d bytes, over the limit of %d", name, r.Size(), limit)
	}
	data := make([]byte, r.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("reading %q: %w", name, err)
	}
	return data, nil
}

// sniff tells from its first bytes how data is compressed (RFC 1952, RFC 8878).
func sniff(head []byte) codec {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzipped
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return zstandard
	default:
		return uncompressed
	}
}

// openArchive opens a docker archive so that one can seek in it: a pipe is
// copied and a compressed archive unpacked into a temporary file.
func openArchive(ctx context.Context, name string, opts Options) (*os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		err = errors.New("is a directory, not a docker archive (oci:DIR names an OCI layout)")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in := bufio.NewReaderSize(f, 1<<20)
	head, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, f.Close())
	}
	kind := sniff(head)
	if fi.Mode().IsRegular() && kind == uncompressed {
		return f, nil
	}
	spooled, err := spool(ctx, in, kind, opts)
	if closeErr := f.Close(); err == nil && closeErr != nil {
		err = errors.Join(closeErr, spooled.Close())
	}
	if err != nil {
		return nil, err
	}
	return spooled, nil
}

// spool unpacks r into a temporary file that vanishes with its last user.
func spool(ctx context.Context, r io.Reader, kind codec, opts Options) (*os.File, error) {
	switch kind {
	case gzipped:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	case zstandard:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case uncompressed:
	}
	f, err := os.CreateTemp(opts.TempDir, "lathe-*.tar")
	if err != nil {
		return nil, err
	}
	// Without a name there is nothing to clean up, whatever ends this process.
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	n, err := io.Copy(f, io.LimitReader(withContext(ctx, r), opts.Limits.ArchiveBytes+1))
	if err == nil && n > opts.Limits.ArchiveBytes {
		err = fmt.Errorf("the archive is over the limit of %d bytes", opts.Limits.ArchiveBytes)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("copying to a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// namedDigest returns the digest that a member's name promises, such as
// "blobs/sha256/HEX", "HEX.json" or "sha256:HEX".
func namedDigest(name string) (string, bool) {
	base := strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "sha256:"), ".json")
	return base, isHex64(base)
}
