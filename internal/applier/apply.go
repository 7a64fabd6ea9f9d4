package applier

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

// Options change what is an error.
type Options struct {
	// Late takes hard links that come before their target in one layer.
	Late bool
}

// Image applies the layers of an image, base first.
func Image(img v1.Image, o Options) (*Root, error) {
	layers, err := img.Layers()
	if err != nil {
		return nil, fmt.Errorf("reading the layers: %w", err)
	}
	r := &Root{top: newDir(nil, -1)}
	for i, l := range layers {
		if err := r.layer(i, l, o); err != nil {
			return nil, fmt.Errorf("applying layer %d: %w", i, err)
		}
	}
	return r, nil
}

func (r *Root) layer(i int, l v1.Layer, o Options) error {
	blob, err := l.Compressed()
	if err != nil {
		return err
	}
	defer blob.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(blob)
	if err != nil {
		return err
	}
	archive, err := expand(raw)
	if err != nil {
		return err
	}
	return r.apply(i, tar.NewReader(archive), o)
}

// expand decompresses by what the bytes are.
func expand(raw []byte) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(raw, []byte{0x1f, 0x8b}):
		return gzip.NewReader(bytes.NewReader(raw))
	case bytes.HasPrefix(raw, []byte{0x28, 0xb5, 0x2f, 0xfd}), len(raw) > 4 && raw[0]&0xf0 == 0x50 && raw[1] == 0x2a:
		return zstd.NewReader(bytes.NewReader(raw))
	}
	return bytes.NewReader(raw), nil
}

// apply applies one archive in its order.
func (r *Root) apply(layer int, archive *tar.Reader, o Options) error {
	var late []*tar.Header
	for {
		hdr, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return r.settle(late, layer)
		}
		if err != nil {
			return err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, archive); err != nil {
			return fmt.Errorf("%q: %w", hdr.Name, err)
		}
		err = r.entry(hdr, hex.EncodeToString(sum.Sum(nil)), layer)
		if o.Late && errors.Is(err, errNoTarget) {
			late = append(late, hdr)
			continue
		}
		if err != nil {
			return err
		}
	}
}

// entry applies one entry, a whiteout among them.
func (r *Root) entry(hdr *tar.Header, sum string, layer int) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	dir, base := path.Split(path.Clean("/" + hdr.Name))
	hidden, isWhiteout := strings.CutPrefix(base, ".wh.")
	switch {
	case hidden == ".wh..opq":
		return r.whiteout(dir, "", layer)
	case strings.HasPrefix(hidden, ".wh."), strings.Contains(dir, "/.wh..wh."):
		return nil // left over by AUFS
	case isWhiteout:
		return r.whiteout(dir, hidden, layer)
	}
	return r.put(hdr, sum, layer)
}

// settle places hard links that came before their targets, which may be hard
// links as well.
func (r *Root) settle(late []*tar.Header, layer int) error {
	for len(late) > 0 {
		var again []*tar.Header
		for _, hdr := range late {
			err := r.put(hdr, "", layer)
			if errors.Is(err, errNoTarget) {
				again = append(again, hdr)
			} else if err != nil {
				return err
			}
		}
		if len(again) == len(late) {
			return fmt.Errorf("%q: %w", late[0].Name, errNoTarget)
		}
		late = again
	}
	return nil
}
