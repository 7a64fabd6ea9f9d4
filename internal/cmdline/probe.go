package cmdline

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Replacement says what Kubernetes can do itself in place of a probe or hook
// that runs argv, such as "httpGet: {path: /health, port: 8080}"; without the
// values where argv does not tell them. It is "" where there is nothing.
func Replacement(argv []string) string {
	text, shell := ShellText(argv)
	words := argv
	if shell {
		words = strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()'\"", r) })
	}
	for i, word := range words {
		if i > 0 && !shell {
			break
		}
		if r := replacementOf(path.Base(word), words[i+1:]); r != "" {
			return r
		}
	}
	if inner := Unwrap(argv); len(inner) > 0 {
		return Replacement(inner)
	}
	return ""
}

func replacementOf(program string, args []string) string {
	switch program {
	case "curl", "wget", "http", "xh":
		return httpGet(args)
	case "grpc_health_probe", "grpc-health-probe", "grpcurl":
		return "grpc" + portOf(args, "")
	case "nc", "ncat", "netcat", "telnet":
		return "tcpSocket" + portOf(args, "")
	case "pg_isready":
		return "tcpSocket" + portOf(args, "5432")
	case "redis-cli", "valkey-cli":
		return "tcpSocket" + portOf(args, "6379")
	case "mysqladmin", "mariadb-admin":
		return "tcpSocket" + portOf(args, "3306")
	case "sleep":
		if len(args) > 0 && isNumber(strings.TrimSuffix(args[0], "s")) {
			return "sleep: {seconds: " + strings.TrimSuffix(args[0], "s") + "}"
		}
		return "sleep"
	}
	return ""
}

// httpGet reads the first URL of a downloader's arguments.
func httpGet(args []string) string {
	for _, arg := range args {
		scheme, rest, ok := strings.Cut(arg, "://")
		if !ok || scheme != "http" && scheme != "https" {
			continue
		}
		host, file, _ := strings.Cut(rest, "/")
		file, _, _ = strings.Cut(file, "#")
		if strings.Contains(file, "?") || !plain(file) {
			file = strings.SplitN(file, "?", 2)[0] // may hold a secret
		}
		if !plain(file) {
			return "httpGet"
		}
		port := map[string]string{"http": "80", "https": "443"}[scheme]
		if i := strings.LastIndexByte(host, ':'); i >= 0 && isNumber(host[i+1:]) {
			port = host[i+1:]
		}
		out := fmt.Sprintf("httpGet: {path: /%s, port: %s", file, port)
		if scheme == "https" {
			out += ", scheme: HTTPS"
		}
		return out + "}"
	}
	return "httpGet"
}

// plain reports whether a text can stand in a suggestion as it is.
func plain(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == ""
}

// portOf is the last number among arguments that can be a port: alone, or behind
// the colon of an address.
func portOf(args []string, standard string) string {
	found := ""
	for _, arg := range slices.Backward(args) {
		if i := strings.LastIndexAny(arg, ":="); i >= 0 {
			arg = arg[i+1:]
		}
		if n, err := strconv.Atoi(arg); err == nil && n > 0 && n <= 65535 {
			found = arg
			break
		}
	}
	if found == "" {
		found = standard
	}
	if found == "" {
		return ""
	}
	return ": {port: " + found + "}"
}

func isNumber(s string) bool { return s != "" && len(s) <= 6 && strings.Trim(s, "0123456789") == "" }
