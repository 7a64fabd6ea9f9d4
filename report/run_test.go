package report

import (
	"bytes"
	"strings"
	"testing"
)

// TestRunSection shows what a run of the result showed, with names that are no
// markup.
func TestRunSection(t *testing.T) {
	t.Parallel()
	run := &Run{
		Scenarios: []string{"test", "restart"},
		Repaired:  []Missed{{Path: "/srv/a`b", Why: "openat by /usr/sbin/nginx"}},
		LookedFor: []Missed{{Path: "/bin/sh", Why: "stat by \x1b[31m"}},
	}
	r, err := New(Job{Image: "web", Run: run})
	if err != nil {
		t.Fatal(err)
	}
	var md, term bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if err := r.Terminal(&term, Style{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## Run of the result", "passed `test`, `restart`", "/srv/a", "Dropped, and only looked for:", "`/bin/sh`"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in the Markdown:\n%s", want, md.String())
		}
	}
	for _, want := range []string{"the result passed test, restart", "repaired", "looked for", "/bin/sh"} {
		if !strings.Contains(term.String(), want) {
			t.Errorf("no %q on the terminal:\n%s", want, term.String())
		}
	}
	if strings.Contains(md.String()+term.String(), "\x1b") {
		t.Error("a control character came through")
	}
}
