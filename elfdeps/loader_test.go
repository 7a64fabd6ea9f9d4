package elfdeps_test

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
)

// sorted returns the members of a set.
func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

const (
	glibcLD = "/lib64/ld-linux-x86-64.so.2"
	muslLD  = "/lib/ld-musl-x86_64.so.1"
)

// libs returns empty libraries at the paths.
func libs(paths ...string) map[string]spec {
	m := map[string]spec{}
	for _, p := range paths {
		m[p] = spec{}
	}
	return m
}

// with adds files to a tree.
func with(m map[string]spec, name string, s spec) map[string]spec {
	m[name] = s
	return m
}

// needs is a program for glibc.
func needs(names ...string) spec { return spec{interp: glibcLD, needed: names} }

func little(pairs ...string) string { return string(newCache(binary.LittleEndian, 2, pairs...)) }

func TestDepsGlibc(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		elfs   map[string]spec
		others map[string]string
		inh    []string
		want   []string // paths of the needed libraries, "" when not found
		pass   []string
	}{
		{
			name: "default directories of all distributions",
			elfs: with(libs("lib/x86_64-linux-gnu/liba.so", "usr/lib64/libb.so", "usr/lib/libc.so.6", "opt/libd.so"),
				"app/p", needs("liba.so", "libb.so", "libc.so.6", "libd.so")),
			want: []string{"lib/x86_64-linux-gnu/liba.so", "usr/lib64/libb.so", "usr/lib/libc.so.6", ""},
		},
		{
			name:   "the cache goes before the default directories",
			elfs:   with(libs("usr/lib/liba.so", "opt/lib/liba.so"), "app/p", needs("liba.so")),
			others: map[string]string{"etc/ld.so.cache": little("liba.so", "/opt/lib/liba.so")},
			want:   []string{"opt/lib/liba.so"},
		},
		{
			name:   "a cached file that is gone",
			elfs:   with(libs("usr/lib/liba.so"), "app/p", needs("liba.so")),
			others: map[string]string{"etc/ld.so.cache": little("liba.so", "/opt/lib/liba.so")},
			want:   []string{"usr/lib/liba.so"},
		},
		{
			name:   "a cached file of another name",
			elfs:   with(libs("opt/liba.so.1.2.3"), "app/p", needs("liba.so.1")),
			others: map[string]string{"etc/ld.so.cache": little("liba.so.1", "/opt/liba.so.1.2.3")},
			want:   []string{"opt/liba.so.1.2.3"},
		},
		{
			name: "ld.so.conf is the last resort",
			elfs: with(libs("usr/lib/liba.so", "opt/a/liba.so", "opt/b/libb.so", "opt/c/libc.so"),
				"app/p", needs("liba.so", "libb.so", "libc.so")),
			others: map[string]string{
				"etc/ld.so.conf":          "include /etc/ld.so.conf.d/*.conf\n# comment\n/opt/a\n",
				"etc/ld.so.conf.d/b.conf": "/opt/b # comment\ninclude other\n",
				"etc/ld.so.conf.d/c.txt":  "/opt/c\n",
				"etc/ld.so.conf.d/other":  "include b.conf\nhwcap 1 nosegneg\n",
			},
			want: []string{"usr/lib/liba.so", "opt/b/libb.so", ""},
		},
		{
			name: "RPATH, its own before the inherited",
			elfs: with(libs("r1/liba.so", "r2/liba.so", "r2/libb.so", "usr/lib/libb.so"),
				"app/p", spec{rpath: "/r1", needed: []string{"liba.so", "libb.so"}}),
			inh: []string{"r2"}, want: []string{"r1/liba.so", "r2/libb.so"}, pass: []string{"r1", "r2"},
		},
		{
			name: "a RUNPATH hides RPATH and the inherited, but not for others",
			elfs: with(libs("r1/liba.so", "r2/libb.so", "r3/libe.so", "usr/lib/libb.so"),
				"app/p", spec{rpath: "/r1", runpath: "/r3", needed: []string{"liba.so", "libb.so", "libe.so"}}),
			inh: []string{"r2"}, want: []string{"", "usr/lib/libb.so", "r3/libe.so"}, pass: []string{"r2"},
		},
		{
			name: "tokens",
			elfs: with(libs("opt/app/lib/liba.so", "opt/app/lib/x86_64-linux-gnu/libb.so", "p/haswell/libc.so", "opt/lib/libd.so"),
				"opt/app/bin/p", spec{
					interp: glibcLD, runpath: "$ORIGIN/../lib:${ORIGIN}/../$LIB:/p/${PLATFORM}:../../lib",
					needed: []string{"liba.so", "libb.so", "libc.so", "libd.so"},
				}),
			others: map[string]string{"app/p": "-> ../opt/app/bin/p"},
			want:   []string{"opt/app/lib/liba.so", "opt/app/lib/x86_64-linux-gnu/libb.so", "p/haswell/libc.so", "opt/lib/libd.so"},
		},
		{
			name: "$ORIGIN of a library is first where it was found",
			elfs: with(libs("app/liba.so", "real/liba.so", "real/libb.so"),
				"real/p", spec{soname: "p", runpath: "$ORIGIN", needed: []string{"liba.so", "libb.so"}}),
			others: map[string]string{"app/p": "-> ../real/p"},
			want:   []string{"app/liba.so", "real/libb.so"},
		},
		{
			name:   "dots behind a linked directory",
			elfs:   with(libs("real/lib/liba.so", "lib/libz.so"), "app/p", spec{runpath: "/link/../lib", needed: []string{"liba.so"}}),
			others: map[string]string{"link": "-> real/sub", "real/sub/x": ""},
			want:   []string{"real/lib/liba.so"},
		},
		{
			name: "other machines, classes and texts are skipped",
			elfs: map[string]spec{
				"app/p":      {runpath: "/a:/b:/c:/d:/e:/f", needed: []string{"liba.so"}},
				"a/liba.so":  {machine: elf.EM_AARCH64},
				"b/liba.so":  {class: 32},
				"c/liba.so":  {big: true},
				"e/liba.so":  {typ: elf.ET_EXEC, static: true},
				"f/liba.so":  {},
				"f/liba2.so": {},
			},
			others: map[string]string{"d/liba.so": "GROUP ( libx.so )", "d/keep": ""},
			want:   []string{"f/liba.so"},
		},
		{
			name: "a name with a slash is a path",
			elfs: with(libs("opt/liba.so", "app/lib/libb.so", "usr/lib/libc.so"),
				"app/p", needs("/opt/liba.so", "$ORIGIN/lib/libb.so", "/opt/libc.so", "./lib/libb.so")),
			want: []string{"opt/liba.so", "app/lib/libb.so", "", "app/lib/libb.so"},
		},
		{
			name: "no default directories",
			elfs: with(libs("usr/lib/liba.so", "opt/libb.so"),
				"app/p", spec{flags1: elf.DF_1_NODEFLIB, needed: []string{"liba.so", "libb.so"}}),
			others: map[string]string{"etc/ld.so.cache": little("liba.so", "/usr/lib/liba.so", "libb.so", "/opt/libb.so")},
			want:   []string{"", "opt/libb.so"},
		},
		{
			name: "variants for better processors",
			elfs: with(libs("usr/lib/liba.so", "usr/lib/glibc-hwcaps/x86-64-v3/liba.so", "usr/lib/glibc-hwcaps/x86-64-v2/liba.so",
				"usr/lib/glibc-hwcaps/x86-64-v3/libb.so", "usr/lib64/libb.so", "lib64/haswell/libb.so"),
				"app/p", needs("liba.so", "libb.so")),
			want: []string{
				"usr/lib/liba.so", "usr/lib/glibc-hwcaps/x86-64-v2/liba.so", "usr/lib/glibc-hwcaps/x86-64-v3/liba.so",
				"usr/lib64/libb.so", "lib64/haswell/libb.so",
			},
		},
		{
			name: "variants in the cache",
			elfs: with(libs("opt/liba.so", "opt/glibc-hwcaps/x86-64-v3/liba.so", "opt/glibc-hwcaps/x86-64-v4/liba.so"), "app/p", needs("liba.so")),
			others: map[string]string{"etc/ld.so.cache": little(
				"liba.so", "/opt/glibc-hwcaps/x86-64-v3/liba.so", "liba.so", "/opt/liba.so", "liba.so", "/elsewhere/liba.so")},
			want: []string{"opt/liba.so", "opt/glibc-hwcaps/x86-64-v3/liba.so", "opt/glibc-hwcaps/x86-64-v4/liba.so"},
		},
		{
			name: "hostile names",
			elfs: map[string]spec{"app/p": needs("..", ".", "a\x01b", "$ORIGIN", "/", "/../../etc/x", "$LIB$LIB$LIB$LIB/x")},
			want: []string{"", "", "", "", "", "", ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, err := elfdeps.New(tree(tt.elfs, tt.others))
			if err != nil {
				t.Fatal(err)
			}
			deps, pass, err := l.Deps("app/p", tt.inh)
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
			if diff := cmp.Diff(tt.pass, pass); diff != "" {
				t.Errorf("inherited by the dependencies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDepsInterpreter(t *testing.T) {
	t.Parallel()
	root := tree(map[string]spec{
		"usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": {soname: "ld-linux-x86-64.so.2"},
		"usr/lib/x86_64-linux-gnu/libc.so.6":            {interp: glibcLD, soname: "libc.so.6", needed: []string{"ld-linux-x86-64.so.2"}},
		"bin/ok":                                        needs("libc.so.6"),
		"bin/lost":                                      {interp: "/lib/ld-other.so", typ: elf.ET_EXEC},
		"bin/static":                                    {typ: elf.ET_EXEC, static: true},
		"bin/static-pie":                                {flags1: elf.DF_1_PIE},
	}, map[string]string{
		"lib64/ld-linux-x86-64.so.2": "-> ../usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
		"bin/script":                 "#!/bin/sh\n",
	})
	l, err := elfdeps.New(root)
	if err != nil {
		t.Fatal(err)
	}
	const ld = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
	interp := elfdeps.Dep{Kind: elfdeps.Interpreter, Name: glibcLD, Path: glibcLD[1:]}
	for path, want := range map[string][]elfdeps.Dep{
		"bin/ok": {interp, {Kind: elfdeps.Needed, Name: "libc.so.6", Path: "usr/lib/x86_64-linux-gnu/libc.so.6"}},
		"usr/lib/x86_64-linux-gnu/libc.so.6": {
			interp,
			{Kind: elfdeps.Needed, Name: "ld-linux-x86-64.so.2", Path: "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"},
		},
		ld:               nil,
		"bin/lost":       {{Kind: elfdeps.Interpreter, Name: "/lib/ld-other.so"}},
		"bin/static":     nil,
		"bin/static-pie": nil,
		"bin/script":     nil,
		"bin":            nil,
	} {
		got, _, err := l.Deps(path, nil)
		if err != nil {
			t.Errorf("Deps(%q): %v", path, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Deps(%q) (-want +got):\n%s", path, diff)
		}
	}
	if _, _, err := l.Deps("bin/none", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v for a missing file, want ErrNotExist", err)
	}
}

func TestLibraryPath(t *testing.T) {
	t.Parallel()
	elfs := libs("r/liba.so", "env/liba.so", "run/liba.so", "env/libb.so", "run/libb.so")
	elfs["bin/rpath"] = spec{rpath: "/r", needed: []string{"liba.so"}}
	elfs["bin/runpath"] = spec{runpath: "/run", needed: []string{"liba.so"}}
	l, err := elfdeps.New(tree(elfs, nil), "relative", "/env", "")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"bin/rpath": "r/liba.so", "bin/runpath": "env/liba.so"} {
		deps, _, err := l.Deps(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(deps) != 1 || deps[0].Path != want {
			t.Errorf("Deps(%q) = %v, want %s", path, deps, want)
		}
	}
}

func TestDirsAndFind(t *testing.T) {
	t.Parallel()
	elfs := libs("usr/lib/liba.so", "opt/cache/libb.so", "conf/libc.so", "run/libd.so", "bin/libe.so")
	root := tree(elfs, map[string]string{
		"etc/ld.so.cache": little("libb.so", "/opt/cache/libb.so", "libx.so", "/gone/libx.so"),
		"etc/ld.so.conf":  "/conf\n/none\n",
	})
	l, err := elfdeps.New(root)
	if err != nil {
		t.Fatal(err)
	}
	f := &elfdeps.File{Class: 64, Machine: elf.EM_X86_64, Type: elf.ET_DYN, RunPath: []string{"/run", "$ORIGIN"}}
	if diff := cmp.Diff([]string{"run", "opt/cache", "usr/lib", "conf"}, l.Dirs(f)); diff != "" {
		t.Errorf("Dirs (-want +got):\n%s", diff)
	}
	for name, want := range map[string][]string{
		"liba.so": {"usr/lib/liba.so"}, "libb.so": {"opt/cache/libb.so"}, "libc.so": {"conf/libc.so"},
		"libd.so": {"run/libd.so"}, "libe.so": {"bin/libe.so"}, "libx.so": nil,
	} {
		if diff := cmp.Diff(want, l.Find(name, f, "bin/p", nil)); diff != "" {
			t.Errorf("Find(%q) (-want +got):\n%s", name, diff)
		}
	}
}

// plainFS hides all but Open, and ReadAt of the files.
type plainFS struct{ fs.FS }

func (p plainFS) Open(name string) (fs.File, error) {
	f, err := p.FS.Open(name)
	if _, isDir := f.(fs.ReadDirFile); err != nil || isDir {
		return f, err
	}
	return plainFile{f}, nil
}

type plainFile struct{ fs.File }

func TestPlainFilesystem(t *testing.T) {
	t.Parallel()
	root := tree(with(libs("usr/lib/liba.so"), "bin/p", needs("liba.so")), nil)
	l, err := elfdeps.New(plainFS{root})
	if err != nil {
		t.Fatal(err)
	}
	deps, _, err := l.Deps("bin/p", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(deps) != 2 || deps[1].Path != "usr/lib/liba.so" {
		t.Errorf("Deps = %v", deps)
	}
}

// brokenFS fails for one name.
type brokenFS struct {
	fstest.MapFS
	name string
}

func (b brokenFS) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, errMedium
	}
	return b.MapFS.Open(name)
}

func TestNewReadError(t *testing.T) {
	t.Parallel()
	root := tree(nil, map[string]string{
		"etc/ld.so.cache": "x", "etc/ld.so.conf": "include d/*\n", "etc/d/a": "/a\n", "etc/ld-musl-x86_64.path": "/lib",
	})
	for _, name := range []string{"etc/ld.so.cache", "etc/ld.so.conf", "etc/d/a", "etc/ld-musl-x86_64.path"} {
		if _, err := elfdeps.New(brokenFS{root, name}); !errors.Is(err, errMedium) {
			t.Errorf("%s fails: error %v, want it", name, err)
		}
	}
}
