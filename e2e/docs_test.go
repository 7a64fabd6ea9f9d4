//go:build e2e && linux

package e2e

import (
	"errors"
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

// TestExampleDocuments runs the shell blocks of the examples' READMEs, recordings
// first, where the images that they build are at hand. LATHE_STACKS asks for it:
// it takes a minute.
func TestExampleDocuments(t *testing.T) {
	if os.Getenv("LATHE_STACKS") == "" {
		t.Skip("LATHE_STACKS is not set: `make e2e-stacks` runs this")
	}
	for _, s := range exampleStacks() {
		t.Run(s.name, func(t *testing.T) {
			s.prepare(t)
			raw, err := os.ReadFile(filepath.Join(s.dir(), "README.md"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			example := filepath.Join(dir, "examples", s.name)
			image, err := filepath.Abs(s.image)
			if err := errors.Join(err, os.MkdirAll(example, 0o755), os.Mkdir(filepath.Join(dir, ".build"), 0o755),
				os.Symlink(image, filepath.Join(dir, ".build", s.name))); err != nil {
				t.Fatal(err)
			}
			var script []string
			for part := range strings.SplitSeq(string(raw), "\n```") {
				if text, ok := strings.CutPrefix(part, "sh\n"); ok {
					_, rest, _ := strings.Cut(text, "\n") // the image is built already, by the same code
					script = append([]string{rest}, script...)
				}
			}
			if len(script) != 2 || !strings.HasPrefix(script[0], "lathe record ") || !strings.HasPrefix(script[1], "lathe harden ") {
				t.Fatalf("the README does not record and harden: %q", script)
			}
			path := "PATH=" + filepath.Dir(shared.lathe) + ":" + os.Getenv("PATH")
			if r := run(dir, []string{path}, "bash", "-c", "set -eu\n"+strings.Join(script, "\n")); r.code != 0 {
				t.Errorf("exit %d\n%s\n%s", r.code, script, r.stderr)
			}
			for _, want := range []string{filepath.Join("examples", s.name, "profile.json"), "out/plan.json"} {
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
