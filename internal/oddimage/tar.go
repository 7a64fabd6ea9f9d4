package oddimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/internal/testimage"
)

// unusedProgram is an executable that nothing uses.
func unusedProgram(name string) item {
	return item{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755}, body: string(testimage.ELF(testimage.ELFOptions{Type: "exec"}))}
}

// item is one entry of an archive.
type item struct {
	tar.Header
	body string
}

func file(name, body string) item {
	return item{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(1_700_000_000, 0)}, body: body}
}

func dir(name string) item {
	return item{Header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(1_700_000_000, 0)}}
}

func link(kind byte, name, target string) item {
	mode := int64(0o644)
	if kind == tar.TypeSymlink {
		mode = 0o777
	}
	return item{Header: tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: mode, ModTime: time.Unix(1_700_000_000, 0)}}
}

// with changes a header.
func (i item) with(change func(*tar.Header)) item {
	change(&i.Header)
	return i
}

// archiveOf writes entries.
func archiveOf(items ...item) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, it := range items {
		it.Size = int64(len(it.body))
		if err := w.WriteHeader(&it.Header); err != nil {
			return nil, fmt.Errorf("%q: %w", it.Name, err)
		}
		if _, err := w.Write([]byte(it.body)); err != nil {
			return nil, fmt.Errorf("%q: %w", it.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing the archive: %w", err)
	}
	return buf.Bytes(), nil
}

// textLayer makes a layer of a testimage text and an unused program.
func textLayer(text string, n int) (Layer, error) {
	raw, err := testimage.Tar(fmt.Sprintf("%s\nelf %s%d type=exec", text, Unused, n))
	return Layer{Archive: raw}, err
}

// members compresses an archive in several gzip members.
func members(archive []byte) ([]byte, error) {
	var buf bytes.Buffer
	for len(archive) > 0 {
		n := min(len(archive), 700)
		z := gzip.NewWriter(&buf)
		if _, err := z.Write(archive[:n]); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
		if err := z.Close(); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
		archive = archive[n:]
	}
	return buf.Bytes(), nil
}

// frames compresses an archive in several zstd frames with skippable frames
// (RFC 8878, 3.1.2) between them, or first.
func frames(archive []byte, skippableFirst bool) ([]byte, error) {
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		return nil, fmt.Errorf("starting zstd: %w", err)
	}
	skippable := binary.LittleEndian.AppendUint32([]byte{0x5a, 0x2a, 0x4d, 0x18}, 4)
	skippable = append(skippable, "toc!"...)
	var out []byte
	if skippableFirst {
		out = append(out, skippable...)
	}
	for len(archive) > 0 {
		n := min(len(archive), 900)
		out = enc.EncodeAll(archive[:n], out)
		out = append(out, skippable...)
		archive = archive[n:]
	}
	return out, nil
}

// sparseMark stands for the prefix of PAX records of sparse files, which the
// writer does not take. The two have the same length, and no checksum covers
// the records.
const sparseMark = "XXX.sparse."

// paxSparse is a sparse file in PAX format 1.0, as GNU tar writes it: the map
// of its data is at the start of the content.
func paxSparse(name string, holes int) ([]byte, error) {
	sparseMap := fmt.Sprintf("2\n0\n4\n%d\n4\n", holes)
	body := sparseMap + string(make([]byte, 512-len(sparseMap))) + "headtail"
	it := file("GNUSparseFile.0/"+name, body)
	it.Format = tar.FormatPAX
	it.PAXRecords = map[string]string{
		sparseMark + "major": "1", sparseMark + "minor": "0", sparseMark + "name": name,
		sparseMark + "realsize": fmt.Sprint(holes + 4),
	}
	raw, err := archiveOf(it, unusedProgram(Unused+"-beside-"+name))
	return bytes.ReplaceAll(raw, []byte(sparseMark), []byte("GNU.sparse.")), err
}

// paxSparseOld is a sparse file in PAX format 0.0 or 0.1, whose map is in the
// records (GNU tar manual, "PAX Format, Versions 0.0 and 0.1").
func paxSparseOld(version, name string, holes int) ([]byte, error) {
	size := fmt.Sprint(holes + 4)
	pairs := [][2]string{{"GNU.sparse.size", size}, {"GNU.sparse.numblocks", "2"}}
	header := name
	if version == "0.0" {
		pairs = append(pairs, [][2]string{
			{"GNU.sparse.offset", "0"}, {"GNU.sparse.numbytes", "4"}, {"GNU.sparse.offset", fmt.Sprint(holes)}, {"GNU.sparse.numbytes", "4"},
		}...)
	} else {
		header = "GNUSparseFile.0/" + name
		pairs = append(pairs, [][2]string{{"GNU.sparse.name", name}, {"GNU.sparse.map", fmt.Sprintf("0,4,%d,4", holes)}}...)
	}
	var records strings.Builder
	for _, p := range pairs {
		rest := " " + p[0] + "=" + p[1] + "\n"
		n := len(rest) + 2
		if n < 10+1 {
			n = len(rest) + 1
		}
		fmt.Fprintf(&records, "%d%s", n, rest)
	}
	extended, err := archiveOf(file("PaxHeaders/"+name, records.String()))
	if err != nil {
		return nil, err
	}
	extended[gnuType] = tar.TypeXHeader
	setChecksum(extended[:512])
	raw, err := archiveOf(file(header, "headtail"), unusedProgram(Unused+"-beside-"+name))
	return append(extended[:len(extended)-2*512:len(extended)-2*512], raw...), err
}

// gnuSparseMany is a sparse file in the old GNU format of more pieces than the
// header has room for: the rest of the map is in a block behind it.
func gnuSparseMany(name string, holes int) ([]byte, error) {
	const pieces = 8
	it := file(name, strings.Repeat("part", pieces))
	it.Format = tar.FormatGNU
	raw, err := archiveOf(it, unusedProgram(Unused+"-beside-"+name))
	if err != nil {
		return nil, err
	}
	header, more := bytes.Clone(raw[:512]), make([]byte, 512)
	header[gnuType], header[gnuExtended] = 'S', 1
	for i := range pieces {
		at := fmt.Sprintf("%011o\x00%011o\x00", i*(holes/pieces), 4)
		if i < 4 {
			copy(header[gnuMap+24*i:], at)
		} else {
			copy(more[24*(i-4):], at)
		}
	}
	copy(header[gnuRealSize:], fmt.Sprintf("%011o\x00", holes))
	setChecksum(header)
	return slices.Concat(header, more, raw[512:]), nil
}

// Positions in a header of old GNU format, from the GNU tar manual.
const (
	gnuChecksum = 148
	gnuType     = 156
	gnuMap      = 386
	gnuExtended = 482
	gnuRealSize = 483
)

// gnuSparse is a sparse file in the old GNU format: the map is in the header.
func gnuSparse(name string, holes int) ([]byte, error) {
	it := file(name, "headtail")
	it.Format = tar.FormatGNU
	raw, err := archiveOf(it, unusedProgram(Unused+"-beside-"+name))
	if err != nil {
		return nil, err
	}
	header := raw[:512]
	header[gnuType] = 'S'
	copy(header[gnuMap:], fmt.Sprintf("%011o\x00%011o\x00%011o\x00%011o\x00", 0, 4, holes, 4))
	copy(header[gnuRealSize:], fmt.Sprintf("%011o\x00", holes+4))
	setChecksum(header)
	return raw, nil
}
