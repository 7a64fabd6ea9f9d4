package cmdline

import (
	"path"
	"slices"
	"strings"
)

// maxCommands is how many commands of one command line are looked at.
const maxCommands = 1000

// commands gives the commands that a command line runs, each with its arguments:
// through wrappers, and those of a shell's script. It is a reading, not a shell:
// nothing is expanded, and every branch counts.
func commands(argv []string, depth int) [][]string {
	if len(argv) == 0 || argv[0] == "" || depth == 0 {
		return nil
	}
	list := [][]string{argv}
	if text, ok := ShellText(argv); ok {
		for _, command := range splitCommands(text) {
			list = append(list, commands(command, depth-1)...)
		}
	}
	inner := Unwrap(argv)
	if inner == nil {
		inner = untimed(argv)
	}
	list = append(list, commands(inner, depth-1)...)
	return list[:min(len(list), maxCommands)]
}

// untimed is the command that timeout runs, or nil.
func untimed(argv []string) []string {
	if path.Base(argv[0]) != "timeout" {
		return nil
	}
	for i := 1; i < len(argv); i++ {
		switch {
		case slices.Contains([]string{"-s", "-k", "--signal", "--kill-after", "-t"}, argv[i]):
			i++
		case strings.HasPrefix(argv[i], "-"), strings.Trim(argv[i], "0123456789.smhd") == "":
		default:
			return argv[i:]
		}
	}
	return nil
}

// splitCommands splits a piece of shell at what ends a command. Keywords and
// assignments in front of a command go, and what is put in by $() or backticks
// is a command of its own.
func splitCommands(text string) [][]string {
	var list [][]string
	var command []string
	end := func() {
		for len(command) > 0 && (isKeyword(command[0]) || isAssignment(command[0]) || command[0] == "exec") {
			command = command[1:]
		}
		if len(command) > 0 && len(list) < maxCommands {
			list = append(list, command)
		}
		command = nil
	}
	w := &words{text: text}
	for {
		word, ok := w.next()
		switch {
		case !ok:
			end()
			for _, inner := range w.inner {
				list = append(list, splitCommands(inner)...)
			}
			return list[:min(len(list), maxCommands)]
		case word == "":
			end()
		default:
			command = append(command, word)
		}
	}
}

// words reads a piece of shell word by word.
type words struct {
	text  string
	at    int
	inner []string // pieces of shell inside quotes
}

// next is the next word without its quotes, "" for what ends a command; false
// at the end.
func (w *words) next() (string, bool) {
	for w.at < len(w.text) && (w.text[w.at] == ' ' || w.text[w.at] == '\t') {
		w.at++
	}
	if w.at >= len(w.text) {
		return "", false
	}
	if strings.IndexByte(ends, w.text[w.at]) >= 0 {
		w.at++
		return "", true
	}
	if w.text[w.at] == '#' {
		if line := strings.IndexByte(w.text[w.at:], '\n'); line >= 0 {
			w.at += line
			return "", true
		}
		w.at = len(w.text)
		return "", false
	}
	word := w.word()
	if word == "{" || word == "}" {
		word = ""
	}
	return word, true
}

// ends are the characters that end a word and its command.
const ends = ";|&()`\n"

// word reads a word up to what ends it. An empty one in quotes is a pair of
// quotes.
func (w *words) word() string {
	var b strings.Builder
	for w.at < len(w.text) {
		c := w.text[w.at]
		switch {
		case c == ' ' || c == '\t' || strings.IndexByte(ends, c) >= 0:
			return b.String()
		case c == '\\' && w.at+1 < len(w.text):
			b.WriteByte(w.text[w.at+1])
			w.at++
		case c == '\'' || c == '"':
			quoted, _, _ := strings.Cut(w.text[w.at+1:], string(c))
			w.at += len(quoted) + 1
			if c == '"' && strings.ContainsAny(quoted, "(`") && len(w.inner) < maxCommands {
				w.inner = append(w.inner, quoted)
			}
			if quoted == "" && b.Len() == 0 {
				quoted = `""`
			}
			b.WriteString(quoted)
		default:
			b.WriteByte(c)
		}
		w.at++
	}
	return b.String()
}
