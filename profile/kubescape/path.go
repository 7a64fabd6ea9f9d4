package kubescape

import (
	"strings"
)

// dots is what stands for one segment of a path, one argument or one label.
const dots = "⋯"

// wild reports whether a path of opens or execs holds wildcards: dots anywhere,
// or a star that is a whole segment. A star within a segment is a letter.
func wild(path string) bool {
	if strings.Contains(path, dots) {
		return true
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "*" || segment == "**" {
			return true
		}
	}
	return false
}

// blurred is a path whose bytes that are not UTF-8, which JSON cannot hold, are
// wildcards.
func blurred(path string) string { return strings.ReplaceAll(path, "\ufffd", dots) }

// globOf makes a profile's glob of a path with wildcards.
func globOf(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if segment == "*" || segment == "**" {
			segments[i] = "**"
			continue
		}
		parts := strings.Split(segment, dots)
		for j := range parts {
			parts[j] = literal(parts[j])
		}
		segments[i] = strings.Join(parts, "*")
	}
	return strings.Join(segments, "/")
}

// literal escapes what a glob would take for more than a letter.
func literal(s string) string {
	if !strings.ContainsAny(s, `\*?[`) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\*?[`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// base is the last segment of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// below puts a relative path below a directory without cleaning it, since ".."
// may follow a link.
func below(dir, path string) string {
	for strings.HasPrefix(path, "./") {
		path = path[2:]
	}
	return strings.TrimSuffix(dir, "/") + "/" + path
}

// usable reports whether a path can be in a profile.
func usable(path string) bool { return path != "" && !strings.Contains(path, "\x00") }

// interpreter reports whether a program of this name runs scripts.
func interpreter(name string) bool {
	switch strings.TrimRight(name, "0123456789.") {
	case "sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox",
		"python", "pypy", "perl", "ruby", "node", "nodejs", "php", "php-cgi", "lua", "luajit", "tclsh", "Rscript":
		return true
	}
	return false
}

// scriptOf is the script in the arguments of an interpreter: the first one that
// is no option, where it is absolute. Of -c and the like there is none.
func scriptOf(args []string) string {
	for i, arg := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(arg, "/"):
			return arg
		case i > 1, !strings.HasPrefix(arg, "-"), strings.HasPrefix(arg, "--"), strings.ContainsAny(arg, "cm"):
			return ""
		}
	}
	return ""
}
