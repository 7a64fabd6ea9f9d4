package depcheck

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/lathe-build/lathe"

// rule says what a package may import besides the standard library.
type rule struct {
	ours   []string // packages of this module; "..." at the end takes what is below
	others []string // modules of others, or packages of them; "..." at the end takes what is below
	denied []string // packages of the standard library that are not for it
}

// Packages without input and output of their own get readers, writers and fs.FS.
func pure() []string { return []string{"os", "os/exec", "net", "net/http", "syscall"} }

// rules has a row for every package, by its directory.
func rules() map[string]rule {
	timeless := append(pure(), "time", "math/rand", "math/rand/v2")
	registry := "github.com/google/go-containerregistry/..."
	v1 := "github.com/google/go-containerregistry/pkg/v1"
	return map[string]rule{
		// Leaves import nothing of ours.
		"profile": {others: []string{"sigs.k8s.io/yaml", "github.com/klauspost/compress/zstd", "github.com/go-json-experiment/json/jsontext"}, denied: pure()},
		"layers": {
			ours:   []string{"layers/internal/inflate"},
			others: []string{v1, v1 + "/partial", v1 + "/types", "github.com/klauspost/compress/...", "golang.org/x/sync/..."},
			denied: []string{"net", "net/http", "os/exec"},
		},
		"layers/internal/inflate": {denied: timeless},

		"elfdeps": {denied: timeless},
		"pkgdb":   {denied: timeless},

		"profile/fold":   {ours: []string{"profile"}, denied: pure()},
		"profile/strace": {ours: []string{"profile", "profile/fold", "profile/foreign"}, denied: pure()},
		"profile/foreign": {
			ours:   []string{"profile"},
			others: []string{"sigs.k8s.io/yaml", "github.com/klauspost/compress/zstd", "github.com/go-json-experiment/json/..."},
			denied: pure(),
		},
		"profile/internal/scan": {denied: timeless},

		"profile/hubble": {ours: []string{"profile", "profile/fold", "profile/foreign", "profile/internal/scan"}, denied: pure()},
		"profile/tracee": {
			ours:   []string{"profile", "profile/fold", "profile/foreign", "profile/internal/scan"},
			others: []string{"github.com/go-json-experiment/json/..."}, denied: pure(),
		},
		"profile/tetragon": {ours: []string{"profile", "profile/fold", "profile/foreign", "profile/internal/scan"}, denied: pure()},
		"profile/inspektorgadget": {
			ours:   []string{"profile", "profile/fold", "profile/foreign", "profile/internal/scan"},
			others: []string{"github.com/go-json-experiment/json/..."}, denied: pure(),
		},
		"profile/formats":  {ours: []string{"profile/..."}, denied: pure()},
		"harden":           {ours: []string{"profile", "layers", "elfdeps", "pkgdb", "internal/cmdline", "internal/plainjson"}, others: []string{v1, "go.yaml.in/yaml/v3"}, denied: timeless},
		"netpolicy/cilium": {others: []string{"k8s.io/apimachinery/..."}, denied: timeless},
		"netpolicy/evaluate": {
			ours: []string{"netpolicy/cilium"}, others: []string{"k8s.io/api/...", "k8s.io/apimachinery/..."}, denied: timeless,
		},
		"netpolicy/inventory": {others: []string{"k8s.io/apimachinery/...", "sigs.k8s.io/yaml"}, denied: timeless},
		"netpolicy": {
			ours: []string{"profile", "internal/plainjson", "netpolicy/cilium", "netpolicy/evaluate", "netpolicy/inventory"}, others: []string{"k8s.io/api/...", "k8s.io/apimachinery/...", "sigs.k8s.io/yaml"}, denied: timeless,
		},
		"netpolicy/drift": {
			ours: []string{"profile", "netpolicy", "netpolicy/evaluate"}, others: []string{"k8s.io/api/...", "k8s.io/apimachinery/...", "sigs.k8s.io/yaml"}, denied: timeless,
		},
		"report": {ours: []string{"harden", "profile", "layers", "internal/plainjson"}, denied: timeless},
		"image":  {others: []string{registry, "github.com/klauspost/compress/...", "golang.org/x/..."}},
		"sign":   {others: []string{registry, "github.com/sigstore/...", "github.com/go-openapi/...", "github.com/secure-systems-lab/..."}},

		// Evidence of other systems: pure decoders.
		"profile/kubescape": {ours: []string{"profile", "profile/foreign"}, others: []string{"sigs.k8s.io/yaml"}, denied: pure()},
		"profile/seccomp":   {ours: []string{"profile", "profile/foreign"}, denied: pure()},
		"profile/intoto":    {ours: []string{"profile", "profile/foreign"}, denied: pure()},
		"profile/manifest":  {ours: []string{"profile", "profile/foreign", "internal/cmdline"}, denied: pure()},

		"record/trace": {
			ours:   []string{"profile", "profile/fold"},
			others: []string{"github.com/cilium/ebpf/...", "golang.org/x/net/dns/dnsmessage", "golang.org/x/sys/unix"},
		},
		"record": {ours: []string{"profile", "layers", "record/sandbox", "record/trace"}, others: []string{v1, "golang.org/x/sys/unix"}},
		"record/sandbox": {
			ours: []string{"layers"},
			others: []string{
				v1, "golang.org/x/sys/unix", "github.com/moby/profiles/seccomp", "github.com/opencontainers/runtime-spec/specs-go",
				"github.com/vishvananda/netlink", "gvisor.dev/gvisor/pkg/...",
			},
		},
		"cmd/lathe": {
			ours:   []string{"record", "record/sandbox", "report", "netpolicy", "netpolicy/drift", "netpolicy/inventory", "harden", "layers", "profile", "profile/foreign", "profile/formats", "profile/kubescape", "profile/manifest", "profile/intoto", "image", "sign", "internal/plainjson"},
			others: []string{v1, "github.com/spf13/cobra", "golang.org/x/term", "github.com/klauspost/compress/zstd"},
		},
	}
}

// outside are directories of tools and tests: they may import every package of
// ours, and only what is said of sigstore and cobra holds for them.
func outside(dir string) bool {
	for _, d := range []string{"bench", "e2e", "examples", "internal"} {
		if dir == d || strings.HasPrefix(dir, d+"/") {
			return true
		}
	}
	return false
}

// TestImports checks the packages of this repository.
func TestImports(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	raw, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(raw), "module "+module+"\n") {
		t.Fatalf("%s is not the root of %s", root, module)
	}
	files, err := read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		seen[path.Dir(f.name)] = true
		for _, problem := range f.check(rules()) {
			t.Error(problem)
		}
	}
	for dir := range rules() {
		if !seen[dir] {
			t.Errorf("the rules have a row for %s, which is not there", dir)
		}
	}
}

// file is a Go file and what it imports.
type file struct {
	name    string // slashes, from the root
	imports []string
}

// read reads the import clauses of all Go files.
func read(root fs.FS) ([]file, error) {
	var files []file
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || name == "internal/pin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		raw, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, raw, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{name: name}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// check says which imports break a rule.
func (f file) check(table map[string]rule) []string {
	dir := path.Dir(f.name)
	var problems []string
	bad := func(why string) { problems = append(problems, f.name+": "+why) }
	if slices.Contains([]string{"util", "utils", "common", "types", "errors", "log", "config", "helpers"}, path.Base(dir)) {
		bad("a package is named after what it does, not " + path.Base(dir))
	}
	isTest := strings.HasSuffix(f.name, "_test.go")
	for _, imported := range f.imports {
		if takes("github.com/sigstore/...", imported) && dir != "sign" {
			bad("only sign may import " + imported)
		}
		if takes("github.com/spf13/...", imported) && !strings.HasPrefix(dir, "cmd/") {
			bad("only cmd may import " + imported)
		}
	}
	if isTest || outside(dir) {
		return problems
	}
	row, ok := table[dir]
	if !ok {
		bad("the package has no row in the rules")
		return problems
	}
	for _, imported := range f.imports {
		if why := row.forbids(imported); why != "" {
			bad(why)
		}
	}
	return problems
}

// forbids says why a package may not be imported, or nothing.
func (r rule) forbids(imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	switch {
	case isOurs && !slices.ContainsFunc(r.ours, func(pattern string) bool { return takes(pattern, ours) }):
		return "it may not import " + ours
	case isOurs:
		return ""
	case !strings.Contains(first, "."): // the standard library
		if slices.Contains(r.denied, imported) {
			return "it may not import " + imported + ": it does no input and output of its own, or must not depend on the clock"
		}
		return ""
	case !slices.ContainsFunc(r.others, func(pattern string) bool { return takes(pattern, imported) }):
		return "it may not import " + imported
	}
	return ""
}

// takes reports whether a pattern is about a package.
func takes(pattern, imported string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return imported == prefix || strings.HasPrefix(imported, prefix+"/")
	}
	return imported == pattern
}

// TestCheck plants imports that break the rules.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, imported string
		want           string
	}{
		{"layers/tree.go", module + "/profile", "layers/tree.go: it may not import profile"},
		{"layers/tree.go", "github.com/google/go-containerregistry/pkg/v1", ""},
		{"layers/tree.go", "github.com/google/go-containerregistry/pkg/v1/remote", "layers/tree.go: it may not import github.com/google/go-containerregistry/pkg/v1/remote"},
		{"layers/tree_linux.go", "net/http", "layers/tree_linux.go: it may not import net/http: it does no input and output of its own, or must not depend on the clock"},
		{"harden/plan.go", module + "/layers", ""},
		{"harden/plan.go", module + "/report", "harden/plan.go: it may not import report"},
		{"harden/plan.go", "time", "harden/plan.go: it may not import time: it does no input and output of its own, or must not depend on the clock"},
		{"harden/plan_test.go", "time", ""},
		{"image/push.go", module + "/harden", "image/push.go: it may not import harden"},
		{"image/push.go", "net/http", ""},
		{"image/push_test.go", "github.com/sigstore/cosign/v2/pkg/oci", "image/push_test.go: only sign may import github.com/sigstore/cosign/v2/pkg/oci"},
		{"sign/sign.go", "github.com/sigstore/cosign/v2/pkg/oci", ""},
		{"sign/sign.go", module + "/image", "sign/sign.go: it may not import image"},
		{"report/report.go", "github.com/spf13/cobra", "report/report.go: only cmd may import github.com/spf13/cobra"},
		{"cmd/lathe/main.go", "github.com/spf13/cobra", ""},
		{"internal/util/x.go", "fmt", "internal/util/x.go: a package is named after what it does, not util"},
		{"novel/x.go", "fmt", "novel/x.go: the package has no row in the rules"},
		{"e2e/x_test.go", module + "/harden", ""},
	} {
		t.Run(tt.name+" imports "+tt.imported, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(file{tt.name, []string{tt.imported}}.check(rules()), "\n")
			got, _, _ = strings.Cut(got, "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
