package harden

import (
	"path"
	"strings"
)

// helper is a program that a library or runtime executes by itself.
type helper struct {
	base    string   // start of the base name of the library or program
	helpers []string // relative to its directory, or absolute
}

func helperTable() []helper {
	return []helper{
		{"libjava.so", []string{"jspawnhelper"}},
		{"libjli.so", []string{"../jspawnhelper", "jspawnhelper"}},
		{"pam_unix.so", []string{"/sbin/unix_chkpwd", "/usr/sbin/unix_chkpwd"}},
		{"libgio-2.0.so", []string{"glib-2.0/gio-launch-desktop"}},
		{"libdbus-1.so", []string{"/usr/bin/dbus-launch"}},
		{"ssh", []string{"/usr/bin/ssh-askpass", "/usr/lib/openssh/ssh-sk-helper"}},
		{"git", []string{"/usr/lib/git-core/git-remote-http", "/usr/lib/git-core/git-remote-https"}},
	}
}

// edgeHelpers keeps the programs that a kept library or program executes
// without anybody having asked for them by name.
func (p *planner) edgeHelpers(f *file) {
	if f.elf == nil || !f.strong {
		return
	}
	base := path.Base(f.path)
	for _, h := range helperTable() {
		isLibrary := strings.Contains(h.base, ".so")
		if base != h.base && (!isLibrary || !strings.HasPrefix(base, h.base)) {
			continue
		}
		for _, name := range h.helpers {
			if !strings.HasPrefix(name, "/") {
				name = path.Join("/", path.Dir(f.path), name)
			}
			if g, links := p.resolve(name); g != nil && g.class != dir {
				p.keepVia(g, links, true, Reason{Kind: Helper, From: f.path})
			}
		}
	}
}
