package strace

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/lathe-build/lathe/internal/importtest"
	"github.com/lathe-build/lathe/profile"
)

// files opens the files of testdata that a pattern matches.
func files(t *testing.T, pattern string) []Input {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no file is %s: %v", pattern, err)
	}
	var inputs []Input
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, Input{filepath.Base(name), bytes.NewReader(data)})
	}
	return inputs
}

func mustImport(t *testing.T, inputs []Input, opts Options) *profile.Profile {
	t.Helper()
	p, err := Import(context.Background(), inputs, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The recordings are of one program each time: a script in a root directory of
// its own that starts a server, which looks up a name, connects, listens and
// spawns a worker for each of two clients.
func TestImportRecordings(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pattern string
		opts    Options
	}{
		"chroot": {"chroot.log", Options{Name: "server", Run: "a", Arch: "amd64", Complete: true}},
		"plain":  {"plain.log", Options{}},
		"ff":     {"ff.[0-9]*", Options{Arch: "amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := mustImport(t, files(t, tc.pattern), tc.opts)
			importtest.Golden(t, filepath.Join("testdata", name+".golden.json"), p)
		})
	}
}
