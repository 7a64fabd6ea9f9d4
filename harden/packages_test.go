package harden_test

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// pack is a package of a test image: its name, what it depends on, and the
// lines that make its files.
type pack struct{ name, depends, lines string }

// dpkgImage is the text of an image in which a dpkg database lists packages.
// The packages libc and app are always there: /bin/app is what runs.
func dpkgImage(unowned string, packs ...pack) string {
	packs = append([]pack{
		{"libc", "", "elf lib/ld.so type=dyn\nelf lib/libc.so.6 soname=libc.so.6\nfile lib/gconv/UTF.so"},
		{"app", "", "elf bin/app interp=/lib/ld.so needed=libc.so.6"},
	}, packs...)
	var text, status strings.Builder
	for _, p := range packs {
		text.WriteString(p.lines + "\n")
		list := []string{"/.", "/bin", "/lib", "/usr", "/usr/share"}
		for line := range strings.SplitSeq(p.lines, "\n") {
			if f := strings.Fields(line); len(f) > 1 {
				list = append(list, "/"+f[1])
			}
		}
		fmt.Fprintf(&text, "file var/lib/dpkg/info/%s.list = %s\\n\n", p.name, strings.Join(list, `\n`))
		fmt.Fprintf(&status, `Package: %s\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n`, p.name)
		if p.depends != "" {
			fmt.Fprintf(&status, `Depends: %s\n`, p.depends)
		}
		status.WriteString(`\n`)
	}
	return text.String() + "file var/lib/dpkg/status = " + status.String() + "\n" + unowned
}

func withFiles(files ...string) *profile.Profile {
	p := complete("/bin/app")
	for _, f := range files {
		p.Files = append(p.Files, profile.File{Path: profile.Path(f), Access: []string{profile.AccessOpen, profile.AccessRead}, By: []string{"/bin/app"}})
	}
	return p
}

func TestPackageRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, unowned string
		packs         []pack
		opened        string
		keeps, drops  string
	}{
		{
			name:   "R5: a used package keeps data, plugins and empty directories, not tools and libraries nobody needs",
			packs:  []pack{{"web", "", "elf lib/libweb.so.1 soname=libweb.so.1\nelf lib/libextra.so.1 soname=libextra.so.1\nelf bin/webctl interp=/lib/ld.so needed=libextra.so.1\nelf usr/lib/web/plugin.so needed=libc.so.6\nfile usr/share/web/page\ndir var/lib/web\nfile usr/share/man/man1/web.1"}},
			opened: "/lib/libweb.so.1",
			keeps:  "lib/libweb.so.1 usr/lib/web/plugin.so usr/share/web/page var/lib/web",
			drops:  "bin/webctl lib/libextra.so.1 usr/share/man/man1/web.1",
		},
		{
			name:   "R5: a plugin brings its libraries, and they their packages",
			packs:  []pack{{"web", "", "file usr/share/web/page\nelf usr/lib/web/plugin.so needed=libp.so.1"}, {"libp", "", "elf lib/libp.so.1 soname=libp.so.1\nfile usr/share/libp/table\nelf bin/ptool interp=/lib/ld.so needed=libp.so.1"}},
			opened: "/usr/lib/web/plugin.so",
			keeps:  "lib/libp.so.1 usr/share/libp/table",
			drops:  "bin/ptool",
		},
		{
			name:   "R6: data of a package with code keeps what is beside it and its configuration, no code",
			packs:  []pack{{"tool", "", "elf bin/tool interp=/lib/ld.so\nfile usr/share/tool/a\nfile usr/share/tool/b\nfile usr/lib/tool/code.py\nfile etc/tool.conf\nfile etc/cron.d/tool\ndir var/cache/tool"}},
			opened: "/usr/share/tool/a",
			keeps:  "usr/share/tool/a usr/share/tool/b etc/tool.conf var/cache/tool",
			drops:  "bin/tool usr/lib/tool/code.py etc/cron.d/tool",
		},
		{
			name:   "R6: a file in /etc keeps no other package's neighbours",
			packs:  []pack{{"one", "", "elf bin/one interp=/lib/ld.so\nfile etc/one.conf"}, {"two", "", "elf bin/two interp=/lib/ld.so\nfile etc/two.conf"}},
			opened: "/etc/one.conf",
			keeps:  "etc/one.conf",
			drops:  "bin/one etc/two.conf bin/two",
		},
		{
			name:   "R7: pure data packages are followed all the way",
			packs:  []pack{{"web", "web-data (>= 1) | other", "elf lib/libweb.so.1 soname=libweb.so.1"}, {"web-data", "fonts", "file usr/share/web-data/x"}, {"fonts", "", "file usr/share/fonts/f"}},
			opened: "/lib/libweb.so.1",
			keeps:  "usr/share/web-data/x usr/share/fonts/f",
		},
		{
			name:   "R7: packages of modules are followed one step, packages with programs never",
			packs:  []pack{{"web", "mods, perl", "elf lib/libweb.so.1 soname=libweb.so.1"}, {"mods", "more", "file usr/share/perl/A.pm"}, {"more", "", "file usr/share/perl/B.pm"}, {"perl", "", "elf bin/perl interp=/lib/ld.so\nfile usr/share/perl5/strict.pm"}},
			opened: "/lib/libweb.so.1",
			keeps:  "usr/share/perl/A.pm",
			drops:  "usr/share/perl/B.pm bin/perl usr/share/perl5/strict.pm",
		},
		{
			name:    "R8: what no package owns stays, but for tools, state and what lies in directories of packages that are gone",
			packs:   []pack{{"gone", "", "elf bin/gone interp=/lib/ld.so\ndir var/lib/gone"}},
			unowned: "file srv/data\nelf srv/lib/own.so needed=libc.so.6\nfile var/lib/gone/left\nelf usr/local/bin/unused interp=/lib/ld.so\nfile var/cache/apt/pkgcache.bin\nfile usr/share/py/a.py\nfile usr/share/py/__pycache__/a.cpython-311.pyc",
			keeps:   "srv/data srv/lib/own.so usr/share/py/a.py usr/share/py/__pycache__/a.cpython-311.pyc",
			drops:   "var/lib/gone/left var/lib/gone usr/local/bin/unused var/cache/apt/pkgcache.bin",
		},
		{
			name:    "R8: a compiled file follows its source",
			packs:   []pack{{"mods", "", "elf bin/m interp=/lib/ld.so\nfile usr/lib/m/a.py"}},
			unowned: "file usr/lib/m/__pycache__/a.cpython-311.pyc",
			drops:   "usr/lib/m/a.py usr/lib/m/__pycache__/a.cpython-311.pyc",
		},
		{
			name:    "R8: a link stays if its target does, and a dangling one stays",
			packs:   []pack{{"gone", "", "elf bin/gone interp=/lib/ld.so"}},
			unowned: "link etc/alternatives/app -> /bin/app\nlink etc/alternatives/gone -> /bin/gone\nlink srv/nowhere -> /no/such\nlink var/lock -> /run/lock\ndir run/lock",
			keeps:   "etc/alternatives/app srv/nowhere var/lock run/lock",
			drops:   "etc/alternatives/gone",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr := tree(t, dpkgImage(tc.unowned, tc.packs...), v1.Config{Cmd: []string{"/bin/app"}})
			pl := newPlan(t, tr, withFiles(strings.Fields(tc.opened)...), harden.Policy{})
			for _, p := range strings.Fields(tc.keeps) {
				if !pl.Keeps(p) {
					t.Errorf("%s goes: %+v", p, pl.Explain(p))
				}
			}
			for _, p := range strings.Fields(tc.drops) {
				if pl.Keeps(p) {
					t.Errorf("%s stays: %+v", p, pl.Explain(p))
				}
			}
		})
	}
}

// TestLoadedByName keeps what libraries open by name (R4): name services that
// nsswitch.conf names, OpenSSL's providers, PAM modules with their helper.
func TestLoadedByName(t *testing.T) {
	t.Parallel()
	text := dpkgImage("file etc/nsswitch.conf = hosts: files dns myhost [NOTFOUND=return]\\n",
		pack{"nss", "", "elf lib/libnss_myhost.so.2 soname=libnss_myhost.so.2\nelf lib/libnss_ldap.so.2 soname=libnss_ldap.so.2"},
		pack{"ssl", "", "elf lib/libcrypto.so.3 soname=libcrypto.so.3\nelf lib/ossl-modules/legacy.so"},
		pack{"pam", "", "elf lib/libpam.so.0 soname=libpam.so.0\nelf lib/security/pam_unix.so\nelf sbin/unix_chkpwd interp=/lib/ld.so mode=4755\nfile etc/pam.d/login"},
	)
	tr := tree(t, text, v1.Config{Cmd: []string{"/bin/app"}})
	pl := newPlan(t, tr, withFiles("/lib/libcrypto.so.3", "/lib/libpam.so.0"), harden.Policy{})
	for _, p := range []string{"lib/libnss_myhost.so.2", "lib/ossl-modules/legacy.so", "lib/security/pam_unix.so", "sbin/unix_chkpwd", "etc/pam.d/login"} {
		if !pl.Keeps(p) {
			t.Errorf("%s goes: %+v", p, pl.Explain(p))
		}
	}
	without := newPlan(t, tr, withFiles(), harden.Policy{})
	for _, p := range []string{"lib/ossl-modules/legacy.so", "lib/security/pam_unix.so", "sbin/unix_chkpwd"} {
		if without.Keeps(p) {
			t.Errorf("%s stays: %+v", p, without.Explain(p))
		}
	}
}

// TestInheritedRPath finds a library of a library in the program's RPATH.
func TestInheritedRPath(t *testing.T) {
	t.Parallel()
	text := "elf lib/ld.so type=dyn\nelf opt/app interp=/lib/ld.so needed=liba.so rpath=$ORIGIN/lib\n" +
		"elf opt/lib/liba.so soname=liba.so needed=libb.so\nelf opt/lib/libb.so soname=libb.so\nelf lib/libb.so soname=libb.so\nelf bin/other interp=/lib/ld.so needed=libb.so"
	pl := newPlan(t, tree(t, text, v1.Config{Cmd: []string{"/opt/app"}}), complete("/opt/app"), harden.Policy{})
	if !pl.Keeps("opt/lib/libb.so") {
		t.Errorf("the library of the library goes: %+v", pl.Explain("opt/lib/libb.so"))
	}
	if pl.Keeps("bin/other") {
		t.Error("an unused program stays")
	}
}
