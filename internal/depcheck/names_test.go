package depcheck

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testNames are the names of all tests and fuzz targets of the repository, each
// as "./DIR NAME".
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	root := os.DirFS(filepath.Join("..", ".."))
	pattern := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		for _, m := range pattern.FindAllStringSubmatch(string(raw), -1) {
			names["./"+path.Dir(name)+" "+m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestFuzzScript wants scripts/fuzz.sh to know every fuzz target.
func TestFuzzScript(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(filepath.Join("..", "..", "scripts", "fuzz.sh"), "-l").Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		listed[strings.TrimSpace(line)] = true
	}
	found := 0
	for name := range testNames(t) {
		if !strings.Contains(name, " Fuzz") {
			continue
		}
		if found++; !listed[name] {
			t.Errorf("scripts/fuzz.sh leaves out %s", name)
		}
	}
	if found < 10 || found != len(listed) {
		t.Errorf("found %d targets, the script lists %d", found, len(listed))
	}
}

// TestNamedTests wants every test and script that docs/faults.md names to be
// there.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]string{}
	for name := range testNames(t) {
		dir, test, _ := strings.Cut(strings.TrimPrefix(name, "./"), " ")
		byName[test] = append(byName[test], dir)
	}
	named := 0
	for _, m := range regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`|`(\\w+\\.txtar)`").FindAllStringSubmatch(string(raw), -1) {
		named++
		if m[3] != "" {
			if _, err := os.Stat(filepath.Join(root, "cmd", "lathe", "testdata", "script", m[3])); err != nil {
				t.Errorf("docs/faults.md: %v", err)
			}
			continue
		}
		there := false
		for _, dir := range byName[m[2]] {
			there = there || dir == m[1]
		}
		if !there {
			t.Errorf("docs/faults.md names %s.%s, which is in %v", m[1], m[2], byName[m[2]])
		}
	}
	if loose := regexp.MustCompile(`(?:^|[^.])\b(Test|Fuzz)[A-Z]\w+`).FindString(string(raw)); loose != "" {
		t.Errorf("docs/faults.md names %q without its package", loose)
	}
	if named < 60 {
		t.Errorf("docs/faults.md names %d tests", named)
	}
}
