package cmdline

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Replacement is what Kubernetes can do itself in place of one tool of a probe
// or hook.
type Replacement struct {
	Tool    string // as the command line names it
	Instead string // such as "httpGet: {path: /health, port: 8080}", without the values where the command line does not tell them
}

// Kind is the handler's name, such as httpGet.
func (r Replacement) Kind() string {
	kind, _, _ := strings.Cut(r.Instead, ":")
	return kind
}

// Replacements says what Kubernetes can do itself in place of the tools of a
// probe or hook that runs argv, in their order, each once.
func Replacements(argv []string) []Replacement {
	var list []Replacement
	for _, command := range commands(argv, MaxWrappers) {
		if text := replacementOf(path.Base(command[0]), command[1:]); text != "" {
			list = append(list, Replacement{command[0], text})
		}
	}
	seen := map[Replacement]bool{}
	return slices.DeleteFunc(list, func(r Replacement) bool {
		again := seen[r]
		seen[r] = true
		return again
	})
}

// OneOf says what can take the place of a whole probe or hook: it has one
// handler, so that of several replacements one can be used. It is "" for none.
func OneOf(list []Replacement) string {
	var each, named []string
	for _, r := range list {
		if !slices.Contains(each, r.Instead) {
			each = append(each, r.Instead)
		}
		named = append(named, r.Instead+" ("+path.Base(r.Tool)+")")
	}
	if len(each) < 2 {
		return strings.Join(each, "")
	}
	return "one of " + strings.Join(named, ", ")
}

func replacementOf(program string, args []string) string {
	switch program {
	case "curl", "wget", "http", "xh":
		return httpGet(args)
	case "grpc_health_probe", "grpc-health-probe", "grpcurl":
		return "grpc" + lastPort(args)
	case "nc", "ncat", "netcat", "telnet":
		return "tcpSocket" + lastPort(args)
	case "pg_isready":
		return "tcpSocket" + flagPort(args, "5432", "-p", "--port")
	case "redis-cli", "valkey-cli":
		return "tcpSocket" + flagPort(args, "6379", "-p")
	case "mysqladmin", "mariadb-admin":
		return "tcpSocket" + flagPort(args, "3306", "-P", "--port")
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
		if strings.Contains(host, "$") {
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

// lastPort is the last number among arguments that can be a port: alone, or
// behind the colon of an address.
func lastPort(args []string) string {
	for _, arg := range slices.Backward(args) {
		if i := strings.LastIndexAny(arg, ":="); i >= 0 {
			arg = arg[i+1:]
		}
		if isPort(arg) {
			return ": {port: " + arg + "}"
		}
	}
	return ""
}

// flagPort is the port that a flag gives, or the standard one where none does.
// Other numbers may be passwords.
func flagPort(args []string, standard string, flags ...string) string {
	port := standard
	for i, arg := range args {
		for _, flag := range flags {
			value, ok := strings.CutPrefix(arg, flag)
			switch {
			case !ok:
				continue
			case value == "" && i+1 < len(args):
				value = args[i+1]
			}
			port = strings.TrimPrefix(value, "=")
		}
	}
	if !isPort(port) {
		return "" // it is computed
	}
	return ": {port: " + port + "}"
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n <= 65535
}

func isNumber(s string) bool { return s != "" && len(s) <= 6 && strings.Trim(s, "0123456789") == "" }
