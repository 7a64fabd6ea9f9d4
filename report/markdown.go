package report

import "io"

// Markdown writes report.md.
func (r *Report) Markdown(w io.Writer) error {
	return write(w, "")
}
