package harden

import (
	"path"
	"strings"

	"github.com/lathe-build/lathe/pkgdb"
)

// pack is knowledge about files that programs need although few profiles see
// them. Packs make nothing used: they keep files, not packages.
type pack struct {
	name  string
	paths []string // files, or directories with all that is below
}

// packs follow what users of small images miss most: TLS without certificates,
// times without zones, names without a resolver's files.
func (p *planner) packs() []pack {
	if p.level == Files {
		return smallPacks()
	}
	list := []pack{
		{"certificates", []string{
			"etc/ssl/certs", "etc/ssl/cert.pem", "etc/ssl/ca-bundle.pem", "etc/pki/tls", "etc/pki/ca-trust", "etc/ca-certificates",
			"etc/ca-certificates.conf", "usr/share/ca-certificates", "usr/local/share/ca-certificates", "usr/share/pki", "etc/ssl/openssl.cnf",
			"usr/lib/ssl/certs", "usr/lib/ssl/cert.pem", "usr/lib/ssl/openssl.cnf", // where OpenSSL looks, as links
		}},
		{"time zones", []string{"usr/share/zoneinfo", "etc/localtime", "etc/timezone"}},
		{"names and users", []string{
			"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid", "etc/hosts", "etc/hostname",
			"etc/host.conf", "etc/resolv.conf", "etc/nsswitch.conf", "etc/gai.conf", "etc/services", "etc/protocols", "etc/networks",
		}},
		{"system identity", []string{
			"etc/os-release", "usr/lib/os-release", "etc/debian_version", "etc/alpine-release", "etc/lsb-release", "etc/issue",
			"etc/issue.net", "etc/machine-id", "etc/environment", "etc/profile",
		}},
		{"loader", []string{"etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/ld.so.preload"}},
		{"cryptography policy", []string{"etc/crypto-policies", "etc/system-fips", "etc/gnutls", "usr/share/crypto-policies"}},
	}
	list = append(list, pack{"locale C.UTF-8", p.localePaths("C.UTF-8")})
	for _, name := range []string{"LANG", "LC_ALL", "LC_CTYPE", "LANGUAGE"} {
		if v := p.env(name); v != "" && v != "C.UTF-8" {
			list = append(list, pack{"locale " + v, p.localePaths(v)})
		}
	}
	return list
}

// smallPacks are what is left of the packs at the level files: without these,
// trust, names and the loader differ from the original.
func smallPacks() []pack {
	return []pack{
		{"certificates", []string{
			"etc/ssl/certs", "etc/ssl/cert.pem", "etc/ssl/ca-bundle.pem", "etc/pki/tls/certs", "etc/pki/tls/cert.pem",
			"etc/pki/ca-trust/extracted", "etc/pki/java", "usr/lib/ssl/certs", "usr/lib/ssl/cert.pem",
		}},
		{"time zones", []string{"etc/localtime"}},
		{"names and users", []string{
			"etc/passwd", "etc/group", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/host.conf", "etc/nsswitch.conf", "etc/gai.conf",
		}},
		{"system identity", []string{"etc/os-release", "usr/lib/os-release", "etc/debian_version", "etc/alpine-release", "etc/lsb-release"}},
		{"loader", []string{"etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d", "etc/ld.so.preload"}},
	}
}

// localePaths are the directories of a locale such as en_US.UTF-8.
func (p *planner) localePaths(name string) []string {
	if strings.Contains(name, "/") {
		return nil
	}
	base, charset, _ := strings.Cut(name, ".")
	folded := strings.ToLower(strings.ReplaceAll(charset, "-", ""))
	paths := []string{"usr/lib/locale/locale-archive", path.Join("usr/lib/locale", name), path.Join("usr/lib/locale", base)}
	if folded != "" {
		paths = append(paths, path.Join("usr/lib/locale", base+"."+folded), path.Join("usr/lib/locale", base+".utf8"))
	}
	return paths
}

// rulePacks keeps the packs' files, tools excepted.
func (p *planner) rulePacks() {
	for _, k := range p.packs() {
		why := Reason{Kind: Pack, Note: k.name}
		for _, name := range k.paths {
			top, links := p.resolve(name)
			if top == nil {
				if link := p.find(name); link != nil && link.class == dir {
					p.keep(link, false, why)
				}
				continue
			}
			for _, l := range links {
				p.keep(p.find(l), false, why)
			}
			p.below(top.path, func(f *file) {
				if !f.tool() {
					p.keep(f, false, why)
				}
			})
		}
	}
}

// ruleEmptyDirs keeps the directories that the image has empty, outside the
// places of installed files: something is written or mounted there.
func (p *planner) ruleEmptyDirs() {
	for i, f := range p.order {
		top, _, _ := strings.Cut(f.path, "/")
		switch top {
		case "usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "boot":
			continue
		}
		isEmpty := i+1 == len(p.order) || !strings.HasPrefix(p.order[i+1].path, f.path+"/")
		if f.class == dir && isEmpty && !pkgdb.IsState(f.path+"/x") {
			p.keep(f, false, Reason{Kind: Pack, Note: "empty directories"})
		}
	}
}

// ruleCopyright keeps the licence texts of packages of which something stays.
func (p *planner) ruleCopyright() {
	for _, g := range p.pkgs {
		if !p.stays(g) {
			continue
		}
		f, links := p.resolve(path.Join("usr/share/doc", g.Name, "copyright"))
		if f == nil {
			continue
		}
		p.keepVia(f, links, false, Reason{Kind: Copyright, Note: g.Name})
	}
}

// ruleDatabase keeps the package databases, less what they say of packages that
// are gone: scanners must see what is there.
func (p *planner) ruleDatabase() error {
	changes, err := p.databaseChanges()
	if err != nil {
		return err
	}
	for _, name := range p.db.Paths() {
		if c := changes[name]; c != nil && c.Drop {
			continue
		}
		if f := p.find(name); f != nil && !p.droppableState(f) {
			p.keep(f, false, Reason{Kind: Database, Note: "lists what is in the image"})
		}
	}
	return nil
}
