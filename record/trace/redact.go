package trace

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	redacted   = "[redacted]"
	maxCommand = 1024 // bytes of a command line
	maxWord    = 24   // letters and digits in a row that people write themselves
)

// redactor makes command lines without what looks like a secret.
type redactor struct{ name, credentials, digits *regexp.Regexp }

func newRedactor() redactor {
	return redactor{
		name:        regexp.MustCompile(`(?i)(pass|pwd|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|auth|cookie|bearer|session)[\w-]*`),
		credentials: regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/@\s]+@`),
		digits:      regexp.MustCompile(`[A-Za-z0-9+/_=-]{24,}`),
	}
}

// line makes a command line of arguments, without the values of flags and
// variables that are named like secrets, credentials in URLs, and long words of
// hexadecimal or base64 digits.
func (r redactor) line(argv []string) string {
	out := make([]string, 0, len(argv))
	next := false
	for _, arg := range argv {
		arg = strings.ToValidUTF8(arg, "\ufffd")
		if next && !strings.HasPrefix(arg, "-") {
			out, next = append(out, redacted), false
			continue
		}
		arg, next = r.value(arg)
		arg = r.credentials.ReplaceAllString(arg, "${1}"+redacted+"@")
		out = append(out, r.digits.ReplaceAllStringFunc(arg, hideDigits))
	}
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.Join(out, " "))
	if len(line) > maxCommand {
		line = strings.ToValidUTF8(line[:maxCommand], "") + "…"
	}
	return line
}

// value redacts what follows the name of a secret; next says that this is the
// next argument.
func (r redactor) value(arg string) (out string, next bool) {
	if len(arg) > 2 && strings.HasPrefix(arg, "-p") && !unicode.IsDigit(rune(arg[2])) && !r.name.MatchString(arg) {
		return "-p" + redacted, false // a password, as database clients take it
	}
	at := r.name.FindStringIndex(arg)
	if at == nil {
		return arg, false
	}
	rest := arg[at[1]:]
	if i := strings.IndexAny(rest, "=: "); i >= 0 {
		return arg[:at[1]+i+1] + redacted, false
	}
	return arg, strings.HasPrefix(arg, "-")
}

// hideDigits hides a long word with letters and digits that is no path.
func hideDigits(word string) string {
	letters, numbers := strings.ContainsFunc(word, unicode.IsLetter), strings.ContainsFunc(word, unicode.IsDigit)
	long := func(part string) bool { return len(part) >= maxWord }
	if !letters || !numbers || strings.HasPrefix(word, "/") && !slices.ContainsFunc(strings.Split(word, "/"), long) {
		return word
	}
	return redacted
}
