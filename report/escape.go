package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape makes text from an image safe to print: what is not a visible letter,
// mark-free, or a plain blank becomes \n, \t, \x1b or \u202e, bytes that are not
// UTF-8 become \xff, and a backslash is doubled. So the result is one line, and
// no two texts look the same because of what is invisible in them.
func escape(s string) string { return escapeAlso(s, "") }

// command makes a command of the caller's safe to print. Its backslashes are the
// shell's and stay, so that it can be copied.
func command(s string) string { return strings.ReplaceAll(escape(s), `\\`, `\`) }

// escapeAlso also escapes the given ASCII characters as \x60.
func escapeAlso(s, also string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < utf8.RuneSelf && (r < ' ' || r == 0x7f || strings.ContainsRune(also, r)):
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < utf8.RuneSelf, visible(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		i += size
	}
	return b.String()
}

// visible tells whether a rune takes a place of its own on a line: no control
// and format characters, no marks that sit on the rune before, no odd blanks.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.IsMark(r) && r != '\u3164' && r != '\uffa0' && r != '\u115f' && r != '\u1160' && r != '\u2800'
}

// code makes a Markdown code span.
func code(s string) string {
	s = escapeAlso(s, "`|")
	if strings.HasPrefix(s, " ") {
		s = `\x20` + s[1:]
	}
	if strings.HasSuffix(s, " ") {
		s = s[:len(s)-1] + `\x20`
	}
	if s == "" {
		return `""`
	}
	return "`" + s + "`"
}

// prose makes text for Markdown in which nothing is markup, a link or a mention.
func prose(s string) string {
	s = escape(s)
	var b strings.Builder
	for i := range len(s) {
		if markup(s, i) {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// markup tells whether the character at i could mean something to a renderer of
// GitHub's Markdown in the middle of a line.
func markup(s string, i int) bool {
	switch s[i] {
	case ':': // of an address, or of an emoji's name
		return i+1 < len(s) && s[i+1] != ' '
	case '.':
		return strings.HasSuffix(strings.ToLower(s[:i]), "www")
	case '-', '+', '=':
		return i == 0
	}
	return strings.IndexByte("\\`*_[]<>#|~&@$", s[i]) >= 0
}
