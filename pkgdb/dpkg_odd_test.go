package pkgdb_test

import (
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/pkgdb"
)

// TestDpkgTwoArchitectures has one package twice, of which one goes.
func TestDpkgTwoArchitectures(t *testing.T) {
	t.Parallel()
	amd64 := "Package: libz\nStatus: install ok installed\nArchitecture: amd64\n"
	i386 := "Package: libz\nStatus: install ok installed\nArchitecture: i386\n"
	db := read(t, map[string]string{
		statusPath:                    amd64 + "\n" + i386,
		infoPath + "libz:amd64.list":  "/.\n/a\n",
		infoPath + "libz:i386.list":   "/.\n/i\n",
		"var/lib/dpkg/diversions":     "/x\n/y\nlibz\n",
		infoPath + "libz:i386.prerm":  "",
		infoPath + "libz:amd64.prerm": "",
	})
	drop := func(p pkgdb.Package) bool { return p.Arch == "i386" }
	checkWithout(t, db, drop, lost("i"), map[string]string{
		statusPath: amd64 + "\n", infoPath + "libz:i386.list": "(dropped)", infoPath + "libz:i386.prerm": "(dropped)",
	})
}

// TestDpkgOddStatus has what a careless or hostile writer might.
func TestDpkgOddStatus(t *testing.T) {
	t.Parallel()
	status := "\n\n# no field\nPackage: a\nArchitecture: all\n\n\n\nNo-Package: x\n\n" +
		"Package: a\nArchitecture: all\nVersion: 2\n\nPackage: ../../etc/passwd\nVersion: 3"
	db := read(t, map[string]string{
		statusPath:           status,
		infoPath + "a.list":  "/.\n//\n/a/../b\n/a//b\nx\x00y\n/ok/\nrelative\n",
		infoPath + "a.prerm": "",
		"etc/passwd":         "x",
	})
	if diff := cmp.Diff([]string{"dpkg:../../etc/passwd:", "dpkg:a:all"}, ids(db.Packages())); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	a := db.Packages()[1]
	if diff := cmp.Diff([]string{"ok", "relative"}, a.Files); diff != "" || a.Version != "2" {
		t.Errorf("version %q, files (-want +got):\n%s", a.Version, diff)
	}
	checkWithout(t, db, named("a"), noPath, map[string]string{
		statusPath:          "\n\nNo-Package: x\n\nPackage: ../../etc/passwd\nVersion: 3",
		infoPath + "a.list": "(dropped)", infoPath + "a.prerm": "(dropped)",
	})
	checkWithout(t, db, named("../../etc/passwd"), lost("relative"), map[string]string{
		statusPath:          status[:len(status)-len("Package: ../../etc/passwd\nVersion: 3")],
		infoPath + "a.list": "/.\n//\n/a/../b\n/a//b\nx\x00y\n/ok/\n",
	})
}

func TestDistroless(t *testing.T) {
	t.Parallel()
	const dir = "var/lib/dpkg/status.d/"
	files := map[string]string{
		dir + "base":           "Package: base-files\nArchitecture: amd64\nVersion: 12\n",
		dir + "base.md5sums":   "01  etc/debian_version\n02  usr/share/x\n",
		dir + "tzdata":         "Package: tzdata\nArchitecture: all\nVersion: 2024a\nConffiles:\n /etc/tz 01\n",
		dir + "tzdata.md5sums": "03  usr/share/zoneinfo/UTC\n04 *./usr/share/zoneinfo/CET\n",
		"usr/share/x":          "", "etc/debian_version": "", "usr/share/zoneinfo/UTC": "", "usr/share/zoneinfo/CET": "",
	}
	db := read(t, files)
	if diff := cmp.Diff([]string{"dpkg:base-files:amd64", "dpkg:tzdata:all"}, ids(db.Packages())); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dpkg:tzdata:all"}, ids(db.Owners("usr/share/zoneinfo/CET"))); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	checkWithout(t, db, named("base-files"), lost("usr/share/zoneinfo/UTC", "etc/tz"), map[string]string{
		dir + "base": "(dropped)", dir + "base.md5sums": "(dropped)",
		dir + "tzdata":         "Package: tzdata\nArchitecture: all\nVersion: 2024a\n",
		dir + "tzdata.md5sums": "04 *./usr/share/zoneinfo/CET\n",
	})
	problems, err := pkgdb.Check(tree(files))
	if err != nil || len(problems) != 0 {
		t.Errorf("problems %v, error %v", problems, err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	files := debian()
	if problems, err := pkgdb.Check(tree(files)); err != nil || len(problems) != 0 {
		t.Fatalf("problems %v, error %v in a sound root", problems, err)
	}
	maps.DeleteFunc(files, func(name, _ string) bool {
		return name == "usr/bin/p5" || name == "usr/bin/perl.base" || name == "var/spool-of-bash/"
	})
	problems, err := pkgdb.Check(tree(files))
	if err != nil {
		t.Fatal(err)
	}
	want := []pkgdb.Problem{
		{Package: "dpkg:bash:amd64", Path: "var/spool-of-bash"},
		{Package: "dpkg:perl-base:amd64", Path: "usr/bin/perl.base"},
		{Package: "dpkg:perl5.36:all"},
		{Package: "dpkg:perl5.36:all", Path: "usr/bin/p5"},
	}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
