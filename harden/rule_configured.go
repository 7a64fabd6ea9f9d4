package harden

import (
	"path"
	"strings"
)

// keepConfigured keeps what is left at the level files of the families that a
// library opens by name: what their configuration names.
func (p *planner) keepConfigured(f *file) {
	switch base := path.Base(f.path); {
	case strings.HasPrefix(base, "libcrypto.so"):
		p.keepProviders(f, path.Dir(f.path))
	case strings.HasPrefix(base, "libpam.so"):
		p.keepPAM(f, path.Dir(f.path))
	}
}

// pamConfig are the files and directories that configure PAM (pam.conf(5)) and
// its modules.
func pamConfig() []string { return []string{"etc/pam.d", "etc/pam.conf", "etc/security"} }

// keepPAM keeps the configuration of PAM and the modules that it names.
func (p *planner) keepPAM(f *file, dirName string) {
	const note = "PAM modules"
	for _, name := range pamConfig() {
		p.keepBelow(name, f, note)
	}
	top, _ := p.resolve(path.Join(dirName, "security"))
	if top == nil || p.again("pam", top.path) {
		return
	}
	named := p.pamModules()
	p.below(top.path, func(g *file) {
		if g.class == library && named[path.Base(g.path)] {
			p.keep(g, true, Reason{Kind: LoadedByName, From: f.path, Note: note})
		}
	})
}

// pamModules are the base names of the modules that the configuration of PAM
// names, remembered: an image may have many libraries of that name.
func (p *planner) pamModules() map[string]bool {
	if p.pam != nil {
		return p.pam
	}
	p.pam = map[string]bool{}
	for _, name := range pamConfig() {
		top, _ := p.resolve(name)
		if top == nil {
			continue
		}
		p.below(top.path, func(g *file) {
			for _, w := range p.words(g) {
				if strings.HasSuffix(w, ".so") {
					p.pam[path.Base(w)] = true
				}
			}
		})
	}
	return p.pam
}

// words are the words of a configuration file or of what a link leads to,
// comments excepted: none of what cannot be read.
func (p *planner) words(f *file) []string {
	if f, _ = p.resolve(f.path); f == nil || f.class == dir {
		return nil
	}
	text, err := p.read(f)
	if err != nil {
		return nil
	}
	var list []string
	for line := range strings.SplitSeq(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		list = append(list, strings.Fields(line)...)
	}
	return list
}

// keepProviders keeps those providers and engines of OpenSSL that its
// configuration names where that stays, and FIPS.
func (p *planner) keepProviders(f *file, dirName string) {
	var confs []string
	for _, name := range []string{p.env("OPENSSL_CONF"), "etc/ssl/openssl.cnf", "usr/lib/ssl/openssl.cnf", "etc/pki/tls/openssl.cnf"} {
		if conf, _ := p.resolve(name); name != "" && conf != nil && conf.kept && conf.class != dir {
			confs = append(confs, conf.path)
		}
	}
	if p.again("openssl", dirName, strings.Join(confs, "\x00")) {
		return
	}
	named := p.opensslWords(confs)
	for _, sub := range []string{"ossl-modules", "engines-3", "engines-1.1"} {
		top, _ := p.resolve(path.Join(dirName, sub))
		if top == nil {
			continue
		}
		p.below(top.path, func(g *file) {
			base := strings.TrimSuffix(path.Base(g.path), ".so")
			if g.class == library && (base == "fips" || named[base]) {
				p.keep(g, true, Reason{Kind: LoadedByName, From: f.path, Note: "a provider of OpenSSL that is configured"})
			}
		})
	}
}

// opensslWords are the words of OpenSSL's configuration, comments excepted
// (config(5ssl)), where the profile saw it read or a rule keeps it.
func (p *planner) opensslWords(confs []string) map[string]bool {
	words := map[string]bool{}
	for _, name := range confs {
		text, err := p.read(p.find(name))
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			line, _, _ = strings.Cut(line, "#")
			for _, w := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t=,[]/.\"'", r) }) {
				words[strings.TrimSuffix(w, "_sect")] = true
			}
		}
	}
	return words
}
