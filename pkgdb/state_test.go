package pkgdb_test

import (
	"testing"

	"github.com/lathe-build/lathe/pkgdb"
)

func TestIsState(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"var/lib/dpkg/status":                     false,
		"var/lib/dpkg/status-old":                 true,
		"var/lib/dpkg/status.d/base":              false,
		"var/lib/dpkg/status.d/x-old":             false,
		"var/lib/dpkg/available":                  true,
		"var/lib/dpkg/diversions":                 false,
		"var/lib/dpkg/diversions-old":             true,
		"var/lib/dpkg/statoverride":               false,
		"var/lib/dpkg/lock":                       true,
		"var/lib/dpkg/lock-frontend":              true,
		"var/lib/dpkg/arch":                       false,
		"var/lib/dpkg/triggers":                   false,
		"var/lib/dpkg/triggers/File":              true,
		"var/lib/dpkg/alternatives/awk":           true,
		"var/lib/dpkg/updates/0001":               true,
		"var/lib/dpkg/info":                       false,
		"var/lib/dpkg/info/":                      false,
		"var/lib/dpkg/info/format":                false,
		"var/lib/dpkg/info/bash.list":             false,
		"var/lib/dpkg/info/bash.md5sums":          false,
		"var/lib/dpkg/info/bash.conffiles":        false,
		"var/lib/dpkg/info/bash.postinst":         true,
		"var/lib/dpkg/info/libc6:amd64.triggers":  true,
		"var/lib/dpkg/info/libc6:amd64.list":      false,
		"var/lib/dpkg/info/debconf.templates":     true,
		"var/lib/dpkg/info/libc6:amd64.symbols":   true,
		"var/lib/dpkg":                            false,
		"var/lib/dpkgx/status-old":                false,
		"var/lib/apt/lists/deb.debian.org_x":      true,
		"var/lib/apt/extended_states":             true,
		"var/lib/apt":                             false,
		"var/cache/apt/pkgcache.bin":              true,
		"var/cache/debconf/config.dat":            true,
		"var/cache/fontconfig/x":                  false,
		"var/lib/ucf/hashfile":                    true,
		"var/log/apt/history.log":                 true,
		"var/log/dpkg.log":                        true,
		"var/log/dpkg.log.1.gz":                   true,
		"var/log/alternatives.log":                true,
		"var/log/nginx/dpkg.log":                  false,
		"var/log/dpkg.logger":                     false,
		"var/log/syslog":                          false,
		"etc/alternatives/awk":                    false,
		"etc/apt/sources.list":                    false,
		"lib/apk/db/installed":                    false,
		"lib/apk/db/scripts.tar":                  false,
		"lib/apk/db/lock":                         true,
		"usr/lib/apk/db/lock":                     true,
		"usr/lib/apk/db/installed.new":            true,
		"lib/apk/exec/busybox.trigger":            true,
		"var/cache/apk/APKINDEX.tar.gz":           true,
		"etc/apk/cache/APKINDEX.tar.gz":           true,
		"etc/apk/world":                           false,
		"var/log/apk.log":                         true,
		"var/cache/dnf/x":                         true,
		"var/lib/rpm/Packages":                    false,
		"app/var/lib/dpkg/status-old":             false,
		"usr/share/doc/var/lib/apt/lists/example": false,
	} {
		if got := pkgdb.IsState(path); got != want {
			t.Errorf("IsState(%q) = %v, want %v", path, got, want)
		}
	}
}
