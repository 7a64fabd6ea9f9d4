package elfdeps_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
	"github.com/lathe-build/lathe/internal/testimage"
)

func TestImports(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		imports []string
		want    []string
	}{
		{"none", nil, nil},
		{"others", []string{"printf", "filesystem"}, nil},
		{"some", []string{"printf", "system", "popen"}, []string{"popen", "system"}},
		{"only the end of a longer name", []string{"my_system"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			data := testimage.ELF(testimage.ELFOptions{Imports: tc.imports, Strings: []string{"system"}})
			got, err := elfdeps.Imports(bytes.NewReader(data), int64(len(data)), "system", "popen", "posix_spawn")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestImportsDamaged reads files with lying tables: an error, or a shorter
// answer, and nothing worse.
func TestImportsDamaged(t *testing.T) {
	t.Parallel()
	whole := testimage.ELF(testimage.ELFOptions{Imports: []string{"system"}})
	for at := range whole {
		data := slices.Clone(whole)
		data[at] ^= 0xff
		got, err := elfdeps.Imports(bytes.NewReader(data), int64(len(data)), "system")
		if err != nil && !errors.Is(err, elfdeps.ErrMalformed) && !errors.Is(err, elfdeps.ErrNotELF) {
			t.Errorf("byte %d: %v", at, err)
		}
		if len(got) > 1 {
			t.Errorf("byte %d: %v", at, got)
		}
	}
}

// TestImportsOfHost compares with what the standard library reads by sections.
func TestImportsOfHost(t *testing.T) {
	t.Parallel()
	names := []string{"system", "popen", "printf", "malloc", "posix_spawn", "execve", "getenv"}
	for _, name := range []string{"/bin/sh", "/bin/ls", "/usr/bin/env", "/usr/bin/git", "/usr/bin/python3", "/lib/x86_64-linux-gnu/libc.so.6"} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		f, err := elf.NewFile(bytes.NewReader(data))
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		var want []string
		symbols, err := f.ImportedSymbols()
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		for _, s := range symbols {
			if slices.Contains(names, s.Name) {
				want = append(want, s.Name)
			}
		}
		slices.Sort(want)
		got, err := elfdeps.Imports(bytes.NewReader(data), int64(len(data)), names...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
			t.Errorf("%s (-debug/elf +Imports):\n%s", name, diff)
		}
	}
}

func FuzzImports(f *testing.F) {
	f.Add(testimage.ELF(testimage.ELFOptions{Imports: []string{"system", "popen"}}))
	f.Add(build(spec{class: 32, big: true, needed: []string{"liba.so"}}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = elfdeps.Imports(bytes.NewReader(data), int64(len(data)), "system") // must not panic
	})
}
