//go:build e2e && linux

package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRecord records examples live, hardens them from what was seen, and proves
// the result with the same test, all by the binary.
func TestRecord(t *testing.T) {
	for _, s := range []*stack{nginx, goserver} {
		t.Run(s.name, func(t *testing.T) {
			s.prepare(t)
			dir := t.TempDir()
			prof, out := filepath.Join(dir, "profile.json"), filepath.Join(dir, "out")
			var urls []string
			for _, p := range s.Plain {
				urls = append(urls, `"http://$LATHE_ADDR`+p.Get+`"`)
			}
			test := []string{"--", "sh", "-c", "curl -fsS " + strings.Join(urls, " ")}
			record := lathe(t, append([]string{"record", "oci:" + s.image, "--name", s.name, "-o", prof}, test...)...)
			if !strings.Contains(record, "test, tmpfs") || !strings.Contains(record, "lost events      0") {
				t.Errorf("the summary: %s", record)
			}
			lathe(t, append([]string{"harden", "oci:" + s.image, "-p", prof, "--verify", "-o", out}, test...)...)
			if said := lathe(t, append([]string{"verify", out, "--run", "-p", prof}, test...)...); !strings.Contains(said, "passes: test, restart, tmpfs") {
				t.Errorf("the proof: %s", said)
			}
		})
	}
}

// TestRepair hardens to the least, and keeps what the test of another page needs.
func TestRepair(t *testing.T) {
	nginx.prepare(t)
	dir := t.TempDir()
	prof, out := filepath.Join(dir, "profile.json"), filepath.Join(dir, "out")
	lathe(t, "record", "oci:"+nginx.image, "-o", prof, "--", "sh", "-c", `curl -fsS "http://$LATHE_ADDR/"`)
	args := []string{"harden", "oci:" + nginx.image, "-p", prof, "--level", "files", "--verify", "-o", out}
	test := []string{"--", "sh", "-c", `curl -fsS "http://$LATHE_ADDR/about.html"`}
	r := run("", nil, shared.lathe, append(args, test...)...)
	if r.code != 3 || !strings.Contains(r.stderr, `"/srv/www/about.html" is not there: /usr/sbin/nginx asked for it`) {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	said := lathe(t, append(append(args, "--repair"), test...)...)
	if !strings.Contains(said, "/srv/www/about.html") {
		t.Errorf("the report does not say what was repaired: %s", said)
	}
}
