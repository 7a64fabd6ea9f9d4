package pkgdb

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
)

// errTar is wrapped by errors about an archive that cannot be edited.
var errTar = errors.New("unreadable tar archive")

// tarBlock is the unit of tar archives in bytes.
const tarBlock = 512

// filterTar returns an archive without the entries that keep refuses. The
// bytes of the others, with their extended headers, and whatever follows the
// last entry are copied as they are.
func filterTar(content []byte, keep func(name string) bool) ([]byte, error) {
	out := make([]byte, 0, len(content))
	start := 0 // of the entry with its extended headers
	for at := 0; at < len(content); {
		if len(content)-at < tarBlock {
			break
		}
		header := content[at : at+tarBlock]
		if allZero(header) {
			break
		}
		end, err := tarEnd(content, at)
		if err != nil {
			return nil, err
		}
		at = end
		switch header[156] {
		case tar.TypeXHeader, tar.TypeGNULongName, tar.TypeGNULongLink:
			continue // belongs to the next entry
		case tar.TypeXGlobalHeader:
			out = append(out, content[start:at]...) // governs all that follow
			start = at
			continue
		}
		h, err := tar.NewReader(bytes.NewReader(content[start:at])).Next()
		if err != nil {
			return nil, fmt.Errorf("%w: entry at byte %d: %w", errTar, start, err)
		}
		if keep(h.Name) {
			out = append(out, content[start:at]...)
		}
		start = at
	}
	return append(out, content[start:]...), nil
}

// tarEnd returns where the entry whose header block is at i ends, its padding
// included.
func tarEnd(content []byte, i int) (int, error) {
	size, ok := tarNumber(content[i+124 : i+136])
	if !ok {
		return 0, fmt.Errorf("%w: size of the entry at byte %d", errTar, i)
	}
	switch content[i+156] {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		size = 0 // no data follows, whatever the field says
	default:
	}
	room := int64(len(content) - i - tarBlock)
	if size > room {
		return 0, fmt.Errorf("%w: entry at byte %d is cut", errTar, i)
	}
	padded := (size + tarBlock - 1) / tarBlock * tarBlock
	return i + tarBlock + int(min(padded, room)), nil
}

// tarNumber reads an octal field, or a base-256 one of GNU tar.
func tarNumber(field []byte) (n int64, ok bool) {
	if field[0]&0x80 != 0 {
		if field[0] != 0x80 {
			return 0, false // negative, or far too large
		}
		for _, c := range field[1:] {
			if n > 1<<40 {
				return 0, false
			}
			n = n<<8 | int64(c)
		}
		return n, true
	}
	field = bytes.Trim(field, " \x00")
	for _, c := range field {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0') // at most 12 digits
	}
	return n, true
}

// allZero says whether a block ends an archive.
func allZero(block []byte) bool {
	return len(bytes.Trim(block, "\x00")) == 0
}
