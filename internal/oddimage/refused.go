package oddimage

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/internal/testimage"
)

// Refusal is an image that must be refused.
type Refusal struct {
	Case
	Want  string   // in the error
	Flags []string // of the command line: a limit that is lower than the default
}

// Refused is the table of images that must be refused, in a fixed order.
func Refused() ([]Refusal, error) {
	var all []Refusal
	for _, tc := range []struct{ name, text, want string }{
		{"whiteout of nothing", "file .wh.", "names nothing"},
		{"whiteout of a dot", "file a/.wh..", "names nothing"},
		{"whiteout of two dots", "file a/.wh...", "names nothing"},
		{"entry that climbs", "file ../a", "climbs"},
		{"entry that climbs inside", "file a/../../b", "climbs"},
		{"whiteout that climbs", "file ../.wh.a", "climbs"},
		{"hard link to a directory", "dir d\nhard a -> d", "directory"},
		{"hard link to the root", "hard a -> .", "directory"},
		{"hard link to itself", "hard a -> a", "itself"},
		{"hard link to itself, spelled otherwise", "hard a -> ./a", "itself"},
		{"hard link to nothing", "hard a -> b", "nothing that is there"},
		{"hard link to what a whiteout hid", "file b\n---\ngone b\nhard a -> b", "nothing that is there"},
		{"hard link outside", "hard a -> ../../etc/shadow", "climbs"},
		{"hard links in a ring", "hard a -> b\nhard b -> a", "nothing that is there"},
		{"chain of links before its target", "hard c -> b\nhard b -> a\nfile a", "nothing that is there"},
		{"symbolic link named dot", "link . -> /etc", "root itself"},
		{"symbolic link named dot, spelled otherwise", "link ./. -> /etc", "root itself"},
		{"file named as the root", "file . = x", "root itself"},
		{"symbolic link to nowhere", "link a ->  ", "points nowhere"},
		{"parent that is a file", "file a\n---\nfile a/b", "not a directory"},
		{"parent in a loop", "link a -> b\nlink b -> a\n---\nfile a/c", "too many levels"},
		{"too deep", "file " + strings.Repeat("d/", 300) + "x", "--limit-depth"},
		{"component over the length of Linux", "file " + strings.Repeat("n", 256), "longer than Linux allows"},
	} {
		r := Refusal{Case: Case{Name: tc.name}, Want: tc.want}
		for text := range strings.SplitSeq(tc.text, "\n---\n") {
			raw, err := testimage.Tar(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", tc.name, err)
			}
			r.Layers = append(r.Layers, Layer{Archive: raw})
		}
		all = append(all, r)
	}
	for _, build := range []func() ([]Refusal, error){brokenStreams, unknownTypes, bombs} {
		list, err := build()
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// one is a refusal of one layer.
func one(name, want string, l Layer, flags ...string) Refusal {
	return Refusal{Case: Case{Name: name, Layers: []Layer{l}}, Want: want, Flags: flags}
}

// brokenStreams end early, or are not what they seem.
func brokenStreams() ([]Refusal, error) {
	raw, err := testimage.Tar("file a = " + strings.Repeat("content ", 500))
	if err != nil {
		return nil, err
	}
	zipped, err := testimage.Gzip(raw)
	if err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, fmt.Errorf("starting zstd: %w", err)
	}
	framed := enc.EncodeAll(raw, nil)
	flipped := bytes.Clone(zipped)
	flipped[len(flipped)-6] ^= 1 // of the checksum
	torn := bytes.Clone(raw)
	torn[0] ^= 0xff // of the name: the header's checksum is wrong
	window := binary.LittleEndian.AppendUint32(nil, 0xfd2fb528)
	window = append(window, 0, 20<<3, 1, 0, 0) // a window of 1 GiB, one empty raw block
	return []Refusal{
		one("truncated gzip", "unexpected EOF", Layer{Archive: raw, Blob: zipped[:len(zipped)/2]}),
		one("gzip without its end", "unexpected EOF", Layer{Archive: raw, Blob: zipped[:len(zipped)-3]}),
		one("gzip of a wrong checksum", "checksum", Layer{Archive: raw, Blob: flipped}),
		one("gzip and something else", "EOF", Layer{Archive: raw, Blob: append(bytes.Clone(zipped), "more"...)}),
		one("truncated zstd", "EOF", Layer{Archive: raw, Blob: framed[:len(framed)/2], MediaType: types.OCILayerZStd}),
		one("zstd with a window of 1 GiB", "window", Layer{Archive: raw, Blob: window, MediaType: types.OCILayerZStd}),
		one("gzip that is zstd", "media type", Layer{Archive: raw, Blob: framed}),
		one("gzip that is bare", "media type", Layer{Archive: raw, Blob: raw}),
		one("bare that is gzip", "media type", Layer{Archive: raw, Blob: zipped, MediaType: types.OCIUncompressedLayer}),
		one("truncated archive", "unexpected EOF", Layer{Archive: raw[:1500]}),
		one("truncated header", "unexpected EOF", Layer{Archive: raw[:300]}),
		one("header of a wrong checksum", "invalid tar header", Layer{Archive: torn}),
		one("other content than the diff ID", "diff ID", Layer{Archive: append(bytes.Clone(raw), make([]byte, 512)...), Blob: zipped}),
	}, nil
}

// unknownTypes are entries that are none of a file system.
func unknownTypes() ([]Refusal, error) {
	var all []Refusal
	for _, flag := range []byte{'7', 'D', 'M', 'N', 'V', 'Z'} {
		raw, err := testimage.Tar("file a")
		if err != nil {
			return nil, err
		}
		raw[gnuType] = flag
		setChecksum(raw[:512])
		all = append(all, one(fmt.Sprintf("entry of type %c", flag), "type", Layer{Archive: raw}))
	}
	for _, key := range []string{"path", "size", "uid", "mtime", "SCHILY.xattr.security.capability"} {
		raw, err := archiveOf(item{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{key: "7"}}}, file("a", "x"))
		if err != nil {
			return nil, fmt.Errorf("global %s: %w", key, err)
		}
		all = append(all, one("global header that sets "+key, "global", Layer{Archive: raw}))
	}
	return all, nil
}

func setChecksum(header []byte) {
	copy(header[gnuChecksum:], "        ")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[gnuChecksum:], fmt.Sprintf("%06o\x00 ", sum))
}

// bombs ask for more than they are.
func bombs() ([]Refusal, error) {
	zeros, err := archiveOf(file("zeros", string(make([]byte, 64<<20))))
	if err != nil {
		return nil, err
	}
	petabyte, err := gnuSparse("hole", 0)
	if err != nil {
		return nil, err
	}
	// The size in base 256, as GNU tar writes large ones: a map of one piece at
	// the end of 2^50 bytes.
	header := petabyte[:512]
	copy(header[gnuMap:], make([]byte, 4*12))
	copy(header[gnuMap:], base256(1<<50-8))
	copy(header[gnuMap+12:], fmt.Sprintf("%011o\x00", 8))
	copy(header[gnuRealSize:], base256(1<<50))
	setChecksum(header)
	paxPetabyte, err := paxSparse("hole", 1<<50)
	if err != nil {
		return nil, err
	}
	oldPetabyte, err := paxSparseOld("0.1", "hole", 1<<50)
	if err != nil {
		return nil, err
	}
	record := "LATHE.note=" + strings.Repeat("x", 2<<20) + "\n"
	wide, err := archiveOf(file("records", fmt.Sprintf("%d %s", len(record)+8, record)), file("a", ""))
	if err != nil {
		return nil, err
	}
	wide[gnuType] = 'x'
	setChecksum(wide[:512])
	var many []item
	for i := range 5_000 {
		many = append(many, file(fmt.Sprintf("f%d", i), ""))
	}
	files, err := archiveOf(many...)
	if err != nil {
		return nil, err
	}
	var globals []item
	for i := range 300 {
		globals = append(globals, item{Header: tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{fmt.Sprint("LATHE.", i): "x"}}})
	}
	global, err := archiveOf(append(globals, file("a", ""))...)
	if err != nil {
		return nil, err
	}
	return []Refusal{
		one("zeros", "--limit-expanded", Layer{Archive: zeros}, "--limit-expanded", "10000000"),
		one("a petabyte of holes", "--limit-expanded", Layer{Archive: petabyte}),
		one("a petabyte of holes, PAX", "--limit-expanded", Layer{Archive: paxPetabyte}),
		one("a petabyte of holes, PAX 0.1", "--limit-expanded", Layer{Archive: oldPetabyte}),
		one("two MiB of PAX records", "header", Layer{Archive: wide}),
		one("many files", "--limit-entries", Layer{Archive: files}, "--limit-entries", "1000"),
		one("many global records", "global PAX headers", Layer{Archive: global}),
		one("many layers", "--limit-layers", Layer{Archive: files}, "--limit-layers", "1"),
	}, nil
}

// base256 is a number in a field of twelve bytes, as GNU tar writes large ones.
func base256(n uint64) string {
	field := make([]byte, 12)
	binary.BigEndian.PutUint64(field[4:], n)
	field[0] = 0x80
	return string(field)
}
