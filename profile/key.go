package profile

import (
	"path"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// Key is the key of an executable: its path, and "::" and the applet where one
// is given. In both, "%", "::" and bytes that are not UTF-8 are escaped as %XX,
// so that two executables never share a key and every key is UTF-8.
func Key(file Path, applet string) string {
	key := escape(string(file))
	if applet == "" {
		return key
	}
	return key + "::" + escape(applet)
}

// SplitKey is the inverse of [Key].
func SplitKey(key string) (file Path, applet string) {
	head, tail, _ := strings.Cut(key, "::")
	return Path(unescape(head)), unescape(tail)
}

// Applet is the name to put in a key for a program at file that was called as
// argv0: the base name of argv0 without a login shell's dash, or "" where it
// is that of file or holds a NUL. Bytes that are not UTF-8 are replaced.
func Applet(file Path, argv0 string) string {
	name := strings.TrimPrefix(path.Base(argv0), "-")
	if name == "" || name == "." || name == "/" || name == path.Base(string(file)) || strings.Contains(name, "\x00") {
		return ""
	}
	return strings.ToValidUTF8(name, "\ufffd")
}

// escape escapes every colon that touches another one or an end, so that no
// path holds or makes up "::".
func escape(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1, r == '%', r < ' ', r == 0x7f:
			b.WriteByte('%')
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		case r == ':' && touchesColon(s, i):
			b.WriteString("%3A")
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// isPlain reports whether s holds nothing that could have to be escaped.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '%' || c == ':' {
			return false
		}
	}
	return true
}

func touchesColon(s string, i int) bool {
	return i == 0 || i == len(s)-1 || s[i-1] == ':' || s[i+1] == ':'
}

func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
