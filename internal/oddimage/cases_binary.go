package oddimage

import (
	"archive/tar"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/lathe-build/lathe/internal/testimage"
)

// headers are cases of what only a tar header can say.
func headers() ([]Case, error) {
	gnu := func(h *tar.Header) { h.Format = tar.FormatGNU }
	capability := func(h *tar.Header) {
		h.PAXRecords = map[string]string{
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
			"SCHILY.xattr.user.note":           "of lathe's tests",
		}
	}
	at := func(sec, nsec int64) func(*tar.Header) {
		return func(h *tar.Header) { h.ModTime, h.Format = time.Unix(sec, nsec), tar.FormatPAX }
	}
	lists := []struct {
		name  string
		items []item
	}{
		{"names that are not UTF-8", []item{file("latin-\xe9", "1").with(gnu), file("\xff\xfe", "2").with(gnu), file(Unused+"-\xe9", "3").with(gnu)}},
		{"names with control characters", []item{
			file("new\nline", "1").with(gnu), file("es\x1b[31mcape", "2").with(gnu), file("tab\tbell\x07del\x7f", "3").with(gnu),
			file("c1\u009b2J", "4").with(gnu), file("right\u202eleft", "5").with(gnu), file(Unused+"\n\x1b]0;x\x07", "6").with(gnu),
			link(tar.TypeSymlink, "link\r\n", "target\n\x1b[2J").with(gnu),
		}},
		{"names with backslashes", []item{file(`a\b`, "1"), file(`..\c`, "2"), file(`C:\d`, "3"), file(Unused+`\e`, "4"), file(`\`, "5")}},
		{"names of markup", []item{file("a|b`c", "1"), file("<script>alert(1)</script>", "2"), file("[x](y)", "3"), file("# - ${a} $(b)", "4"), file(Unused+" --force", "5")}},
		{"PAX long names", []item{file(strings.Repeat("p", 200), "1").with(at(1, 0)), link(tar.TypeSymlink, "l", strings.Repeat("t", 200)).with(at(1, 0))}},
		{"GNU long names", []item{file(strings.Repeat("g", 200), "1").with(gnu), link(tar.TypeSymlink, "l", strings.Repeat("t", 200)).with(gnu)}},
		{"xattrs and file capabilities", []item{file("ping", "1").with(capability), link(tar.TypeLink, "mate", "ping").with(capability), dir("d").with(capability)}},
		{"content with capabilities that moves", []item{file(Unused+"-ping", "1").with(capability), link(tar.TypeLink, "mate", Unused+"-ping").with(capability)}},
		{"nanoseconds", []item{file("a", "1").with(at(1_700_000_000, 123_456_789)), dir("d").with(at(0, 1))}},
		{"negative and far times", []item{file("before", "1").with(at(-86_400, 500_000_000)), file("far", "2").with(at(9_000_000_000, 0)), file("gnu", "3").with(gnu).with(func(h *tar.Header) { h.ModTime = time.Unix(-1, 0) })}},
		{"ids above 2^31", []item{
			file("gnu", "1").with(gnu).with(func(h *tar.Header) { h.Uid, h.Gid = 1<<31+5, 1<<32-2 }),
			file("pax", "2").with(at(1, 0)).with(func(h *tar.Header) { h.Uid, h.Gid = 1<<32-2, 1<<31 }),
		}},
		{"fifos and devices", []item{
			link(tar.TypeFifo, "fifo", ""), link(tar.TypeChar, "null", "").with(func(h *tar.Header) { h.Devmajor, h.Devminor = 1, 3 }),
			link(tar.TypeBlock, "disk", "").with(func(h *tar.Header) { h.Devmajor, h.Devminor = 259, 70_000 }),
			link(tar.TypeChar, Unused+"-tty", "").with(func(h *tar.Header) { h.Devmajor, h.Devminor = 5, 1 }), link(tar.TypeLink, "tty", Unused+"-tty"),
		}},
		{"setuid, setgid and sticky", []item{
			file("su", "1").with(func(h *tar.Header) { h.Mode = 0o4755 }), file("sg", "2").with(func(h *tar.Header) { h.Mode = 0o2755 }),
			dir("tmp").with(func(h *tar.Header) { h.Mode = 0o1777 }), file("none", "3").with(func(h *tar.Header) { h.Mode = 0 }),
		}},
		{"a global header with a comment", []item{
			file("before", "1"), {Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "commit"}}}, file("after", "2"),
		}},
	}
	var out []Case
	for _, l := range lists {
		raw, err := archiveOf(append(l.items, unusedProgram(Unused))...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		out = append(out, Case{Name: l.name, Layers: []Layer{{Archive: raw}}})
	}
	return out, nil
}

// sparse are files with holes, also with a hard link that takes the content.
func sparse() ([]Case, error) {
	const oldGNU = "it refuses entries of type S, sparse files in the old GNU format"
	var out []Case
	for _, format := range []struct {
		name     string
		build    func(string, int) ([]byte, error)
		notUmoci string
	}{
		{"GNU sparse", gnuSparse, oldGNU},
		{"GNU sparse of many pieces", gnuSparseMany, oldGNU},
		{"PAX sparse", paxSparse, ""},
		{"PAX sparse 0.0", func(name string, holes int) ([]byte, error) { return paxSparseOld("0.0", name, holes) }, ""},
		{"PAX sparse 0.1", func(name string, holes int) ([]byte, error) { return paxSparseOld("0.1", name, holes) }, ""},
	} {
		kept, err := format.build("holes", 1<<20)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", format.name, err)
		}
		gone, err := format.build(Unused+"-holes", 1<<20)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", format.name, err)
		}
		mates, err := archiveOf(link(tar.TypeLink, "mate", Unused+"-holes"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", format.name, err)
		}
		end := len(gone) - 2*512
		out = append(out,
			Case{Name: format.name, Layers: []Layer{{Archive: kept}}, NotUmoci: format.notUmoci},
			Case{Name: format.name + " whose content moves", Layers: []Layer{{Archive: append(gone[:end:end], mates...)}}})
	}
	return out, nil
}

// compressions are blobs that engines read in more than one way, or whose
// descriptors promise what a rewrite cannot keep.
func compressions() ([]Case, error) {
	raw, err := testimage.Tar("file data/a = " + strings.Repeat("some content ", 300) + "\nfile data/b\nelf " + Unused + " type=exec")
	if err != nil {
		return nil, err
	}
	untouched, err := testimage.Tar("file data/a = " + strings.Repeat("some content ", 300) + "\nfile data/b")
	if err != nil {
		return nil, err
	}
	var out []Case
	for _, kind := range []struct {
		name  string
		media types.MediaType
		blob  func([]byte) ([]byte, error)
		notes map[string]string
	}{
		{"gzip members", types.OCILayer, members, nil},
		{"zstd frames", types.OCILayerZStd, func(b []byte) ([]byte, error) { return frames(b, false) }, nil},
		{"skippable frame first", types.OCILayerZStd, func(b []byte) ([]byte, error) { return frames(b, true) }, nil},
		{"eStargz", types.OCILayer, members, map[string]string{
			"containerd.io/snapshot/stargz/toc.digest": "sha256:" + strings.Repeat("1", 64), "io.containers.estargz.uncompressed-size": "4096", "org.example.note": "stays",
		}},
		{"zstd:chunked", types.OCILayerZStd, func(b []byte) ([]byte, error) { return frames(b, false) }, map[string]string{
			"io.github.containers.zstd-chunked.manifest-checksum": "sha256:" + strings.Repeat("2", 64), "io.github.containers.zstd-chunked.manifest-position": "1:2:3:4", "org.example.note": "stays",
		}},
		{"uncompressed", types.OCIUncompressedLayer, func(b []byte) ([]byte, error) { return b, nil }, nil},
		{"docker media type on bare bytes", types.DockerLayer, func(b []byte) ([]byte, error) { return b, nil }, nil},
		{"docker media type on zstd", types.DockerLayer, func(b []byte) ([]byte, error) { return frames(b, false) }, nil},
	} {
		for _, archive := range [][]byte{raw, untouched} {
			blob, err := kind.blob(archive)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kind.name, err)
			}
			c := Case{Name: kind.name, Layers: []Layer{{Archive: archive, Blob: blob, MediaType: kind.media, Annotations: kind.notes}}}
			if &archive[0] == &untouched[0] {
				c.Name += ", nothing to drop"
			}
			out = append(out, c)
		}
	}
	return out, nil
}
