package depcheck

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// TestNamedTests wants every test and script that a page names as its evidence
// to be there.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	byName := map[string][]string{}
	for name := range testNames(t) {
		dir, test, _ := strings.Cut(strings.TrimPrefix(name, "./"), " ")
		byName[test] = append(byName[test], dir)
	}
	for page, least := range map[string]int{"faults.md": 60, "importing.md": 90, "promises.md": 100} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			checkNames(t, page, least, byName)
		})
	}
}

func checkNames(t *testing.T, page string, least int, byName map[string][]string) {
	t.Helper()
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, m := range regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)\\w+)`|`(\\w+\\.txtar)`").FindAllStringSubmatch(string(raw), -1) {
		named++
		if m[3] != "" {
			if _, err := os.Stat(filepath.Join(root, "cmd", "lathe", "testdata", "script", m[3])); err != nil {
				t.Error(err)
			}
			continue
		}
		if !slices.Contains(byName[m[2]], m[1]) {
			t.Errorf("it names %s.%s, which is in %v", m[1], m[2], byName[m[2]])
		}
	}
	if loose := regexp.MustCompile(`(?:^|[^.])\b(Test|Fuzz)[A-Z]\w+`).FindString(string(raw)); loose != "" {
		t.Errorf("it names %q without its package", loose)
	}
	if named < least {
		t.Errorf("it names %d tests", named)
	}
}

// TestTrapsAreNumbered wants a row with a test for each of the 35 traps of
// recorders.
func TestTrapsAreNumbered(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "importing.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| (\\d+) \\| .+ \\| .+ \\| (`.+`) \\|$").FindAllStringSubmatch(string(raw), -1)
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Errorf("row %d has the number %s", i+1, row[1])
		}
	}
	if len(rows) != 35 {
		t.Errorf("there are %d rows", len(rows))
	}
}
