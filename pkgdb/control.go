package pkgdb

import (
	"bytes"
	"strings"
)

// paragraph is a block of a control file. Its raw bytes include the empty
// lines that follow it, so that the paragraphs make the file.
type paragraph struct {
	raw    []byte
	fields []field
}

// field is a field of a paragraph with its continuation lines.
type field struct {
	name string // in lower case
	at   int    // where it begins in the paragraph
	raw  []byte
}

// paragraphs splits a control file in the format of Debian's deb822(5).
// Lines that belong to no field are kept in the raw bytes only.
func paragraphs(content []byte) []paragraph {
	var out []paragraph
	start, ended := 0, true
	for at := 0; at < len(content); {
		next := lineEnd(content, at)
		empty := len(bytes.TrimRight(content[at:next], "\r\n")) == 0
		switch {
		case empty:
			ended = true
		case ended:
			if at > start {
				out = append(out, newParagraph(content[start:at]))
			}
			start, ended = at, false
		}
		at = next
	}
	if start < len(content) {
		out = append(out, newParagraph(content[start:]))
	}
	return out
}

// lineEnd returns the index behind the line that begins at i.
func lineEnd(b []byte, i int) int {
	if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(b)
}

// newParagraph finds the fields.
func newParagraph(raw []byte) paragraph {
	p := paragraph{raw: raw}
	start := -1 // of the current field
	name := ""
	flush := func(end int) {
		if start >= 0 {
			p.fields = append(p.fields, field{name, start, raw[start:end]})
		}
		start = -1
	}
	for at := 0; at < len(raw); {
		next := lineEnd(raw, at)
		if c := raw[at]; c != ' ' && c != '\t' {
			flush(at)
			if before, _, ok := bytes.Cut(raw[at:next], []byte(":")); ok {
				start, name = at, strings.ToLower(string(bytes.TrimSpace(before)))
			}
		}
		at = next
	}
	flush(len(raw))
	return p
}

// get returns the value of a field, continuation lines included.
func (p paragraph) get(name string) string {
	for _, f := range p.fields {
		if f.name == name {
			_, value, _ := bytes.Cut(f.raw, []byte(":"))
			return strings.TrimSpace(string(value))
		}
	}
	return ""
}

// relations returns the package names of a dependency field: "a (>= 1) | b:any,
// c [amd64]" gives a, b, c. Debian Policy, chapter 7, has the syntax.
func relations(value string) []string {
	var names []string
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ',' || r == '|' }) {
		part = strings.TrimSpace(part)
		if end := strings.IndexAny(part, " \t\n([<:"); end >= 0 {
			part = part[:end]
		}
		if part != "" {
			names = append(names, part)
		}
	}
	return names
}
