package elfdeps_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
)

func TestDepsMusl(t *testing.T) {
	t.Parallel()
	prog := func(s spec) spec { s.interp = muslLD; return s }
	base := map[string]spec{
		"lib/ld-musl-x86_64.so.1": {soname: "libc.musl-x86_64.so.1"},
		"usr/lib/liba.so":         {needed: []string{"libb.so", "libc.musl-x86_64.so.1"}},
		"usr/local/lib/libb.so":   {},
		"usr/lib/libb.so":         {},
		"opt/lib/libc1.so":        {},
	}
	tests := []struct {
		name   string
		path   string
		prog   spec
		others map[string]string
		inh    []string
		want   []string
		pass   []string
	}{
		{
			name: "libc is the loader", path: "bin/p",
			prog: prog(spec{needed: []string{"libc.musl-x86_64.so.1", "libc.so.6", "libpthread.so.0", "liba.so"}}),
			want: []string{"lib/ld-musl-x86_64.so.1", "lib/ld-musl-x86_64.so.1", "lib/ld-musl-x86_64.so.1", "usr/lib/liba.so"},
		},
		{
			name: "default directories in order", path: "usr/lib/liba.so",
			want: []string{"usr/local/lib/libb.so", "lib/ld-musl-x86_64.so.1"},
		},
		{
			name: "path file, with colons and lines", path: "bin/p",
			prog:   prog(spec{needed: []string{"libb.so", "libc1.so"}}),
			others: map[string]string{"etc/ld-musl-x86_64.path": "/nowhere:/usr/lib\n/opt/lib\n"},
			want:   []string{"usr/lib/libb.so", "opt/lib/libc1.so"},
		},
		{
			name: "RUNPATH is inherited too", path: "bin/p",
			prog: prog(spec{runpath: "/opt/lib:/x/$LIB", needed: []string{"libc1.so"}}),
			want: []string{"opt/lib/libc1.so"}, pass: []string{"opt/lib"},
		},
		{
			name: "inherited", path: "bin/p", inh: []string{"opt/lib"},
			prog: spec{needed: []string{"libc1.so", "libc.musl-x86_64.so.1"}},
			want: []string{"opt/lib/libc1.so", "lib/ld-musl-x86_64.so.1"}, pass: []string{"opt/lib"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			elfs := maps.Clone(base)
			if tt.path == "bin/p" {
				elfs["bin/p"] = tt.prog
			}
			l, err := elfdeps.New(tree(elfs, tt.others))
			if err != nil {
				t.Fatal(err)
			}
			deps, pass, err := l.Deps(tt.path, tt.inh)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range deps {
				if d.Kind == elfdeps.Needed {
					got = append(got, d.Path)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.pass, pass, cmp.Transformer("nil", func(s []string) []string {
				return append([]string{}, s...)
			})); diff != "" && len(tt.pass)+len(pass) > 0 {
				t.Errorf("inherited by the dependencies (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAlpine reads every file of real roots, one of another machine than most
// hosts: all programs need the loader, nothing is missing.
func TestAlpine(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"x86_64", "aarch64"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			root := alpine(t, arch)
			l, err := elfdeps.New(root)
			if err != nil {
				t.Fatal(err)
			}
			loader := "lib/ld-musl-" + arch + ".so.1"
			programs := 0
			for _, name := range slices.Sorted(maps.Keys(root)) {
				f, err := l.File(name)
				if errors.Is(err, elfdeps.ErrNotELF) {
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if f.IsProgram() {
					programs++
				}
				needed := closure(t, l, name)
				if len(f.Needed) > 0 && !slices.Contains(needed, loader) {
					t.Errorf("%s needs %q", name, needed)
				}
			}
			if programs == 0 {
				t.Error("no programs")
			}
			got := closure(t, l, "usr/bin/scanelf")
			if diff := cmp.Diff([]string{loader}, got); diff != "" {
				t.Errorf("closure of scanelf (-want +got):\n%s", diff)
			}
			got = closure(t, l, "sbin/apk")
			slices.Sort(got)
			want := []string{loader, "lib/libapk.so.2.14.0", "lib/libcrypto.so.3", "lib/libssl.so.3", "lib/libz.so.1"}
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("closure of apk (-want +got):\n%s", diff)
			}
		})
	}
}

// alpine returns the files of Alpine's minirootfs, without links that lead to
// the root's top, which MapFS does not follow.
func alpine(t *testing.T, arch string) fstest.MapFS {
	t.Helper()
	name := "shared/images/alpine-minirootfs-3.20.3-" + arch + ".tar.gz"
	var f *os.File
	for dir := ".."; f == nil; dir = filepath.Join("..", dir) {
		if len(dir) > 20 {
			t.Skipf("no %s above this checkout", name)
		}
		f, _ = os.Open(filepath.Join(dir, name))
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	root := fstest.MapFS{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		mode := h.FileInfo().Mode()
		if mode.Type() == fs.ModeSymlink {
			if strings.HasPrefix(h.Linkname, "/") {
				continue
			}
			data = []byte(h.Linkname)
		}
		if at := path.Clean(h.Name); at != "." {
			root[at] = &fstest.MapFile{Data: data, Mode: mode}
		}
	}
}
