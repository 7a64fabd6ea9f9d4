package elfdeps

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// maxCacheEntries bounds the entries that are read from ld.so.cache.
const maxCacheEntries = 1 << 20

// cacheEntry is a library in ld.so.cache, in the order of the file.
type cacheEntry struct{ name, path string }

// parseCache reads /etc/ld.so.cache in the format of glibc 2.2 and later
// (magic "glibc-ld.so.cache1.1"), alone or behind the older one
// ("ld.so-1.7.0"), and the older one alone. Anything else gives no entries,
// and an entry that points outside of the file is left out: the loader does
// not trust them either. The layouts are those of sysdeps/generic/dl-cache.h
// in glibc.
func parseCache(b []byte) []cacheEntry {
	const (
		oldMagic, oldHeader, oldEntry = "ld.so-1.7.0\x00", 16, 12
		newMagic                      = "glibc-ld.so.cache1.1"
	)
	if !bytes.HasPrefix(b, []byte(oldMagic)) {
		if bytes.HasPrefix(b, []byte(newMagic)) {
			return newCache(b)
		}
		return nil
	}
	if len(b) < oldHeader {
		return nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := uint64(order.Uint32(b[12:]))
		if n > maxCacheEntries || oldHeader+n*oldEntry > uint64(len(b)) {
			continue
		}
		end := oldHeader + n*oldEntry
		if next := (end + 7) &^ 7; next < uint64(len(b)) && bytes.HasPrefix(b[next:], []byte(newMagic)) {
			return newCache(b[next:])
		}
		return cacheEntries(b[oldHeader:end], oldEntry, b[end:], order)
	}
	return nil
}

// newCache reads the newer format, whose strings are addressed from its
// beginning. Its header has the byte order since glibc 2.33; before that the
// one is taken with which the counts fit.
func newCache(b []byte) []cacheEntry {
	const header, entry = 48, 24
	if len(b) < header {
		return nil
	}
	orders := []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}
	switch b[28] & 3 {
	case 2:
		orders = orders[:1]
	case 3:
		orders = orders[1:]
	default:
	}
	for _, order := range orders {
		n := uint64(order.Uint32(b[20:]))
		if n <= maxCacheEntries && header+n*entry <= uint64(len(b)) {
			return cacheEntries(b[header:header+n*entry], entry, b, order)
		}
	}
	return nil
}

// cacheEntries reads a table of entries of width bytes: flags, name, path ...
// as offsets into text.
func cacheEntries(table []byte, width int, text []byte, order binary.ByteOrder) []cacheEntry {
	var entries []cacheEntry
	budget := maxFile
	for ; len(table) >= width; table = table[width:] {
		name := cString(text, order.Uint32(table[4:]))
		path := cString(text, order.Uint32(table[8:]))
		if budget -= len(name) + len(path); budget < 0 {
			break // many entries may share one string
		}
		if name != "" && !strings.Contains(name, "/") && strings.HasPrefix(path, "/") {
			entries = append(entries, cacheEntry{name, path})
		}
	}
	return entries
}

// cString returns the NUL-terminated string at off, "" when there is none.
func cString(b []byte, off uint32) string {
	if uint64(off) >= uint64(len(b)) {
		return ""
	}
	s := b[off:]
	s = s[:min(len(s), maxString)]
	end := bytes.IndexByte(s, 0)
	if end < 0 {
		return ""
	}
	return string(s[:end])
}
