package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Colours as ANSI parameters; the empty one is the terminal's own.
const (
	plain  = ""
	bold   = "1"
	dim    = "2"
	green  = "32"
	yellow = "33"
)

// minWidth is the narrowest terminal that the report is laid out for.
const (
	minWidth     = 60
	defaultWidth = 100
)

// cell is one field of a table, escaped already.
type cell struct {
	text  string
	right bool // aligned
	color string
}

func left(text string) cell           { return cell{text: text} }
func right(text string) cell          { return cell{text: text, right: true} }
func (c cell) in(color string) cell   { c.color = color; return c }
func (c cell) width() int             { return columns(c.text) }
func (c cell) draw(color bool) string { return paint(c.text, c.color, color) }

func paint(text, color string, on bool) string {
	if !on || color == plain || strings.TrimSpace(text) == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// screen collects the lines of a report.
type screen struct {
	strings.Builder
	color bool
	width int
}

func newScreen(style Style) *screen {
	s := &screen{color: style.Color, width: style.Width}
	if s.width == 0 {
		s.width = defaultWidth
	}
	s.width = max(s.width, minWidth)
	return s
}

// line writes cells side by side, without alignment. It may be longer than the
// screen is wide: commands and paths are there to be copied.
func (s *screen) line(cells ...cell) {
	var b strings.Builder
	for _, c := range cells {
		b.WriteString(c.draw(s.color))
	}
	s.WriteString(strings.TrimRight(b.String(), " ") + "\n")
}

// margin is the least width of a table's first column and the width of a
// label, so that what follows stands in line.
const margin = 20

// label is the left margin of a note.
func label(text string) cell { return left(fmt.Sprintf("%-*s", margin, text)) }

// table writes rows with aligned columns, two blanks between them, and a light
// rule below the first. The last column is cut at the edge of the screen.
func (s *screen) table(rows [][]cell) {
	widths := []int{margin - 2}
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], c.width())
		}
	}
	for n, row := range rows {
		if n == 1 {
			s.rule(widths)
		}
		var out []cell
		used := 0
		for i, c := range row {
			last := i == len(row)-1
			if last && !c.right {
				c.text = cutEnd(c.text, s.width-used)
				out = append(out, c)
				break
			}
			pad := strings.Repeat(" ", widths[i]-c.width())
			if c.right {
				out = append(out, left(pad), c)
			} else {
				out = append(out, c, left(pad))
			}
			out = append(out, left("  "))
			used += widths[i] + 2
		}
		s.line(out...)
	}
}

// rule draws a line as wide as the columns, at most as wide as the screen.
func (s *screen) rule(widths []int) {
	total := -2
	for _, w := range widths {
		total += w + 2
	}
	s.line(left(strings.Repeat("─", min(total, s.width))).in(dim))
}

// wrap writes a label and a sentence, in at most shownLines lines.
func (s *screen) wrap(head cell, text string) {
	words := strings.Split(text, " ")
	room := s.width - max(margin, head.width())
	for n := shownLines; n > 0; n-- {
		line := words[0]
		words = words[1:]
		for len(words) > 0 && columns(line)+1+columns(words[0]) <= room {
			line += " " + words[0]
			words = words[1:]
		}
		if n == 1 && len(words) > 0 {
			line += " " + strings.Join(words, " ")
			words = nil
		}
		s.line(head, left(cutEnd(line, room)))
		if len(words) == 0 {
			return
		}
		head = label("")
	}
}

// items writes a label and a list that wraps at the edge, in at most n
// lines; what does not fit is counted.
func (s *screen) items(head cell, all []string, n int) {
	indent := head.width()
	lines, used := []string{""}, indent
	for i, item := range all {
		if i < len(all)-1 {
			item += ","
		}
		more := "and " + count(len(all)-i) + " more"
		room := s.width - used - 1
		if len(lines) == n && i < len(all)-1 {
			room -= columns(more) + 1
		}
		if columns(item) > room && lines[len(lines)-1] != "" {
			if len(lines) == n {
				lines[n-1] += more
				break
			}
			lines, used = append(lines, ""), indent
		}
		item = cut(item, s.width-indent)
		lines[len(lines)-1] += item + " "
		used += columns(item) + 1
	}
	for i, text := range lines {
		if i == 0 {
			s.line(head, left(text))
			continue
		}
		s.line(left(strings.Repeat(" ", indent)), left(text))
	}
}

// cut shortens text to a number of columns; the middle goes, since both ends of
// a path tell something.
func cut(text string, width int) string {
	if columns(text) <= width {
		return text
	}
	if width < 8 {
		width = 8
	}
	tail := (width - 1) / 3
	return take(text, width-1-tail) + "…" + takeLast(text, tail)
}

// cutEnd shortens a sentence.
func cutEnd(text string, width int) string {
	if columns(text) <= width {
		return text
	}
	return take(text, max(width, 8)-1) + "…"
}

func take(text string, width int) string {
	for i, r := range text {
		if width -= runeColumns(r); width < 0 {
			return text[:i]
		}
	}
	return text
}

func takeLast(text string, width int) string {
	i := len(text)
	for i > 0 {
		r, n := utf8.DecodeLastRuneInString(text[:i])
		if width -= runeColumns(r); width < 0 {
			break
		}
		i -= n
	}
	return text[i:]
}

// columns is the width of escaped text on a terminal.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is 2 for the East Asian wide and full-width ranges and emoji of
// Unicode's EastAsianWidth.txt, in coarse blocks, else 1.
func runeColumns(r rune) int {
	switch {
	case r < 0x1100:
		return 1
	case r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6,
		r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}
