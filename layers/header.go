package layers

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Field positions of a tar header block, from POSIX ustar and the GNU tar manual.
const (
	sizeOff      = 124
	sizeLen      = 12
	checksumOff  = 148
	checksumLen  = 8
	typeOff      = 156
	linkOff      = 157
	linkLen      = 100
	deviceOff    = 329 // major and minor, eight bytes each
	deviceLen    = 16
	sparseExtOff = 482
	extMoreOff   = 504
)

// chain is the run of header blocks that make one entry: extension headers
// (PAX x, GNU L and K) and the main header, with GNU sparse extensions after it.
type chain struct {
	parts    []chainPart
	main     int64 // offset of the main header
	end      int64 // offset of the first byte of content
	physical int64 // bytes of content in the archive
	sparse   bool
	records  []paxRecord // of the last x header
}

type chainPart struct {
	flag       byte
	start, end int64 // header and body with padding
}

type paxRecord struct{ key, value string }

var errHeader = errors.New("malformed tar header")

// parseChain reads the raw bytes that archive/tar consumed for one entry. It
// may have consumed the start of the content too (PAX sparse maps).
func parseChain(raw []byte) (*chain, error) {
	c := &chain{}
	for off := int64(0); ; {
		if off+block > int64(len(raw)) {
			return nil, errHeader
		}
		hdr := raw[off : off+block]
		size, err := parseNumber(hdr[sizeOff : sizeOff+sizeLen])
		if err != nil {
			return nil, err
		}
		switch flag := hdr[typeOff]; flag {
		case 'x', 'L', 'K':
			body := off + block
			end := body + (size+block-1)/block*block
			if size < 0 || end > int64(len(raw)) {
				return nil, errHeader
			}
			if flag == 'x' {
				if c.records, err = parsePAX(raw[body : body+size]); err != nil {
					return nil, err
				}
			}
			c.parts = append(c.parts, chainPart{flag, off, end})
			off = end
		default:
			c.main, c.end, c.physical = off, off+block, size
			return c, c.finish(raw, flag)
		}
	}
}

// finish settles content size and sparseness once the main header is known.
func (c *chain) finish(raw []byte, flag byte) error {
	for _, r := range c.records {
		if strings.HasPrefix(r.key, "GNU.sparse.") {
			c.sparse = true
		}
		if r.key == "size" && r.value != "" {
			n, err := strconv.ParseInt(r.value, 10, 64)
			if err != nil || n < 0 {
				return fmt.Errorf("PAX size %.40q: %w", r.value, errHeader)
			}
			c.physical = n
		}
	}
	if flag == 'S' {
		c.sparse = true
		more := raw[c.main+sparseExtOff] == 1
		for more {
			if c.end+block > int64(len(raw)) {
				return errHeader
			}
			more = raw[c.end+extMoreOff] == 1
			c.end += block
		}
	}
	if c.physical < 0 || c.physical > 1<<60 {
		return fmt.Errorf("size %d: %w", c.physical, errHeader)
	}
	return nil
}

// parseNumber reads an octal or, with the top bit set, a base-256 field.
func parseNumber(b []byte) (int64, error) {
	if len(b) > 0 && b[0]&0x80 != 0 {
		var n int64
		for i, c := range b {
			if i == 0 {
				c &= 0x7f
			}
			if n > 1<<54 {
				return 0, errHeader
			}
			n = n<<8 | int64(c)
		}
		return n, nil
	}
	s := strings.Trim(string(b), " \x00")
	if s == "" {
		return 0, nil
	}
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	n, err := strconv.ParseInt(s, 8, 64)
	if err != nil || n < 0 {
		return 0, errHeader
	}
	return n, nil
}

// parsePAX reads "LENGTH KEY=VALUE\n" records in their order.
func parsePAX(b []byte) ([]paxRecord, error) {
	var records []paxRecord
	for len(b) > 0 {
		sp := bytes.IndexByte(b, ' ')
		if sp < 1 || sp > 20 {
			return nil, fmt.Errorf("PAX record: %w", errHeader)
		}
		n, err := strconv.Atoi(string(b[:sp]))
		if err != nil || n < sp+3 || n > len(b) || b[n-1] != '\n' {
			return nil, fmt.Errorf("PAX record: %w", errHeader)
		}
		key, value, ok := strings.Cut(string(b[sp+1:n-1]), "=")
		if !ok {
			return nil, fmt.Errorf("PAX record without a value: %w", errHeader)
		}
		records = append(records, paxRecord{key, value})
		b = b[n:]
	}
	return records, nil
}

// formatPAX writes records in the form that parsePAX reads.
func formatPAX(records []paxRecord) []byte {
	var out []byte
	for _, r := range records {
		body := len(r.key) + len(r.value) + 3 // space, equals sign, newline
		n := body + len(strconv.Itoa(body))
		n = body + len(strconv.Itoa(n))
		out = append(out, fmt.Sprintf("%d %s=%s\n", n, r.key, r.value)...)
	}
	return out
}

// headerEdit says what changes in the headers of one entry; all else stays.
type headerEdit struct {
	flag    byte   // new type flag, 0 keeps it
	size    int64  // new content size, -1 keeps it
	link    string // new link name, taken when setLink
	setLink bool
	device  []byte            // new device numbers as a header has them
	global  map[string]string // records of global headers to fold in
}

// apply encodes the headers of an entry anew with the edit.
func (h headerEdit) apply(raw []byte, c *chain) []byte {
	main := slices.Clone(raw[c.main:c.end])
	records := slices.Clone(c.records)
	drop := func(keys ...string) {
		records = slices.DeleteFunc(records, func(r paxRecord) bool { return slices.Contains(keys, r.key) })
	}
	longLink := true
	if h.flag != 0 {
		main[typeOff] = h.flag
	}
	if h.device != nil {
		copy(main[deviceOff:], h.device)
	}
	if h.size >= 0 {
		drop("size")
		putSize(main[sizeOff:sizeOff+sizeLen], h.size)
	}
	if h.setLink {
		longLink = false
		drop("linkpath")
		clear(main[linkOff : linkOff+linkLen])
		if len(h.link) > linkLen {
			records = append(records, paxRecord{"linkpath", h.link})
		} else {
			copy(main[linkOff:], h.link)
		}
	}
	records = foldGlobal(records, h.global)
	putChecksum(main)
	return c.assemble(raw, main, records, longLink)
}

// foldGlobal adds the global records that the entry does not set itself.
func foldGlobal(records []paxRecord, global map[string]string) []paxRecord {
	keys := make([]string, 0, len(global))
	for k := range global {
		if !slices.ContainsFunc(records, func(r paxRecord) bool { return r.key == k }) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		records = append(records, paxRecord{k, global[k]})
	}
	return records
}

// assemble joins extension headers, the PAX records and the main header.
func (c *chain) assemble(raw, main []byte, records []paxRecord, longLink bool) []byte {
	var out []byte
	var pax *chainPart
	for i, p := range c.parts {
		switch p.flag {
		case 'x':
			pax = &c.parts[i] // the last one counts
		case 'K':
			if longLink {
				out = append(out, raw[p.start:p.end]...)
			}
		default:
			out = append(out, raw[p.start:p.end]...)
		}
	}
	if len(records) > 0 {
		body := formatPAX(records)
		var hdr []byte
		if pax != nil {
			hdr = slices.Clone(raw[pax.start : pax.start+block])
		} else {
			hdr = newPAXHeader()
		}
		putSize(hdr[sizeOff:sizeOff+sizeLen], int64(len(body)))
		putChecksum(hdr)
		out = append(append(out, hdr...), body...)
		out = append(out, make([]byte, -len(body)&(block-1))...)
	}
	return append(out, main...)
}

// newPAXHeader is a ustar header of type x with nothing of the clock in it.
func newPAXHeader() []byte {
	hdr := make([]byte, block)
	copy(hdr, "PaxHeaders.0/entry")
	copy(hdr[100:], "0000644\x000000000\x000000000\x00")
	copy(hdr[136:], "00000000000\x00")
	hdr[typeOff] = 'x'
	copy(hdr[257:], "ustar\x0000")
	return hdr
}

func putSize(field []byte, n int64) {
	if n < 1<<33 {
		copy(field, fmt.Sprintf("%011o\x00", n))
		return
	}
	for i := len(field) - 1; i >= 0; i-- { // base-256, as GNU tar writes it
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}

func putChecksum(hdr []byte) {
	copy(hdr[checksumOff:checksumOff+checksumLen], "        ")
	var sum int64
	for _, b := range hdr[:block] {
		sum += int64(b)
	}
	copy(hdr[checksumOff:], fmt.Sprintf("%06o\x00 ", sum))
}
