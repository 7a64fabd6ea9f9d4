package cmdline

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReplacement(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"curl":                                 "httpGet",
		"curl -f http://localhost:8080/health": "httpGet: {path: /health, port: 8080}",
		"/usr/bin/wget -q -O- https://127.0.0.1/": "httpGet: {path: /, port: 443, scheme: HTTPS}",
		"curl http://localhost/x?token=secret":    "httpGet: {path: /x, port: 80}",
		"curl http://localhost/$P":                "httpGet",
		"grpc_health_probe -addr=:9555":           "grpc: {port: 9555}",
		"nc -z localhost 6379":                    "tcpSocket: {port: 6379}",
		"pg_isready -U app":                       "tcpSocket: {port: 5432}",
		"pg_isready -p 5433":                      "tcpSocket: {port: 5433}",
		"redis-cli ping":                          "tcpSocket: {port: 6379}",
		"mysqladmin ping":                         "tcpSocket: {port: 3306}",
		"mysqladmin -p12345 -P 3307 ping":         "tcpSocket: {port: 3307}",
		"mysqladmin --port=3308 ping":             "tcpSocket: {port: 3308}",
		"redis-cli -a 12345 ping":                 "tcpSocket: {port: 6379}",
		"redis-cli -p $PORT ping":                 "tcpSocket",
		"redis-cli -a $PASSWORD ping":             "tcpSocket: {port: 6379}",
		"pg_isready -h db -p5434":                 "tcpSocket: {port: 5434}",
		"curl http://localhost:$PORT/health":      "httpGet",
		"curl http://[::1]:8080/health":           "httpGet: {path: /health, port: 8080}",
		"curl http://u:12345@localhost/health":    "httpGet: {path: /health, port: 80}",
		"nc -z localhost $PORT":                   "tcpSocket",
		"sleep 15":                                "sleep: {seconds: 15}",
		"sleep 5s":                                "sleep: {seconds: 5}",
		"sleep":                                   "sleep",
		"cat /tmp/healthy":                        "",
		"sh -c":                                   "",
		"env A=1 curl http://localhost:1/":        "httpGet: {path: /, port: 1}",
		"/app/check curl":                         "",
		"":                                        "",
	} {
		if got := OneOf(Replacements(strings.Fields(line))); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	for text, want := range map[string]string{
		"curl -fsS 'http://localhost:80/ok' || exit 1": "httpGet: {path: /ok, port: 80}",
		"nginx -s quit; sleep 10":                      "sleep: {seconds: 10}",
		"test -f /tmp/ok":                              "",
		"redis-cli ping || exit 1":                     "tcpSocket: {port: 6379}",
		"nc -z localhost 81 && exit 0; exit 1":         "tcpSocket: {port: 81}",
		"timeout -k 1 5 redis-cli -p 6380 ping":        "tcpSocket: {port: 6380}",
		"curl http://localhost/a && nc -z db 5432":     "one of httpGet: {path: /a, port: 80} (curl), tcpSocket: {port: 5432} (nc)",
		`test "$(curl -s http://localhost/b)" = ok`:    "httpGet: {path: /b, port: 80}",
		"x=`wget -qO- http://localhost/c`":             "httpGet: {path: /c, port: 80}",
		"if ! curl localhost; then kill 1; fi":         "httpGet",
		"bash -c 'nc -z localhost 82'":                 "tcpSocket: {port: 82}",
		"curl http://a/x || curl http://b/x":           "httpGet: {path: /x, port: 80}",
		"echo curl # nc":                               "",
		"{ sleep 3; }":                                 "sleep: {seconds: 3}",
		"A=1 curl \"http://localhost:9/\"":             "httpGet: {path: /, port: 9}",
		"curl -H '' http://localhost:7/ -o /dev/null;": "httpGet: {path: /, port: 7}",
	} {
		if got := OneOf(Replacements([]string{"/bin/sh", "-c", text})); got != want {
			t.Errorf("sh -c %q: %q, want %q", text, got, want)
		}
	}
}

// Each tool of a compound probe has its own replacement, and the probe has one
// of them.
func TestReplacements(t *testing.T) {
	t.Parallel()
	argv := []string{"tini", "--", "sh", "-c", "curl -f http://localhost:8080/ok && /usr/bin/nc -z localhost 6379 || sleep 5"}
	want := []Replacement{
		{"curl", "httpGet: {path: /ok, port: 8080}"}, {"/usr/bin/nc", "tcpSocket: {port: 6379}"}, {"sleep", "sleep: {seconds: 5}"},
	}
	got := Replacements(argv)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got[1].Kind() != "tcpSocket" || OneOf(nil) != "" {
		t.Errorf("%q, %q", got[1].Kind(), OneOf(nil))
	}
}

// FuzzReplacements reads whatever a shell is given, in time and space that follow
// its length.
func FuzzReplacements(f *testing.F) {
	for _, seed := range []string{"curl 'x", `a "$(b "c`, "`", "\\", "sh -c sh -c", strings.Repeat("(", 100), "timeout -k", "#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, argv := range [][]string{strings.Fields(text), {"sh", "-c", text}} {
			for _, r := range Replacements(argv) {
				if r.Tool == "" || r.Instead == "" {
					t.Errorf("%q: %+v", argv, r)
				}
			}
		}
	})
}
