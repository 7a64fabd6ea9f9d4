// Package cmdline reads command lines: which programs a line would run, through
// wrappers and shells, and which files it names.
//
// It is a reading for people and for evidence, not a shell: names that are
// computed or quoted are left out, and every branch counts.
package cmdline

import (
	"path"
	"slices"
	"strings"
)

// MaxWrappers is how many wrappers of a command are looked into.
const MaxWrappers = 8

// Needs is what a command line names.
type Needs struct {
	Programs []string // as they are written: paths, or names to look up in PATH
	Files    []string // absolute paths among the arguments
}

// Of says what argv needs, sorted.
func Of(argv []string) Needs {
	var n Needs
	for range MaxWrappers {
		if len(argv) == 0 {
			break
		}
		n.Programs = append(n.Programs, argv[0])
		for _, arg := range argv[1:] {
			if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
				arg = value
			}
			if strings.HasPrefix(arg, "/") && path.Clean(arg) != "/" && !strings.ContainsAny(arg, " \t\n\x00") {
				n.Files = append(n.Files, arg)
			}
		}
		if text, ok := ShellText(argv); ok {
			n.Programs = append(n.Programs, slices.DeleteFunc(Words(text), IsBuiltin)...)
		}
		argv = Unwrap(argv)
	}
	slices.Sort(n.Programs)
	slices.Sort(n.Files)
	return Needs{slices.Compact(n.Programs), slices.Compact(n.Files)}
}

// IsBuiltin reports whether every shell has a command of this name of its own.
func IsBuiltin(name string) bool {
	switch name {
	case ".", ":", "[", "alias", "bg", "break", "cd", "continue", "echo", "eval", "exit", "export", "false", "fg", "getopts", "jobs",
		"kill", "printf", "pwd", "read", "readonly", "return", "set", "shift", "test", "times", "trap", "true", "type", "ulimit",
		"umask", "unalias", "unset", "wait":
		return true
	}
	return false
}

// IsShell reports whether a program of this name or path is a shell.
func IsShell(name string) bool {
	switch path.Base(name) {
	case "sh", "bash", "dash", "ash", "ksh", "zsh", "busybox":
		return true
	}
	return false
}

// Unwrap gives the command that a small wrapper runs: init programs and tools
// that change the user or the environment first.
func Unwrap(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	takesUser := false
	switch path.Base(argv[0]) {
	case "tini", "tini-static", "dumb-init", "docker-init", "catatonit", "env", "exec", "nice", "nohup", "setsid", "stdbuf":
	case "gosu", "su-exec", "setpriv", "chroot", "chpst":
		takesUser = true
	default:
		return nil
	}
	rest := argv[1:]
	for len(rest) > 0 {
		switch {
		case rest[0] == "--":
			return nonEmpty(rest[1:])
		case strings.HasPrefix(rest[0], "-"), strings.Contains(rest[0], "=") && !strings.HasPrefix(rest[0], "/"):
			rest = rest[1:]
		case takesUser:
			takesUser, rest = false, rest[1:]
		default:
			return rest
		}
	}
	return nil
}

func nonEmpty(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	return argv
}

// ShellText is the script of SHELL -c SCRIPT.
func ShellText(argv []string) (string, bool) {
	if len(argv) == 0 || !IsShell(argv[0]) {
		return "", false
	}
	for i, a := range argv[:len(argv)-1] {
		if i > 0 && strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.HasSuffix(a, "c") {
			return argv[i+1], true
		}
	}
	return "", false
}

// Words gives the words of a piece of shell that stand where a command
// stands. It is a reading for people, not a shell: quoted and computed names
// are left out.
func Words(text string) []string {
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
		case tok == "for", tok == "case":
			expect = false // a variable, or a word to compare
		case isKeyword(tok), isAssignment(tok):
		default:
			expect = tok == "exec"
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
	case "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "esac", "in", "!", "time", "function", "command", "$":
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
