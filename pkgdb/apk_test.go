package pkgdb_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lathe-build/lathe/pkgdb"
)

const (
	installedPath = "lib/apk/db/installed"
	scriptsPath   = "lib/apk/db/scripts.tar"
)

const (
	muslRecord = `C:Q1musl/+=
P:musl
V:1.2.5-r0
A:x86_64
o:musl
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1aaaa=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q1bbbb=

`
	busyboxRecord = `C:Q1busybox=
P:busybox
V:1.36.1-r29
A:x86_64
D:so:libc.musl-x86_64.so.1
p:/bin/sh cmd:busybox=1.36.1-r29 cmd:sh=1.36.1-r29
F:bin
R:busybox
a:0:0:755
Z:Q1cccc=
R:sh
F:etc
F:etc/network
M:0:0:1777
R:up
R:down
F:var
F:var/cache
F:var/cache/misc

`
	curlRecord = `C:Q1curl=
P:curl
V:8.9.1-r1
A:x86_64
o:curl-origin
D:/bin/sh cmd:busybox musl>=1.2 !old-curl so:libgone.so.1 ca-certificates~2024 curl
F:
R:rootfile
F:usr/bin
R:curl
`
)

// alpineFiles is a small Alpine.
func alpineFiles(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		installedPath:         muslRecord + busyboxRecord + curlRecord,
		"lib/apk/db/triggers": "Q1busybox= /bin /usr/bin\nQ1curl= /etc\n",
		scriptsPath:           string(scripts(t)),
		"lib/apk/db/lock":     "",
		"etc/apk/world":       "busybox\ncurl@edge musl\n!curl\ncmd:sh>=1\nso:other\ncurl=8.9.1-r1",
		"bin/busybox":         "x", "bin/sh": "-> busybox", "rootfile": "x", "usr/bin/curl": "x",
		"lib/ld-musl-x86_64.so.1": "x", "lib/libc.musl-x86_64.so.1": "-> ld-musl-x86_64.so.1",
		"etc/network/up": "", "etc/network/down": "", "var/cache/misc/": "",
	}
}

// scripts is a scripts.tar as apk writes it, with an extended header and a long
// name as it does not.
func scripts(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	long := "curl-" + string(bytes.Repeat([]byte("8"), 150)) + ".Q1curl=.pre-upgrade"
	for _, h := range []tar.Header{
		{Name: "busybox-1.36.1-r29.Q1busybox=.post-install", Mode: 0o755},
		{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "global"}},
		{Name: long, Format: tar.FormatGNU},
		{Name: "musl-1.2.5-r0.Q1musl/+=.trigger", PAXRecords: map[string]string{"comment": "odd"}, Format: tar.FormatPAX},
		{Name: "curl-8.9.1-r1.Q1curl=.post-install"},
		{Name: "no-script"},
	} {
		content := []byte("#!/bin/sh\n" + h.Name)
		if h.Typeflag != tar.TypeXGlobalHeader {
			h.Size = int64(len(content))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// names lists the entries of an archive.
func names(t *testing.T, b []byte) []string {
	t.Helper()
	var out []string
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, h.Name)
	}
}

func TestApkPackages(t *testing.T) {
	t.Parallel()
	db := read(t, alpineFiles(t))
	want := []pkgdb.Package{
		{
			Manager: "apk", Name: "busybox", Version: "1.36.1-r29", Arch: "x86_64", Origin: "busybox",
			Depends: []string{"musl"}, Provides: []string{"/bin/sh", "cmd:busybox", "cmd:sh"},
			Files: []string{"bin", "bin/busybox", "bin/sh", "etc", "etc/network", "etc/network/up", "etc/network/down", "var", "var/cache", "var/cache/misc"},
		},
		{
			Manager: "apk", Name: "curl", Version: "8.9.1-r1", Arch: "x86_64", Origin: "curl-origin",
			Depends: []string{"busybox", "musl", "so:libgone.so.1", "ca-certificates"},
			Files:   []string{"rootfile", "usr/bin", "usr/bin/curl"},
		},
		{
			Manager: "apk", Name: "musl", Version: "1.2.5-r0", Arch: "x86_64", Origin: "musl",
			Provides: []string{"so:libc.musl-x86_64.so.1"},
			Files:    []string{"lib", "lib/ld-musl-x86_64.so.1", "lib/libc.musl-x86_64.so.1"},
		},
	}
	if diff := cmp.Diff(want, db.Packages(), cmpopts.IgnoreUnexported(pkgdb.Package{})); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	busybox := db.Packages()[0]
	if diff := cmp.Diff([]string{"bin/busybox", "bin/sh", "etc/network/up", "etc/network/down"}, busybox.RegularFiles()); diff != "" {
		t.Errorf("regular files (-want +got):\n%s", diff)
	}
	wantPaths := []string{"etc/apk/world", installedPath, scriptsPath, "lib/apk/db/triggers"}
	if diff := cmp.Diff(wantPaths, db.Paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if problems, err := pkgdb.Check(tree(alpineFiles(t))); err != nil || len(problems) != 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

func TestApkWithout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		dropped   []string
		gone      []string
		installed string
		want      map[string]string // of the other files
		scripts   []string          // entries left, when some go
	}{
		{name: "nothing", want: map[string]string{}},
		{
			name: "a package", dropped: []string{"curl"},
			installed: muslRecord + busyboxRecord,
			want: map[string]string{
				"lib/apk/db/triggers": "Q1busybox= /bin /usr/bin\n",
				"etc/apk/world":       "busybox\nmusl\n!curl\ncmd:sh>=1\nso:other\n",
			},
			scripts: []string{"busybox-1.36.1-r29.Q1busybox=.post-install", "GlobalHead.0.0", "musl-1.2.5-r0.Q1musl/+=.trigger", "no-script"},
		},
		{
			name: "a package and what it provides", dropped: []string{"busybox", "musl"},
			installed: curlRecord,
			want: map[string]string{
				"lib/apk/db/triggers": "Q1curl= /etc\n",
				"etc/apk/world":       "curl@edge\n!curl\nso:other\ncurl=8.9.1-r1",
			},
			scripts: []string{
				"GlobalHead.0.0", "curl-" + string(bytes.Repeat([]byte("8"), 150)) + ".Q1curl=.pre-upgrade",
				"curl-8.9.1-r1.Q1curl=.post-install", "no-script",
			},
		},
		{
			name: "files", gone: []string{"bin/sh", "lib/ld-musl-x86_64.so.1", "rootfile"},
			installed: cut(muslRecord, "R:ld-musl-x86_64.so.1\na:0:0:755\nZ:Q1aaaa=\n") + cut(busyboxRecord, "R:sh\n") + cut(curlRecord, "R:rootfile\n"),
			want:      map[string]string{},
		},
		{
			name: "a directory with its files", gone: []string{"etc/network", "etc/network/up", "etc/network/down", "var/cache/misc"},
			installed: muslRecord + cut(cut(busyboxRecord, "F:etc/network\nM:0:0:1777\nR:up\nR:down\n"), "F:var/cache/misc\n") + curlRecord,
			want:      map[string]string{},
		},
		{
			name: "a directory that still has a file", gone: []string{"etc/network", "etc/network/up"},
			installed: muslRecord + cut(busyboxRecord, "R:up\n") + curlRecord,
			want:      map[string]string{},
		},
		{
			name: "the last file, the directory stays", gone: []string{"usr/bin/curl"},
			installed: muslRecord + busyboxRecord + cut(curlRecord, "R:curl\n"),
			want:      map[string]string{},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := read(t, alpineFiles(t))
			changes, err := db.Without(named(tt.dropped...), lost(tt.gone...))
			if err != nil {
				t.Fatal(err)
			}
			got := contents(changes)
			if diff := cmp.Diff(tt.installed, got[installedPath]); diff != "" {
				t.Errorf("installed (-want +got):\n%s", diff)
			}
			if archive, ok := got[scriptsPath]; ok != (tt.scripts != nil) {
				t.Errorf("scripts.tar changed: %v", ok)
			} else if diff := cmp.Diff(tt.scripts, names(t, []byte(archive))); ok && diff != "" {
				t.Errorf("scripts (-want +got):\n%s", diff)
			}
			delete(got, installedPath)
			delete(got, scriptsPath)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestApkScriptsRaw wants the bytes of entries that stay as they were.
func TestApkScriptsRaw(t *testing.T) {
	t.Parallel()
	files := alpineFiles(t)
	db := read(t, files)
	changes, err := db.Without(named("busybox"), noPath)
	if err != nil {
		t.Fatal(err)
	}
	// The dropped entry is the first: a header and a block.
	if want := files[scriptsPath][1024:]; string(changes[scriptsPath].Content) != want {
		t.Error("the entries that stay are not the same bytes")
	}
}

func TestApkScriptsGzip(t *testing.T) {
	t.Parallel()
	files := alpineFiles(t)
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := io.WriteString(z, files[scriptsPath]); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	delete(files, scriptsPath)
	files[scriptsPath+".gz"] = buf.String()
	db := read(t, files)
	checkWithout(t, db, nothing, noPath, map[string]string{})
	changes, err := db.Without(named("curl", "busybox"), noPath)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(changes[scriptsPath+".gz"].Content))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GlobalHead.0.0", "musl-1.2.5-r0.Q1musl/+=.trigger", "no-script"}, names(t, plain)); diff != "" {
		t.Errorf("scripts (-want +got):\n%s", diff)
	}
	db, err = pkgdb.Read(tree(files), pkgdb.Limits{FileSize: 2000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Without(nothing, noPath); !errors.Is(err, pkgdb.ErrLimit) {
		t.Errorf("error %v for a bomb, want ErrLimit", err)
	}
}

// TestApkScriptsDamaged must not pass off a damaged archive as edited.
func TestApkScriptsDamaged(t *testing.T) {
	t.Parallel()
	good := alpineFiles(t)[scriptsPath]
	badSize := []byte(good)
	copy(badSize[124:], "9999")
	huge := []byte(good)
	copy(huge[124:136], "777777777777")
	badSum := []byte(good)
	badSum[0] ^= 1
	for name, content := range map[string]string{
		"cut": good[:530], "size": string(badSize), "huge": string(huge), "checksum": string(badSum),
	} {
		files := alpineFiles(t)
		files[scriptsPath] = content
		if _, err := read(t, files).Without(named("curl"), noPath); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestApkMergedUsr has both directories, which are one.
func TestApkMergedUsr(t *testing.T) {
	t.Parallel()
	files := alpineFiles(t)
	files["usr/lib/apk/db/installed"] = files[installedPath]
	files["usr/lib/ld-musl-x86_64.so.1"] = "x"
	maps.DeleteFunc(files, func(name, _ string) bool { return name[:4] == "lib/" })
	files["lib"] = "-> usr/lib"
	db := read(t, files)
	if got := len(db.Packages()); got != 3 {
		t.Errorf("%d packages, want 3", got)
	}
	if diff := cmp.Diff([]string{"etc/apk/world", "usr/lib/apk/db/installed"}, db.Paths()); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	for _, path := range []string{"lib/ld-musl-x86_64.so.1", "usr/lib/ld-musl-x86_64.so.1"} {
		if diff := cmp.Diff([]string{"apk:musl:x86_64"}, ids(db.Owners(path))); diff != "" {
			t.Errorf("owners of %s (-want +got):\n%s", path, diff)
		}
	}
}

func FuzzApkInstalled(f *testing.F) {
	f.Add(muslRecord+busyboxRecord+curlRecord, "busybox\ncurl@edge musl\n!curl\n")
	f.Add("P:a\nF:x\nR:y\n\nQ:z\nR:w\n\n\nP:a\nR:\nF:/..\n", "Q1 a\n")
	f.Add("\n\nX\nP:\r\nP:b\r\nD:b=1 <a\np:a a\n", " a  b ")
	f.Fuzz(func(t *testing.T, installed, other string) {
		files := map[string]string{installedPath: installed, "etc/apk/world": other, "lib/apk/db/triggers": other}
		db := read(t, files)
		checkWithout(t, db, nothing, noPath, map[string]string{})
		changes, err := db.Without(func(pkgdb.Package) bool { return true }, noPath)
		if err != nil {
			t.Fatal(err)
		}
		after, err := pkgdb.Read(overlay{tree(files), changes}, pkgdb.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := ids(after.Packages()); len(got) > 0 {
			t.Errorf("packages %q are left of none", got)
		}
		if _, err := db.Without(nothing, func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzScriptsTar(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 1024))
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatGNU, tar.FormatPAX} {
		_ = w.WriteHeader(&tar.Header{Name: "a-1.Q1a=.trigger", Size: 3, Format: format, Mode: 0o755})
		_, _ = w.Write([]byte("abc"))
	}
	_ = w.Close()
	f.Add(buf.Bytes())
	f.Fuzz(func(t *testing.T, archive []byte) {
		db := read(t, map[string]string{installedPath: "C:Q1a=\nP:a\n", scriptsPath: string(archive)})
		same, err := db.Without(nothing, noPath)
		if err == nil && len(same) != 0 {
			t.Error("dropping nothing changes the archive")
		}
		changes, err := db.Without(named("a"), noPath)
		if err != nil {
			return
		}
		if c := changes[scriptsPath]; c != nil && len(c.Content) >= len(archive) {
			t.Error("the changed archive is no smaller")
		}
	})
}
