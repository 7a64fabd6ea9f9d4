package report

import "io"

// Style says how a terminal wants its text.
type Style struct {
	Color bool // ANSI colours
	Width int  // columns; 0 means 100
}

// Terminal writes the report for a person at a terminal.
func (r *Report) Terminal(w io.Writer, style Style) error {
	_ = style
	return write(w, "")
}
