package pkgdb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lathe-build/lathe/pkgdb"
)

// debian is a small usr-merged Debian.
func debian() map[string]string {
	return map[string]string{
		statusPath: debianStatus,
		infoPath + "bash.list": "/.\n/bin\n/bin/bash\n/etc\n/etc/skel\n/etc/skel/.bashrc\n/usr\n/usr/share\n" +
			"/usr/share/doc\n/usr/share/doc/bash\n/usr/share/doc/bash/copyright\n/var\n/var/spool-of-bash\n",
		infoPath + "bash.md5sums":        "0123  bin/bash\n4567  usr/share/doc/bash/copyright\n",
		infoPath + "bash.conffiles":      "/etc/skel/.bashrc\n",
		infoPath + "bash.postinst":       "#!/bin/sh\n",
		infoPath + "libc6:amd64.list":    "/.\n/lib64\n/lib64/ld-linux-x86-64.so.2\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/libc6\n",
		infoPath + "libc6:amd64.md5sums": "89ab  lib64/ld-linux-x86-64.so.2\n",
		infoPath + "libc6:amd64.shlibs":  "libc 6 libc6\n",
		infoPath + "perl.list":           "/.\n/usr\n/usr/bin\n/usr/bin/perl\n",
		infoPath + "perl-base.list":      "/.\n/usr\n/usr/bin\n/usr/bin/perl\n/usr/bin/perl5.36\n",
		infoPath + "perl-base.md5sums":   "cdef  usr/bin/perl\n",
		infoPath + "perl5.36.list":       "/.\n/usr/bin/p5\n",
		infoPath + "gone.list":           "/.\n/etc/gone.conf\n",
		infoPath + "gone.postrm":         "#!/bin/sh\n",
		infoPath + "format":              "1\n",
		infoPath + "stray.list":          "/stray\n",
		"var/lib/dpkg/diversions":        "/usr/bin/perl\n/usr/bin/perl.base\nperl\n/bin/sh\n/bin/sh.distrib\n:\n",
		"var/lib/dpkg/statoverride":      "root mail 2755 /bin/bash\nroot root 4755 /usr/bin/x y\n",
		"var/lib/dpkg/status-old":        "",
		"usr/bin/bash":                   "x", "bin": "-> usr/bin", "lib64": "-> usr/lib64", "usr/lib64/ld-linux-x86-64.so.2": "x",
		"etc/skel/.bashrc": "x", "usr/share/doc/bash/copyright": "x", "usr/share/doc/libc6": "-> bash",
		"usr/bin/perl": "x", "usr/bin/perl.base": "x", "usr/bin/perl5.36": "x", "usr/bin/p5": "x", "var/spool-of-bash/": "",
	}
}

const (
	bashParagraph = `Package: bash
Essential: yes
Status: install ok installed
Priority: required
Architecture: amd64
Version: 5.2.15-2+b2
Replaces: bash-completion (<< 20060301-0)
Depends: base-files (>= 2.1.12), debianutils (>= 2.15) | other:any,
 third [linux-any]
Pre-Depends: libc6 (>= 2.36), libtinfo6 (>= 6)
Conffiles:
 /etc/skel/.bashrc ee35a240758f374832e809ae0ea4883a
 /etc/old.conf 0123456789abcdef obsolete
Description: GNU Bourne Again SHell
 Bash is a shell.
 .
 More.
X-Unknown:   odd   spacing
`
	libcParagraph = `Package: libc6
Status: install ok unpacked
Source: glibc (2.36-9)
Architecture: amd64
Multi-Arch: same
Version: 2.36-9+deb12u9
Provides: libc6-2.36 (= 1), libc-any

`
	goneParagraph = `Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
Conffiles:
 /etc/gone.conf 0123
`
	perlParagraphs = `Package: perl
Status: install ok installed
Architecture: amd64
Version: 5

Package: perl-base
Status: install ok installed
Architecture: amd64
Version: 5

package: perl5.36
STATUS: install ok installed
Architecture: all
Version: 5
`
	debianStatus = bashParagraph + "\n" + libcParagraph + "\n" + goneParagraph + "\n" + perlParagraphs
)

func TestDpkgPackages(t *testing.T) {
	t.Parallel()
	db := read(t, debian())
	want := []pkgdb.Package{
		{
			Manager: "dpkg", Name: "bash", Version: "5.2.15-2+b2", Arch: "amd64", Origin: "bash", Essential: true,
			Depends: []string{"libc6", "libtinfo6", "base-files", "debianutils", "other", "third"},
			Files: []string{
				"bin", "bin/bash", "etc", "etc/skel", "etc/skel/.bashrc", "usr", "usr/share", "usr/share/doc",
				"usr/share/doc/bash", "usr/share/doc/bash/copyright", "var", "var/spool-of-bash",
			},
			Conffiles: []string{"etc/skel/.bashrc", "etc/old.conf"},
		},
		{
			Manager: "dpkg", Name: "libc6", Version: "2.36-9+deb12u9", Arch: "amd64", Origin: "glibc",
			Provides: []string{"libc6-2.36", "libc-any"},
			Files:    []string{"lib64", "lib64/ld-linux-x86-64.so.2", "usr", "usr/share", "usr/share/doc", "usr/share/doc/libc6"},
		},
		{
			Manager: "dpkg", Name: "perl-base", Version: "5", Arch: "amd64", Origin: "perl-base",
			Files:    []string{"usr", "usr/bin", "usr/bin/perl", "usr/bin/perl5.36"},
			Diverted: map[string]string{"usr/bin/perl": "usr/bin/perl.base"},
		},
		{Manager: "dpkg", Name: "perl5.36", Version: "5", Arch: "all", Origin: "perl5.36", Files: []string{"usr/bin/p5"}},
		{
			Manager: "dpkg", Name: "perl", Version: "5", Arch: "amd64", Origin: "perl",
			Files: []string{"usr", "usr/bin", "usr/bin/perl"},
		},
	}
	got := db.Packages()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(pkgdb.Package{})); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	leftovers := db.Leftovers()
	if len(leftovers) != 1 || leftovers[0].ID() != "dpkg:gone:amd64" || !leftovers[0].Leftover {
		t.Errorf("leftovers %v", leftovers)
	}
	files := map[string][]string{}
	for _, p := range got {
		files[p.Name] = p.RegularFiles()
	}
	wantFiles := map[string][]string{
		"bash":      {"bin/bash", "etc/skel/.bashrc", "usr/share/doc/bash/copyright"},
		"libc6":     {"lib64/ld-linux-x86-64.so.2", "usr/share/doc/libc6"},
		"perl":      {"usr/bin/perl"},
		"perl-base": {"usr/bin/perl.base", "usr/bin/perl5.36"},
		"perl5.36":  {"usr/bin/p5"},
	}
	if diff := cmp.Diff(wantFiles, files); diff != "" {
		t.Errorf("regular files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"lib64", "usr", "usr/share", "usr/share/doc"}, got[1].Dirs()); diff != "" {
		t.Errorf("directories of libc6 (-want +got):\n%s", diff)
	}
}

// TestRegularFilesAlone needs no database: the prefix rule holds by itself.
func TestRegularFilesAlone(t *testing.T) {
	t.Parallel()
	p := pkgdb.Package{Files: []string{"usr/bin/x", "usr", "lib64", "usr/bin", "lib64/ld.so", "lib"}}
	if diff := cmp.Diff([]string{"usr/bin/x", "lib64/ld.so", "lib"}, p.RegularFiles()); diff != "" {
		t.Errorf("regular files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"usr", "lib64", "usr/bin"}, p.Dirs()); diff != "" {
		t.Errorf("directories (-want +got):\n%s", diff)
	}
}

func TestDpkgOwners(t *testing.T) {
	t.Parallel()
	db := read(t, debian())
	for path, want := range map[string][]string{
		"bin/bash":                        {"dpkg:bash:amd64"},
		"usr/bin/bash":                    {"dpkg:bash:amd64"},
		"/usr/bin/bash":                   {"dpkg:bash:amd64"},
		"usr/lib64/ld-linux-x86-64.so.2":  {"dpkg:libc6:amd64"},
		"lib64":                           {"dpkg:libc6:amd64"},
		"usr/share/doc":                   {"dpkg:bash:amd64", "dpkg:libc6:amd64"},
		"usr/bin/perl":                    {"dpkg:perl:amd64"},
		"bin/perl.base":                   {"dpkg:perl-base:amd64"},
		"usr/share/doc/libc6":             {"dpkg:libc6:amd64"},
		"usr/share/doc/libc6/copyright":   {"dpkg:bash:amd64"}, // through the link
		"etc/gone.conf":                   nil,
		"nothing":                         nil,
		"":                                nil,
		"../etc":                          nil,
		"usr/share/doc/bash/copyright/no": nil,
	} {
		if diff := cmp.Diff(want, ids(db.Owners(path))); diff != "" {
			t.Errorf("Owners(%q) (-want +got):\n%s", path, diff)
		}
	}
}

func TestDpkgPaths(t *testing.T) {
	t.Parallel()
	want := []string{
		"var/lib/dpkg/diversions", infoPath + "bash.conffiles", infoPath + "bash.list", infoPath + "bash.md5sums",
		infoPath + "format", infoPath + "gone.list", infoPath + "libc6:amd64.list", infoPath + "libc6:amd64.md5sums",
		infoPath + "perl-base.list", infoPath + "perl-base.md5sums", infoPath + "perl.list", infoPath + "perl5.36.list",
		infoPath + "stray.list", "var/lib/dpkg/statoverride", statusPath,
	}
	if diff := cmp.Diff(want, read(t, debian()).Paths()); diff != "" {
		t.Errorf("Paths (-want +got):\n%s", diff)
	}
}

func TestDpkgWithout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		dropped []string
		gone    []string
		want    map[string]string
	}{
		{name: "nothing", want: map[string]string{}},
		{
			name: "a package and its file", dropped: []string{"bash"}, gone: []string{"bin/bash"},
			want: map[string]string{
				statusPath:                  libcParagraph + "\n" + goneParagraph + "\n" + perlParagraphs,
				infoPath + "bash.list":      "(dropped)",
				infoPath + "bash.md5sums":   "(dropped)",
				infoPath + "bash.conffiles": "(dropped)",
				infoPath + "bash.postinst":  "(dropped)",
				"var/lib/dpkg/statoverride": "root root 4755 /usr/bin/x y\n",
			},
		},
		{
			name: "a package whose name begins another's", dropped: []string{"perl"},
			want: map[string]string{
				statusPath: bashParagraph + "\n" + libcParagraph + "\n" + goneParagraph + "\n" +
					perlParagraphs[len("Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n\n"):],
				infoPath + "perl.list": "(dropped)",
			},
		},
		{
			name: "a package that diverts, and what it diverts", dropped: []string{"perl", "perl-base", "perl5.36", "gone"},
			want: map[string]string{
				statusPath:                     bashParagraph + "\n" + libcParagraph + "\n",
				infoPath + "perl.list":         "(dropped)",
				infoPath + "perl5.36.list":     "(dropped)",
				infoPath + "perl-base.list":    "(dropped)",
				infoPath + "perl-base.md5sums": "(dropped)",
				infoPath + "gone.list":         "(dropped)",
				infoPath + "gone.postrm":       "(dropped)",
				"var/lib/dpkg/diversions":      "/bin/sh\n/bin/sh.distrib\n:\n",
			},
		},
		{
			name: "a package with its architecture in the file names", dropped: []string{"libc6"},
			want: map[string]string{
				statusPath:                       bashParagraph + "\n" + goneParagraph + "\n" + perlParagraphs,
				infoPath + "libc6:amd64.list":    "(dropped)",
				infoPath + "libc6:amd64.md5sums": "(dropped)",
				infoPath + "libc6:amd64.shlibs":  "(dropped)",
			},
		},
		{
			name: "a leftover", dropped: []string{"gone"},
			want: map[string]string{
				statusPath:               bashParagraph + "\n" + libcParagraph + "\n" + perlParagraphs,
				infoPath + "gone.list":   "(dropped)",
				infoPath + "gone.postrm": "(dropped)",
			},
		},
		{
			name: "a file, its directories being gone too",
			gone: []string{"usr/share/doc/bash/copyright", "usr/share/doc/bash", "usr/share/doc", "usr"},
			want: map[string]string{
				infoPath + "bash.list": "/.\n/bin\n/bin/bash\n/etc\n/etc/skel\n/etc/skel/.bashrc\n" +
					"/usr\n/usr/share\n/var\n/var/spool-of-bash\n",
				infoPath + "bash.md5sums": "0123  bin/bash\n",
			},
		},
		{
			name: "an empty directory", gone: []string{"var/spool-of-bash", "var"},
			want: map[string]string{infoPath + "bash.list": "/.\n/bin\n/bin/bash\n/etc\n/etc/skel\n/etc/skel/.bashrc\n/usr\n/usr/share\n" +
				"/usr/share/doc\n/usr/share/doc/bash\n/usr/share/doc/bash/copyright\n"},
		},
		{
			name: "a conffile", gone: []string{"etc/skel/.bashrc"},
			want: map[string]string{
				statusPath: cut(debianStatus, " /etc/skel/.bashrc ee35a240758f374832e809ae0ea4883a\n"),
				infoPath + "bash.list": "/.\n/bin\n/bin/bash\n/etc\n/etc/skel\n/usr\n/usr/share\n" +
					"/usr/share/doc\n/usr/share/doc/bash\n/usr/share/doc/bash/copyright\n/var\n/var/spool-of-bash\n",
				infoPath + "bash.conffiles": "(dropped)",
			},
		},
		{
			name: "all conffiles", gone: []string{"etc/old.conf", "etc/gone.conf"},
			want: map[string]string{
				statusPath: cut(cut(debianStatus, " /etc/old.conf 0123456789abcdef obsolete\n"),
					"Conffiles:\n /etc/gone.conf 0123\n"),
				infoPath + "gone.list": "/.\n",
			},
		},
		{
			name: "a diverted file", gone: []string{"usr/bin/perl.base"},
			want: map[string]string{
				infoPath + "perl-base.list":    "/.\n/usr\n/usr/bin\n/usr/bin/perl5.36\n",
				infoPath + "perl-base.md5sums": "(dropped)",
			},
		},
		{
			name: "a diverted file of which nothing is left to divert", dropped: []string{"perl"}, gone: []string{"usr/bin/perl.base"},
			want: map[string]string{
				statusPath: bashParagraph + "\n" + libcParagraph + "\n" + goneParagraph + "\n" +
					perlParagraphs[len("Package: perl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n\n"):],
				infoPath + "perl.list":         "(dropped)",
				infoPath + "perl-base.list":    "/.\n/usr\n/usr/bin\n/usr/bin/perl5.36\n",
				infoPath + "perl-base.md5sums": "(dropped)",
				"var/lib/dpkg/diversions":      "/bin/sh\n/bin/sh.distrib\n:\n",
			},
		},
		{
			name: "the file that diverts", gone: []string{"usr/bin/perl"},
			want: map[string]string{infoPath + "perl.list": "/.\n/usr\n/usr/bin\n"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			checkWithout(t, read(t, debian()), named(tt.dropped...), lost(tt.gone...), tt.want)
		})
	}
}

// cut removes the first occurrence of part.
func cut(s, part string) string {
	for i := range s {
		if len(s)-i >= len(part) && s[i:i+len(part)] == part {
			return s[:i] + s[i+len(part):]
		}
	}
	return s + "(nothing was cut)"
}

func FuzzDpkgStatus(f *testing.F) {
	d := debian()
	f.Add(debianStatus, d[infoPath+"bash.list"], d["var/lib/dpkg/diversions"])
	f.Add("Package: bash\n\n\nPackage: bash\nConffiles:\n /a b\n \n c\n", "/a\n/a/b", "a\nb\n")
	f.Add("\r\nPackage:bash\r\n\r\n:\n x", "bin//x\n", "/a\n/b\nbash\n/c")
	f.Fuzz(func(t *testing.T, status, list, other string) {
		files := map[string]string{
			statusPath: status, infoPath + "bash.list": list, infoPath + "bash.md5sums": other, infoPath + "bash.conffiles": list,
			"var/lib/dpkg/diversions": other, "var/lib/dpkg/statoverride": other,
			"var/lib/dpkg/status.d/a": status, "var/lib/dpkg/status.d/a.md5sums": other,
		}
		db := read(t, files)
		checkWithout(t, db, nothing, noPath, map[string]string{})
		changes, err := db.Without(func(pkgdb.Package) bool { return true }, func(string) bool { return true })
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
	})
}
