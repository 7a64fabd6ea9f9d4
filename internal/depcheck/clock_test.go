package depcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// clocks are the files that may ask for the time of day, and for what. Nothing
// of it reaches an output: the same input gives the same bytes in 1970 and in
// 2100.
func clocks() map[string]string {
	return map[string]string{
		"image/retry.go":            "the wait that a registry asks for as a date",
		"cmd/lathe/run_progress.go": "how long nothing new was seen, on the terminal",
	}
}

// TestClock looks for every other use of the clock. Recording is left out: when
// something was seen is a part of what is recorded.
func TestClock(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	got := map[string]string{}
	files, err := read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		dir := path.Dir(f.name)
		if strings.HasSuffix(f.name, "_test.go") || outside(dir) || dir == "record" || strings.HasPrefix(dir, "record/") {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, filepath.FromSlash(f.name)), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		file := f.name
		ast.Inspect(syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := call.X.(*ast.Ident)
			if ok && pkg.Name == "time" && strings.Contains(" Now Since Until ", " "+call.Sel.Name+" ") {
				got[file] = clocks()[file]
			}
			return true
		})
	}
	for file := range got {
		if got[file] == "" {
			t.Errorf("%s asks for the time", file)
		}
	}
	if diff := cmp.Diff(clocks(), got); diff != "" {
		t.Errorf("files that ask for the time (-want +got):\n%s", diff)
	}
}
