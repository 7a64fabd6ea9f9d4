package pkgdb

import (
	"path"
	"slices"
	"strings"
)

// IsState says whether path, a file, is state of a package manager that
// nothing but package managers and their maintainer scripts read. True for
//
//   - dpkg: in var/lib/dpkg the backups *-old, available, cmethopt, the locks,
//     everything below alternatives, triggers, updates, parts, methods and
//     tmp.ci, and in info all but *.list, *.md5sums, *.conffiles and format:
//     maintainer scripts, debconf templates, triggers, shlibs, symbols;
//   - apt, debconf, ucf: everything below var/lib/apt, var/cache/apt,
//     var/lib/aptitude, var/cache/debconf, var/lib/ucf, var/log/apt, and the
//     logs dpkg.log, alternatives.log, aptitude, bootstrap.log in var/log with
//     their rotations;
//   - apk: everything below var/cache/apk, etc/apk/cache and lib/apk/exec, the
//     lock and unfinished files of its database, var/log/apk.log;
//   - rpm based: everything below var/cache/dnf, var/cache/libdnf5,
//     var/cache/yum, var/cache/zypp, and the logs of dnf and yum in var/log.
//
// A directory is not state: the managers expect theirs to be there.
func IsState(path string) bool {
	return isDpkgState(path) || isApkState(path) || below(path,
		"var/lib/apt", "var/cache/apt", "var/lib/aptitude", "var/cache/debconf", "var/lib/ucf", "var/log/apt",
		"var/cache/dnf", "var/cache/libdnf5", "var/cache/yum", "var/cache/zypp",
	) || isManagerLog(path)
}

// below says whether path is under one of the directories.
func below(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool {
		rest, ok := strings.CutPrefix(path, dir+"/")
		return ok && rest != ""
	})
}

// isDpkgState is IsState for dpkg's own directory.
func isDpkgState(p string) bool {
	rest, ok := strings.CutPrefix(p, dpkgDir+"/")
	if !ok {
		return false
	}
	if name, ok := strings.CutPrefix(rest, "info/"); ok {
		switch path.Ext(name) {
		case ".list", ".md5sums", ".conffiles":
			return false
		default:
			return name != "" && name != "format"
		}
	}
	if below(rest, "alternatives", "triggers", "updates", "parts", "methods", "tmp.ci") {
		return true
	}
	switch rest {
	case "available", "cmethopt", "lock", "lock-frontend":
		return true
	default:
		return !strings.Contains(rest, "/") && (strings.HasSuffix(rest, "-old") || strings.HasSuffix(rest, "-new"))
	}
}

// isApkState is IsState for apk.
func isApkState(p string) bool {
	if below(p, "var/cache/apk", "etc/apk/cache", "lib/apk/exec", "usr/lib/apk/exec") || p == "var/log/apk.log" {
		return true
	}
	for _, dir := range apkDirs() {
		if name, ok := strings.CutPrefix(p, dir+"/"); ok {
			return name == "lock" || strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".old")
		}
	}
	return false
}

// isManagerLog says whether path is a log in var/log, or a rotation of it.
func isManagerLog(p string) bool {
	name, ok := strings.CutPrefix(p, "var/log/")
	if !ok || strings.Contains(name, "/") {
		return false
	}
	return slices.ContainsFunc([]string{
		"dpkg.log", "alternatives.log", "aptitude", "bootstrap.log",
		"dnf.log", "dnf.librepo.log", "dnf.rpm.log", "dnf5.log", "hawkey.log", "yum.log",
	}, func(log string) bool { return name == log || strings.HasPrefix(name, log+".") })
}
