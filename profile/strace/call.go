package strace

import (
	"strconv"
	"strings"
)

// maxArgs is how many arguments of a call, members of a structure or elements
// of a list are looked at.
const maxArgs = 4096

// call is one finished system call.
type call struct {
	name string
	text string // from behind the opening parenthesis to the end of the line
}

// result is what a call returned.
type result struct {
	known bool // false for "?"
	value int64
	errno string // such as ENOENT; "" on success
	fd    string // what the returned descriptor refers to, with -y
	gone  bool   // fd is of a deleted file
}

func (r result) ok() bool { return r.known && r.errno == "" }

// cutName takes the name of the system call and the parenthesis off s.
func cutName(s string) (name, rest string, ok bool) {
	n := 0
	for n < len(s) && n <= 64 && (isDigit(s[n]) || s[n] >= 'a' && s[n] <= 'z' || s[n] == '_') {
		n++
	}
	if n == 0 || n == len(s) || s[n] != '(' {
		return "", "", false
	}
	return s[:n], s[n+1:], true
}

// parse splits the text of a call into arguments and result.
func (c call) parse() (args []string, res result, ok bool) {
	args, rest, ok := split(c.text, ')')
	if !ok {
		return nil, result{}, false
	}
	rest = strings.TrimLeft(rest, " ")
	rest, ok = strings.CutPrefix(rest, "=")
	if !ok {
		return nil, result{}, false
	}
	res, ok = parseResult(strings.TrimSpace(rest))
	return args, res, ok
}

func parseResult(s string) (result, bool) {
	if strings.HasPrefix(s, "?") {
		return result{}, true
	}
	word, rest, _ := strings.Cut(s, " ")
	if fd, ok := parseFD(s); ok {
		return result{known: true, value: int64(fd.number), fd: fd.refers, gone: fd.gone}, true
	}
	value, err := strconv.ParseInt(word, 0, 64)
	if err != nil {
		if _, err := strconv.ParseUint(word, 0, 64); err != nil {
			return result{}, false
		}
	}
	res := result{known: true, value: value}
	if value == -1 {
		name, _, _ := strings.Cut(rest, " ")
		if strings.HasPrefix(name, "E") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && len(name) <= 32 {
			res.errno = name
		}
	}
	return res, true
}

// split cuts s at the commas of its top level, up to the closing byte, and
// returns what is behind that.
func split(s string, closing byte) (parts []string, rest string, ok bool) {
	depth, start := 0, 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"':
			i = skipString(s, i)
			continue
		case c == '<' && opensAnnotation(s, i):
			i = skipAnnotation(s, i)
			continue
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i:], "*/")
			if end < 0 {
				return nil, "", false
			}
			i += end + 2
			continue
		case depth == 0 && c == closing:
			if part := strings.TrimSpace(s[start:i]); part != "" || len(parts) > 0 {
				parts = append(parts, part)
			}
			return parts, s[i+1:], true
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth == 0 && c == ',':
			if len(parts) >= maxArgs {
				return nil, "", false
			}
			parts = append(parts, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
		if depth < 0 {
			return nil, "", false
		}
		i++
	}
	return nil, "", false
}

// skipString returns the index behind the string literal that starts at i.
func skipString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// opensAnnotation tells the < of 3</path> from that of 1<<8.
func opensAnnotation(s string, i int) bool {
	if i == 0 || i+1 == len(s) || s[i+1] == '<' || s[i+1] == ' ' {
		return false
	}
	before := s[i-1]
	return isDigit(before) || before >= 'A' && before <= 'Z'
}

// skipAnnotation returns the index behind the annotation that starts at i. In
// paths strace escapes < and >; the arrow of a connection is none.
func skipAnnotation(s string, i int) int {
	depth := 0
	path := strings.HasPrefix(s[i:], "</")
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '<':
			depth++
		case '>':
			if !path && s[i-1] == '-' {
				continue
			}
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// descriptor is a file descriptor as an argument, AT_FDCWD or a result.
type descriptor struct {
	number int    // atCWD for AT_FDCWD
	refers string // to a path, "TCP:[...]" and so on; "" without -y
	gone   bool   // to a deleted file
}

const atCWD = -100

// parseFD reads a descriptor. It fails for numbers without an annotation that
// are no descriptors, such as addresses.
func parseFD(s string) (descriptor, bool) {
	var fd descriptor
	rest, ok := strings.CutPrefix(s, "AT_FDCWD")
	if ok {
		fd.number = atCWD
	} else {
		n := 0
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		number, err := strconv.Atoi(s[:n])
		if err != nil || number > 1<<30 {
			return fd, false
		}
		fd.number, rest = number, s[n:]
	}
	if rest == "" || rest[0] != '<' {
		return fd, rest == "" || rest[0] == ' '
	}
	end := skipAnnotation(rest, 0)
	inner := rest[1:max(end-1, 1)]
	if i := strings.LastIndexByte(inner, '<'); i > 0 && inner[0] == '/' { // </dev/null<char 1:3>>
		inner = inner[:i]
	}
	fd.refers = unquote(inner)
	fd.gone = strings.HasPrefix(rest[end:], "(deleted)")
	if path, ok := strings.CutSuffix(fd.refers, " (deleted)"); ok {
		fd.refers, fd.gone = path, true
	}
	return fd, true
}

// parseString reads a string literal; whole is false where strace cut it.
func parseString(s string) (text string, whole, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", false, false
	}
	end := skipString(s, 0)
	if end < 2 || s[end-1] != '"' {
		return "", false, false
	}
	return unquote(s[1 : end-1]), !strings.HasPrefix(s[end:], "..."), true
}

// unquote undoes strace's escapes: those of C, with bytes as octal or hex.
func unquote(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c, width := escaped(s[i:])
		b.WriteByte(c)
		i += width - 1
	}
	return b.String()
}

// escaped is the byte that an escape stands for, and its width without the
// backslash.
func escaped(s string) (c byte, width int) {
	if i := strings.IndexByte("abtnvfr", s[0]); i >= 0 {
		return byte(7 + i), 1
	}
	if s[0] == 'x' && len(s) > 2 {
		if n, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return byte(n), 3
		}
	}
	n, width := 0, 0
	for width < 3 && width < len(s) && s[width] >= '0' && s[width] <= '7' {
		n = n<<3 | int(s[width]-'0')
		width++
	}
	if width > 0 && n < 256 {
		return byte(n), width
	}
	return s[0], 1
}

// list reads the elements of [...].
func list(s string) []string {
	rest, ok := strings.CutPrefix(s, "[")
	if !ok {
		return nil
	}
	parts, _, _ := split(rest, ']')
	return parts
}

// member finds a member of a structure, {name=value, ...}.
func member(s, name string) (string, bool) {
	rest, ok := strings.CutPrefix(s, "{")
	if !ok {
		return "", false
	}
	parts, _, _ := split(rest, '}')
	for _, part := range parts {
		if key, value, ok := strings.Cut(part, "="); ok && key == name {
			return value, true
		}
	}
	return "", false
}

// hasFlag reports whether a|b|c holds one of the flags.
func hasFlag(s string, flags ...string) bool {
	for flag := range strings.SplitSeq(s, "|") {
		for _, want := range flags {
			if flag == want {
				return true
			}
		}
	}
	return false
}
