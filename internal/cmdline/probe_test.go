package cmdline

import (
	"strings"
	"testing"
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
		"sleep 15":                                "sleep: {seconds: 15}",
		"sleep 5s":                                "sleep: {seconds: 5}",
		"sleep":                                   "sleep",
		"cat /tmp/healthy":                        "",
		"sh -c":                                   "",
		"env A=1 curl http://localhost:1/":        "httpGet: {path: /, port: 1}",
		"/app/check curl":                         "",
		"":                                        "",
	} {
		if got := Replacement(strings.Fields(line)); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	for text, want := range map[string]string{
		"curl -fsS 'http://localhost:80/ok' || exit 1": "httpGet: {path: /ok, port: 80}",
		"nginx -s quit; sleep 10":                      "sleep: {seconds: 10}",
		"test -f /tmp/ok":                              "",
	} {
		if got := Replacement([]string{"/bin/sh", "-c", text}); got != want {
			t.Errorf("sh -c %q: %q, want %q", text, got, want)
		}
	}
}
