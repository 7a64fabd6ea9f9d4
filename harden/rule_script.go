package harden

import (
	"bytes"
	"path"
	"strings"
)

// parseShebang splits the first line of a script as Linux does: interpreter and
// at most one argument, which env -S splits further.
func parseShebang(head []byte) []string {
	line, _, _ := bytes.Cut(head[2:], []byte("\n"))
	text := strings.Trim(string(line), " \t\r")
	interp, arg, _ := strings.Cut(text, " ")
	if tab, rest, ok := strings.Cut(interp, "\t"); ok {
		interp, arg = tab, rest+" "+arg
	}
	if interp == "" {
		return []string{}
	}
	words := []string{interp}
	if arg = strings.Trim(arg, " \t"); arg != "" {
		words = append(words, arg)
	}
	return words
}

// interpreters are the programs that a script's first line runs, in order: the
// interpreter itself, and what env runs.
func (p *planner) interpreters(f *file) []string {
	if len(f.shebang) == 0 {
		return nil
	}
	list := []string{f.shebang[0]}
	if path.Base(f.shebang[0]) != "env" || len(f.shebang) < 2 {
		return list
	}
	if cmd := envCommand(f.shebang[1]); cmd != "" {
		list = append(list, cmd)
	}
	return list
}

// envCommand is the command in the one argument that env gets from a #! line:
// the word itself, or with -S the first word that is neither an option nor a
// variable.
func envCommand(arg string) string {
	split, ok := strings.CutPrefix(arg, "-S")
	if !ok {
		split, ok = strings.CutPrefix(arg, "--split-string")
		split = strings.TrimPrefix(split, "=")
	}
	if !ok && strings.HasPrefix(arg, "-") { // such as -vS: options before S in one word
		flags, rest, cut := strings.Cut(arg, "S")
		if cut && !strings.Contains(flags, " ") {
			split, ok = rest, true
		}
	}
	if !ok {
		if strings.ContainsAny(arg, " \t") || strings.HasPrefix(arg, "-") || strings.Contains(arg, "=") {
			return ""
		}
		return arg
	}
	takesValue := false
	for _, word := range strings.Fields(split) {
		word = strings.Trim(word, `"'`)
		switch {
		case takesValue:
			takesValue = false
		case word == "-u" || word == "-C":
			takesValue = true
		case strings.HasPrefix(word, "-"), strings.Contains(word, "="):
		default:
			return word
		}
	}
	return ""
}

// edgeScript keeps the interpreters of a script that is run.
func (p *planner) edgeScript(f *file) {
	if f.shebang == nil || f.elf != nil || !f.strong {
		return
	}
	if f.class != script && !f.runs && (f.class == module || f.entry.Mode&0o111 == 0) {
		return // a module that happens to have a first line is read, not run
	}
	from := f.path
	for _, cmd := range p.interpreters(f) {
		g, links := p.lookPath(cmd)
		if g == nil {
			p.note("interpreter-not-found", f.path, "its interpreter "+cmd+" is not in the image")
			continue
		}
		if p.keep(g, true, Reason{Kind: Interpreter, From: from}); g.barred {
			continue
		}
		for _, l := range links {
			p.keep(p.find(l), true, Reason{Kind: Interpreter, From: from, Note: "the name in the first line"})
		}
	}
}
