// Package testimage makes small OCI images for tests from a text that one can
// read at a glance.
//
// A layer is a list of lines, an entry each:
//
//	dir     PATH [OPTIONS]
//	file    PATH [OPTIONS] [= CONTENT]
//	script  PATH [OPTIONS] = INTERPRETER LINE
//	elf     PATH [OPTIONS] [interp=P] [needed=A,B] [soname=S] [runpath=P] [rpath=P] [type=exec|dyn|pie|damaged|packed] [strings=A,B] [imports=A,B]
//	link    PATH [OPTIONS] -> TARGET
//	hard    PATH -> TARGET
//	fifo    PATH
//	gone    PATH            a whiteout
//	opaque  DIR             an opaque marker
//
// OPTIONS are mode=0755 uid=1 gid=1 pax (headers in PAX form). A line "---"
// starts the next layer; empty lines and lines with # are skipped. In CONTENT \n
// means a line's end.
package testimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Image makes an image from a text. The config's other fields are config's.
func Image(text string, config v1.Config) (v1.Image, error) {
	var tars [][]byte
	for layer := range strings.SplitSeq(text, "\n---\n") {
		b, err := Tar(layer)
		if err != nil {
			return nil, err
		}
		tars = append(tars, b)
	}
	return FromTars(tars, config)
}

// FromTars makes an image of gzip layers from archives.
func FromTars(tars [][]byte, config v1.Config) (v1.Image, error) {
	cfg := &v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Config: config, RootFS: v1.RootFS{Type: "layers"},
	}
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), cfg)
	if err != nil {
		return nil, fmt.Errorf("making the config: %w", err)
	}
	img = mutate.ConfigMediaType(img, types.OCIConfigJSON)
	for i, t := range tars {
		blob, err := Gzip(t)
		if err != nil {
			return nil, err
		}
		layer := &layer{Layer: static.NewLayer(blob, types.OCILayer), tar: t}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer: layer, MediaType: types.OCILayer,
			History: v1.History{CreatedBy: fmt.Sprintf("layer %d", i), Created: v1.Time{Time: time.Unix(int64(i), 0).UTC()}},
		})
		if err != nil {
			return nil, fmt.Errorf("adding layer %d: %w", i, err)
		}
	}
	return img, nil
}

// layer is a static layer that knows what is inside.
type layer struct {
	v1.Layer
	tar []byte
}

// DiffID is the SHA-256 of the archive.
func (l *layer) DiffID() (v1.Hash, error) {
	h, _, err := v1.SHA256(bytes.NewReader(l.tar))
	return h, err
}

// Uncompressed reads the archive.
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.tar)), nil
}

// Gzip compresses with the standard library, as docker does.
func Gzip(b []byte) ([]byte, error) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return buf.Bytes(), nil
}

// Tar makes the archive of one layer.
func Tar(text string) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		hdr, content, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if err := w.WriteHeader(hdr); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if _, err := w.Write(content); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing the archive: %w", err)
	}
	return buf.Bytes(), nil
}

func parseLine(line string) (*tar.Header, []byte, error) {
	head, content, hasContent := strings.Cut(line, " = ")
	head, target, _ := strings.Cut(head, " -> ")
	fields := strings.Fields(head)
	if len(fields) < 2 {
		return nil, nil, fmt.Errorf("want TYPE PATH")
	}
	options := map[string]string{}
	for _, f := range fields[2:] {
		k, v, _ := strings.Cut(f, "=")
		options[k] = v
	}
	hdr := &tar.Header{Name: fields[1], Mode: 0o644, ModTime: time.Unix(1_700_000_000, 0), Linkname: strings.TrimSpace(target)}
	body := []byte(strings.ReplaceAll(content, `\n`, "\n"))
	if !hasContent && (fields[0] == "file") {
		body = []byte("content of " + fields[1])
	}
	switch fields[0] {
	case "dir":
		hdr.Typeflag, hdr.Mode = tar.TypeDir, 0o755
		hdr.Name += "/"
	case "file":
		hdr.Typeflag = tar.TypeReg
	case "script":
		hdr.Typeflag, hdr.Mode = tar.TypeReg, 0o755
		body = append([]byte("#!"), append(body, '\n')...)
	case "elf":
		hdr.Typeflag, hdr.Mode = tar.TypeReg, 0o755
		body = ELF(elfOptions(options))
	case "link":
		hdr.Typeflag, hdr.Mode = tar.TypeSymlink, 0o777
	case "hard":
		hdr.Typeflag = tar.TypeLink
	case "fifo":
		hdr.Typeflag = tar.TypeFifo
	case "gone":
		dir, base := path.Split(hdr.Name)
		hdr.Typeflag, hdr.Name = tar.TypeReg, dir+".wh."+base
	case "opaque":
		hdr.Typeflag, hdr.Name = tar.TypeReg, path.Join(hdr.Name, ".wh..wh..opq")
	default:
		return nil, nil, fmt.Errorf("unknown type %q", fields[0])
	}
	hdr.Size = int64(len(body))
	return hdr, body, setOptions(hdr, options)
}

func setOptions(hdr *tar.Header, options map[string]string) error {
	for k, v := range options {
		var err error
		switch k {
		case "mode":
			hdr.Mode, err = strconv.ParseInt(v, 8, 64)
		case "uid":
			hdr.Uid, err = strconv.Atoi(v)
		case "gid":
			hdr.Gid, err = strconv.Atoi(v)
		case "pax":
			hdr.Format = tar.FormatPAX
			hdr.PAXRecords = map[string]string{"SCHILY.xattr.user.note": hdr.Name}
		}
		if err != nil {
			return fmt.Errorf("option %s: %w", k, err)
		}
	}
	return nil
}
