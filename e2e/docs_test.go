//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocuments runs the shell blocks of README and tutorial, in order, in a
// directory that holds what their blocks with "go run" would have left there: the
// image web, and trace.log from the program that the tutorial names.
func TestDocuments(t *testing.T) {
	nginx.prepare(t)
	image, err := filepath.Abs(nginx.image)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "trace.log")
	r := run(repository, nil, "go", "run", "./e2e/cmd/strace", "-o", log, image, "/", "/style.css")
	if r.code != 0 {
		t.Fatalf("tracing: %s", r.stderr)
	}
	for _, name := range []string{"README.md", "docs/tutorial.md"} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(repository, name))
			if err != nil {
				t.Fatal(err)
			}
			blocks := shellBlocks(string(raw))
			if len(blocks) == 0 {
				t.Fatal("no shell block found")
			}
			dir := t.TempDir()
			for link, target := range map[string]string{"web": image, "trace.log": log} {
				if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
					t.Fatal(err)
				}
			}
			script := "set -eu\n" + strings.Join(blocks, "\n")
			path := "PATH=" + filepath.Dir(shared.lathe) + ":" + os.Getenv("PATH")
			if r := run(dir, []string{path}, "bash", "-c", script); r.code != 0 {
				t.Errorf("exit %d\n%s\n%s", r.code, script, r.stderr)
			}
			for _, want := range []string{"out/plan.json", "out/networkpolicy.yaml", "profile.json"} {
				if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// shellBlocks are the contents of the sh fences without "go run".
func shellBlocks(markdown string) []string {
	var blocks []string
	for i, part := range strings.Split(markdown, "\n```") {
		if text, ok := strings.CutPrefix(part, "sh\n"); ok && i > 0 && !strings.Contains(text, "go run") {
			blocks = append(blocks, text)
		}
	}
	return blocks
}
