package harden

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

const modeSetuid = fs.ModeSetuid

// scanScripts reports commands in kept shell scripts that lead to tools which
// go: branches that the profile did not see. They are no reason to keep a tool.
func (p *planner) scanScripts() {
	for _, f := range p.order {
		if !f.kept || f.shebang == nil || len(f.shebang) == 0 || !isShell(path.Base(f.shebang[0])) {
			continue
		}
		if f.class != script && !f.runs {
			continue
		}
		text, err := p.read(f)
		if err != nil {
			continue // an unreadable script was noted before
		}
		p.scanScript(f, text)
	}
}

func isShell(base string) bool {
	switch base {
	case "sh", "bash", "dash", "ash", "ksh", "zsh", "busybox":
		return true
	}
	return false
}

func (p *planner) scanScript(f *file, text []byte) {
	told := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxRead)
	for n := 1; lines.Scan(); n++ {
		for _, word := range commandWords(lines.Text()) {
			g, _ := p.lookPath(word)
			if told[word] || g == nil || !g.tool() || g.kept {
				continue
			}
			told[word] = true
			p.note("script-command", f.path, fmt.Sprintf(
				"line %d may run %q, which goes: the profile never saw it run (--keep /%s keeps it)", n, word, g.path))
		}
	}
}

// commandWords gives the words of a piece of shell that stand where a command
// stands. It is a reading for people, not a shell: quoted and computed names
// are left out.
func commandWords(text string) []string {
	var list []string
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "#") {
		return nil
	}
	expect := true
	for _, tok := range shellTokens(text) {
		switch {
		case strings.HasPrefix(tok, "#"):
			return list
		case isSeparator(tok):
			expect = true
		case !expect:
		case isKeyword(tok), isAssignment(tok):
		default:
			expect = strings.HasPrefix(tok, "exec") && tok == "exec"
			if !expect && isCommandName(tok) {
				list = append(list, tok)
			}
		}
	}
	return list
}

// shellTokens splits at blanks and at the characters that end a command.
func shellTokens(text string) []string {
	var toks []string
	var word strings.Builder
	quote := byte(0)
	flush := func() {
		if word.Len() > 0 {
			toks = append(toks, word.String())
			word.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
			word.WriteByte('\'') // a quoted part is no command name
		case c == '\'' || c == '"':
			quote = c
			word.WriteByte('\'')
		case c == ' ' || c == '\t' || c == '\n':
			flush()
			if c == '\n' {
				toks = append(toks, ";")
			}
		case strings.IndexByte(";|&(){}`", c) >= 0:
			flush()
			toks = append(toks, string(c))
		default:
			word.WriteByte(c)
		}
	}
	flush()
	return toks
}

func isSeparator(tok string) bool {
	return len(tok) == 1 && strings.Contains(";|&(){}`", tok)
}

func isKeyword(tok string) bool {
	switch tok {
	case "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "for", "case", "esac", "in", "!", "time", "function", "command", "$":
		return true
	}
	return false
}

func isAssignment(tok string) bool {
	name, _, ok := strings.Cut(tok, "=")
	return ok && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func isCommandName(tok string) bool {
	return strings.Trim(tok, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-") == "" &&
		!strings.HasPrefix(tok, "-")
}
