package harden_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// TestFilesLevel keeps what was observed, what it needs, directories, and small
// packs: nothing else of the packages that are used.
func TestFilesLevel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, unowned string
		packs         []pack
		opened        string
		keeps, drops  string
	}{
		{
			name:   "observed files and the libraries of libraries, not what lies beside them",
			packs:  []pack{{"web", "", "elf lib/libweb.so.1 soname=libweb.so.1 needed=libin.so.1\nelf lib/libin.so.1 soname=libin.so.1\nelf usr/lib/web/plugin.so needed=libc.so.6\nfile usr/share/web/a\nfile usr/share/web/b\ndir var/lib/web"}},
			opened: "/lib/libweb.so.1 /usr/share/web/a",
			keeps:  "lib/libweb.so.1 lib/libin.so.1 usr/share/web/a var/lib/web",
			drops:  "usr/share/web/b usr/lib/web/plugin.so lib/gconv/UTF.so",
		},
		{
			name:    "files of nobody go unless they were observed, their directories stay",
			unowned: "file srv/seen\nfile srv/other\nfile srv/deep/er/file\nlink srv/to-seen -> seen\nlink srv/to-other -> other\nlink srv/nowhere -> /no\nlink var/lock -> /run/lock\ndir run/lock",
			opened:  "/srv/seen",
			keeps:   "srv/seen srv/to-seen srv/deep/er srv/nowhere var/lock run/lock",
			drops:   "srv/other srv/to-other srv/deep/er/file",
		},
		{
			name:    "small packs: certificates with what the links lead to, names, identity; not zones, services, openssl.cnf",
			unowned: "file etc/ssl/certs/ca-certificates.crt\nlink etc/ssl/certs/1234.0 -> /usr/share/ca-certificates/one.crt\nfile usr/share/ca-certificates/one.crt\nfile usr/share/ca-certificates/two.crt\nfile etc/ssl/openssl.cnf\nfile etc/passwd\nfile etc/os-release\nlink etc/localtime -> /usr/share/zoneinfo/Europe/Berlin\nfile usr/share/zoneinfo/Europe/Berlin\nfile usr/share/zoneinfo/Europe/Paris\nfile etc/services",
			keeps:   "etc/ssl/certs/ca-certificates.crt etc/ssl/certs/1234.0 usr/share/ca-certificates/one.crt etc/passwd etc/os-release etc/localtime usr/share/zoneinfo/Europe/Berlin",
			drops:   "usr/share/ca-certificates/two.crt etc/ssl/openssl.cnf usr/share/zoneinfo/Europe/Paris etc/services",
		},
		{
			name:   "libraries by name only of what was loaded, and only where the package depends on the other",
			packs:  []pack{{"web", "must", "elf lib/libweb.so.1 soname=libweb.so.1 strings=libmust.so.1,libmay.so.1,libown.so.1\nelf lib/libown.so.1 soname=libown.so.1 strings=libfar.so.1"}, {"must", "", "elf lib/libmust.so.1 soname=libmust.so.1"}, {"may", "", "elf lib/libmay.so.1 soname=libmay.so.1"}, {"far", "", "elf lib/libfar.so.1 soname=libfar.so.1"}},
			opened: "/lib/libweb.so.1",
			keeps:  "lib/libmust.so.1 lib/libown.so.1",
			drops:  "lib/libmay.so.1 lib/libfar.so.1",
		},
		{
			name:    "providers of OpenSSL that a configuration names which was read, and FIPS",
			packs:   []pack{{"ssl", "", "elf lib/libcrypto.so.3 soname=libcrypto.so.3\nelf lib/ossl-modules/legacy.so\nelf lib/ossl-modules/other.so\nelf lib/ossl-modules/fips.so\nelf lib/engines-3/afalg.so"}},
			unowned: `file etc/ssl/openssl.cnf = [provider_sect]\nlegacy = legacy_sect\n# other = other_sect\n`,
			opened:  "/lib/libcrypto.so.3 /etc/ssl/openssl.cnf",
			keeps:   "lib/ossl-modules/legacy.so lib/ossl-modules/fips.so",
			drops:   "lib/ossl-modules/other.so lib/engines-3/afalg.so",
		},
		{
			name:    "of a configuration that nobody read no provider",
			packs:   []pack{{"ssl", "", "elf lib/libcrypto.so.3 soname=libcrypto.so.3\nelf lib/ossl-modules/legacy.so"}},
			unowned: `file etc/ssl/openssl.cnf = [provider_sect]\nlegacy = legacy_sect\n`,
			opened:  "/lib/libcrypto.so.3",
			drops:   "lib/ossl-modules/legacy.so etc/ssl/openssl.cnf",
		},
		{
			name:    "PAM modules that a configuration names, with the helper of one",
			packs:   []pack{{"pam", "", "elf lib/libpam.so.0 soname=libpam.so.0\nelf lib/security/pam_unix.so\nelf lib/security/pam_far.so\nelf lib/security/pam_userdb.so needed=libdb.so.1\nelf sbin/unix_chkpwd interp=/lib/ld.so\nlink etc/pam.d/common -> /etc/authselect/common"}, {"db", "", "elf lib/libdb.so.1 soname=libdb.so.1"}},
			unowned: "file etc/pam.d/login = auth [success=1] /lib/security/pam_unix.so nullok\\n# auth required pam_userdb.so\\n\nfile etc/authselect/common = session optional pam_far.so\\n",
			opened:  "/lib/libpam.so.0",
			keeps:   "lib/security/pam_unix.so lib/security/pam_far.so sbin/unix_chkpwd etc/pam.d/login etc/authselect/common",
			drops:   "lib/security/pam_userdb.so lib/libdb.so.1",
		},
		{
			name:   "every variant of a library for newer processors",
			packs:  []pack{{"web", "", "elf lib/libweb.so.1 soname=libweb.so.1 needed=libfast.so.1"}, {"fast", "", "elf lib/libfast.so.1 soname=libfast.so.1\nelf lib/glibc-hwcaps/x86-64-v3/libfast.so.1 soname=libfast.so.1\nelf lib/glibc-hwcaps/x86-64-v4/libfast.so.1 soname=libfast.so.1\nelf lib/glibc-hwcaps/x86-64-v3/libgone.so.1 soname=libgone.so.1"}},
			opened: "/lib/libweb.so.1",
			keeps:  "lib/libfast.so.1 lib/glibc-hwcaps/x86-64-v3/libfast.so.1 lib/glibc-hwcaps/x86-64-v4/libfast.so.1",
			drops:  "lib/glibc-hwcaps/x86-64-v3/libgone.so.1",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr := tree(t, dpkgImage(tc.unowned, tc.packs...), v1.Config{Cmd: []string{"/bin/app"}})
			pl := newPlan(t, tr, withFiles(strings.Fields(tc.opened)...), harden.Policy{Level: harden.Files})
			checkKeeps(t, pl, tc.keeps, tc.drops)
		})
	}
}

func checkKeeps(t *testing.T, pl *harden.Plan, keeps, drops string) {
	t.Helper()
	for _, p := range strings.Fields(keeps) {
		if !pl.Keeps(p) {
			t.Errorf("%s goes: %+v", p, pl.Explain(p))
		}
	}
	for _, p := range strings.Fields(drops) {
		if pl.Keeps(p) {
			t.Errorf("%s stays: %+v", p, pl.Explain(p))
		}
	}
}

// TestStatedProgramGoes: looking a program up is no use of it at any level.
func TestStatedProgramGoes(t *testing.T) {
	t.Parallel()
	tr := tree(t, dpkgImage("elf bin/other interp=/lib/ld.so\nfile srv/asked"), v1.Config{Cmd: []string{"/bin/app"}})
	prof := complete("/bin/app")
	for _, name := range []string{"/bin/other", "/srv/asked"} {
		prof.Files = append(prof.Files, profile.File{Path: profile.Path(name), Access: []string{profile.AccessStat}, By: []string{"/bin/app"}})
	}
	checkKeeps(t, newPlan(t, tr, prof, harden.Policy{Level: harden.Files}), "srv/asked", "bin/other")
}

// TestLevelsAreNested: each level keeps only what the one before keeps, with
// and without the plugins that nobody loaded.
func TestLevelsAreNested(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		text, ran := randomSystem(rand.New(rand.NewPCG(seed, 3)))
		tr := tree(t, text, v1.Config{Cmd: []string{"/bin/prog5"}})
		var above *harden.Plan
		for level := harden.Binaries; level != ""; level = level.Next() {
			pl := newPlan(t, tr, complete(ran...), harden.Policy{Level: level})
			if above != nil {
				for d := range pl.Decisions() {
					if d.Keep && !above.Keeps(d.Path) {
						t.Fatalf("seed %d: %s keeps %s, which the level before drops: %+v\n%s", seed, level, d.Path, above.Explain(d.Path), text)
					}
				}
			}
			above = pl
		}
	}
}
