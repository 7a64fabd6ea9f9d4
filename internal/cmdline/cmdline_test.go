package cmdline

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnwrap(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"/sbin/tini -- app x":        "app x",
		"tini app":                   "app",
		"tini -g -- app":             "app",
		"dumb-init app x":            "app x",
		"/usr/bin/env A=1 B=2 app x": "app x",
		"gosu nobody app x":          "app x",
		"su-exec 1000:1000 app":      "app",
		"app x":                      "",
		"tini":                       "",
		"tini --":                    "",
	} {
		if got := strings.Join(Unwrap(strings.Fields(line)), " "); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"curl -f http://x || exit 1":                 {"curl", "exit"},
		"exec nginx -g 'daemon off;'":                {"nginx"},
		"A=1 B=\"2 3\" app --flag":                   {"app"},
		"if test -f x; then cp a b; else mv a b\nfi": {"test", "cp", "mv"},
		"x=$(date +%s) && echo `id -u`":              {"date", "echo", "id"},
		"# curl http://x":                            nil,
		"app # curl":                                 {"app"},
		"\"$APP\" x; 'quoted name' y":                nil,
		"find . | xargs rm":                          {"find", "xargs"},
		"while read -r l; do sed s/a/b/; done":       {"read", "sed"},
		"for dir in a b; do mkdir $dir; done":        {"mkdir"},
		"case dir in":                                nil,
		"./run.sh & /usr/bin/app":                    {"./run.sh", "/usr/bin/app"},
	} {
		if got := Words(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		argv            []string
		programs, files []string
	}{
		{nil, nil, nil},
		{[]string{"nginx", "-g", "daemon off;"}, []string{"nginx"}, nil},
		{[]string{"/app/server", "--config=/etc/app.yaml", "/data", "/", "KEY=/not/a/flag"}, []string{"/app/server"}, []string{"/data", "/etc/app.yaml"}},
		{[]string{"tini", "--", "gosu", "app", "sh", "-c", "wget -q localhost && echo ok"}, []string{"gosu", "sh", "tini", "wget"}, nil},
		{[]string{"sh", "-c", "curl -f http://localhost:8080/health || exit 1"}, []string{"curl", "sh"}, nil},
	} {
		if diff := cmp.Diff(Needs{test.programs, test.files}, Of(test.argv)); diff != "" {
			t.Errorf("%q:\n%s", test.argv, diff)
		}
	}
}
