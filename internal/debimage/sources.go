package debimage

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// source is one line of apt's sources (sources.list(5)), reduced to what a new
// root needs.
type source struct {
	uri, suite string
	components []string
	signedBy   string // path of a keyring; "" for apt's defaults
}

// String returns the one-line form.
func (s source) String() string {
	options := ""
	if s.signedBy != "" {
		options = "[signed-by=" + s.signedBy + "] "
	}
	return "deb " + options + s.uri + " " + s.suite + " " + strings.Join(s.components, " ")
}

// hostRelease returns the code name of the host's Debian or Ubuntu release, ""
// when it is neither (os-release(5)).
func hostRelease(root fs.FS) (string, error) {
	data, err := fs.ReadFile(root, "etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the host's release: %w", err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			fields[key] = strings.Trim(value, `"'`)
		}
	}
	if id := fields["ID"]; id != "debian" && id != "ubuntu" {
		return "", nil
	}
	return fields["VERSION_CODENAME"], nil
}

// hostSources returns the host's apt sources for a release: those of the
// distribution itself, not of third parties.
func hostSources(root fs.FS, release string) ([]source, error) {
	names := []string{"etc/apt/sources.list"}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := fs.Glob(root, path.Join("etc/apt/sources.list.d", pattern))
		if err != nil {
			return nil, fmt.Errorf("listing the host's apt sources: %w", err)
		}
		names = append(names, more...)
	}
	var all []source
	for _, name := range names {
		data, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the host's apt sources: %w", err)
		}
		parse := parseOneLine
		if strings.HasSuffix(name, ".sources") {
			parse = parseDeb822
		}
		all = append(all, parse(string(data))...)
	}
	suites := []string{release, release + "-updates", release + "-security", release + "/updates"}
	return slices.DeleteFunc(all, func(s source) bool {
		return !slices.Contains(suites, s.suite) || !slices.Contains(s.components, "main") ||
			strings.HasPrefix(s.uri, "cdrom:")
	}), nil
}

// parseOneLine reads the one-line form. Lines that it does not understand are
// left out.
func parseOneLine(text string) []source {
	var out []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		var s source
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				continue
			}
			for option := range strings.FieldsSeq(options) {
				if keyring, ok := strings.CutPrefix(option, "signed-by="); ok {
					s.signedBy = keyringPath(keyring)
				}
			}
			rest = after
		}
		fields := strings.Fields(rest)
		if len(fields) < 3 {
			continue
		}
		s.uri, s.suite, s.components = fields[0], fields[1], fields[2:]
		out = append(out, s)
	}
	return out
}

// parseDeb822 reads the stanza form.
func parseDeb822(text string) []source {
	var out []source
	fields, last := map[string]string{}, ""
	flush := func() {
		out = append(out, stanzaSources(fields)...)
		fields, last = map[string]string{}, ""
	}
	scan := bufio.NewScanner(strings.NewReader(text))
	for scan.Scan() {
		line := scan.Text()
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += "\n" + strings.TrimSpace(line)
		default:
			key, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(key)
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return out
}

// stanzaSources spreads a stanza into one source for each URI and suite.
func stanzaSources(fields map[string]string) []source {
	if fields["enabled"] == "no" || !slices.Contains(strings.Fields(fields["types"]), "deb") {
		return nil
	}
	var out []source
	for uri := range strings.FieldsSeq(fields["uris"]) {
		for suite := range strings.FieldsSeq(fields["suites"]) {
			out = append(out, source{
				uri: uri, suite: suite,
				components: strings.Fields(fields["components"]),
				signedBy:   keyringPath(fields["signed-by"]),
			})
		}
	}
	return out
}

// keyringPath returns value when it is a path. It can also be a fingerprint or
// a whole key: then apt's default keyrings must do.
func keyringPath(value string) string {
	if path.IsAbs(value) && !strings.ContainsAny(value, " \n,") {
		return value
	}
	return ""
}
