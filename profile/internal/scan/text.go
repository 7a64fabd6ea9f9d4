package scan

import (
	"encoding/binary"
	"math/bits"
)

// Every byte of a word.
const (
	ones = 0x0101010101010101
	tops = 0x80 * ones
)

// special marks, by its top bit, the first byte of a word in the order of
// memory that a text does not hold as it is: a quote, a backslash or a control
// character. Bytes behind it may be marked in error.
func special(word uint64) uint64 {
	quote := word ^ '"'*ones
	slash := word ^ '\\'*ones
	return ((quote-ones)&^quote | (slash-ones)&^slash | (word-' '*ones)&^word) & tops
}

// plain is the index of the first special byte at or behind i, and whether all
// bytes before it are ASCII. It is len(d) where there is none.
func plain(d []byte, i int) (end int, ascii bool) {
	var high uint64
	for ; i+8 <= len(d); i += 8 {
		word := binary.LittleEndian.Uint64(d[i:])
		marks := special(word)
		if marks != 0 {
			high |= word & (marks&-marks - 1)
			return i + bits.TrailingZeros64(marks)/8, high&tops == 0
		}
		high |= word
	}
	ascii = high&tops == 0
	for ; i < len(d); i++ {
		switch c := d[i]; {
		case c == '"', c == '\\', c < ' ':
			return i, ascii
		case c >= 0x80:
			ascii = false
		}
	}
	return i, ascii
}

// byteAt is the byte at i, or 0 behind the end, which is no byte of JSON.
func byteAt(d []byte, i int) byte {
	if i < len(d) {
		return d[i]
	}
	return 0
}

// pastText is the index behind the text whose first byte is at i, or -1.
func pastText(d []byte, i int) int {
	for {
		i, _ = plain(d, i)
		switch byteAt(d, i) {
		case '"':
			return i + 1
		case '\\':
			if i = pastEscape(d, i+1); i < 0 {
				return -1
			}
		default:
			return -1
		}
	}
}

// pastEscape is the index behind the escape whose backslash is before i, or -1.
// Halves of surrogate pairs are left to others.
func pastEscape(d []byte, i int) int {
	switch byteAt(d, i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
	default:
		return -1
	}
	if i+5 > len(d) {
		return -1
	}
	for _, c := range d[i+1 : i+5] {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return -1
		}
	}
	if d[i+1]|0x20 == 'd' && d[i+2] >= '8' {
		return -1
	}
	return i + 5
}

// pastSpace is the index of the first byte at or behind i that is not space.
func pastSpace(d []byte, i int) int {
	for i < len(d) && d[i] <= ' ' && (d[i] == ' ' || d[i] == '\n' || d[i] == '\r' || d[i] == '\t') {
		i++
	}
	return i
}

// pastDigits is the index of the first byte at or behind i that is no digit.
func pastDigits(d []byte, i int) int {
	for i < len(d) && d[i]-'0' < 10 {
		i++
	}
	return i
}

// pastNumber is the index behind the number that starts at i, or -1.
func pastNumber(d []byte, i int) int {
	if byteAt(d, i) == '-' {
		i++
	}
	first := i
	if i = pastDigits(d, i); i == first || d[first] == '0' && i > first+1 {
		return -1
	}
	if byteAt(d, i) == '.' {
		first = i + 1
		if i = pastDigits(d, first); i == first {
			return -1
		}
	}
	if byteAt(d, i)|0x20 == 'e' {
		i++
		if c := byteAt(d, i); c == '+' || c == '-' {
			i++
		}
		first = i
		if i = pastDigits(d, first); i == first {
			return -1
		}
	}
	return i
}

// pastWord is the index behind the word that starts at i, or -1.
func pastWord(d []byte, i int, word string) int {
	if i+len(word) > len(d) || string(d[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}
