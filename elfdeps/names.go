package elfdeps

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// ErrTooManyNames is returned by [SharedNames], with the names so far, for
// content with more names than any real file has.
var ErrTooManyNames = errors.New("too many library names")

// Bounds of [SharedNames].
const (
	nameChunk      = 256 << 10 // bytes read at once
	maxSharedName  = 128       // bytes of one name
	maxSharedNames = 1 << 16
)

// SharedNames returns the names of the form lib….so or lib….so.N… that occur in
// size bytes of content, sorted and unique: the libraries that the file may
// dlopen by name. Since not every language ends its strings with a NUL, what
// stands before lib and after the name does not matter.
func SharedNames(r io.ReaderAt, size int64) ([]string, error) {
	found := map[string]bool{}
	buf := make([]byte, min(nameChunk, max(size, 0))+2*maxSharedName)
	kept := 0 // bytes at the front of buf from the chunk before
	for off := int64(0); off < size; {
		n := int(min(nameChunk, size-off))
		if err := readFull(r, buf[kept:kept+n], off); err != nil {
			return nil, fmt.Errorf("reading library names: %w", err)
		}
		off += int64(n)
		data := buf[:kept+n]
		// A name that begins near the end may go on in the next chunk.
		end := len(data) - maxSharedName
		if off == size {
			end = len(data)
		}
		scanNames(data, end, found)
		if len(found) > maxSharedNames {
			return slices.Sorted(maps.Keys(found)), ErrTooManyNames
		}
		from := max(0, len(data)-2*maxSharedName)
		kept = copy(buf, data[from:])
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// scanNames adds the names in data whose ".so" begins before end.
func scanNames(data []byte, end int, found map[string]bool) {
	suffix := []byte(".so")
	for at := 0; at < len(data); at += len(suffix) {
		i := bytes.Index(data[at:], suffix)
		if i < 0 || at+i >= end {
			return
		}
		at += i
		stop := version(data, at+len(suffix))
		start := at
		for start > 0 && at-start < maxSharedName && nameByte(data[start-1]) {
			start--
		}
		addNames(data[start:stop], at-start, found)
	}
}

// addNames adds every name of token that begins with lib, where the ".so" is
// at dot: in unterminated strings the first lib need not be the right one.
func addNames(token []byte, dot int, found map[string]bool) {
	prefix := []byte("lib")
	for at := 0; at < dot; at++ {
		i := bytes.Index(token[at:dot], prefix)
		if i < 0 {
			return
		}
		at += i
		if name := token[at:]; dot-at > len(prefix) && len(name) <= maxSharedName && !found[string(name)] {
			found[string(name)] = true
		}
	}
}

// version returns the end of the .N.N… that begins at i.
func version(data []byte, i int) int {
	for i+1 < len(data) && data[i] == '.' && digit(data[i+1]) {
		i++
		for i < len(data) && digit(data[i]) {
			i++
		}
	}
	return i
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// nameByte says whether c occurs in names of libraries.
func nameByte(c byte) bool {
	return digit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' ||
		c == '.' || c == '_' || c == '-' || c == '+'
}
