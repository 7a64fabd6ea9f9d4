// Package plainjson makes JSON safe to show on a terminal. The standard library
// escapes what JSON demands: quotes, backslashes and the control characters below
// U+0020. Others act on a terminal, too: DEL, the C1 controls (U+009B starts a
// command as ESC [ does), and characters that turn or hide text.
package plainjson

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Escape writes every character of a JSON text that cannot be seen as \uXXXX,
// two of them for a character above U+FFFF. The value stays the same: in JSON
// such characters are in strings only. A text without any is returned as it is.
func Escape(text []byte) []byte {
	start := 0
	var out []byte
	for at := 0; at < len(text); {
		if text[at] < 0x7f {
			at++
			continue
		}
		r, size := utf8.DecodeRune(text[at:])
		if size > 1 && unicode.IsGraphic(r) {
			at += size
			continue
		}
		out = append(out, text[start:at]...)
		if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		at += size
		start = at
	}
	if out == nil {
		return text
	}
	return append(out, text[start:]...)
}
