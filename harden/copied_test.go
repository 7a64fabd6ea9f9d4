package harden_test

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// builtTree is an image whose history says that its last layer was made by a
// command.
func builtTree(t *testing.T, text, by string) *layers.Tree {
	t.Helper()
	img, err := testimage.Image(text, server)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.History[len(config.History)-1].CreatedBy = by
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	tr, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// TestCopiedIntoGonePackage: what was copied into a directory that only a
// package lists which goes is the application's. What a command left there is
// not, and neither is what came with a package database.
func TestCopiedIntoGonePackage(t *testing.T) {
	t.Parallel()
	const base = "\nfile var/lib/dpkg/info/more.list = /.\\n"
	for _, tc := range []struct {
		name, by, more string
		keeps          bool
	}{
		{"BuildKit", "COPY history /var/lib/curl/history # buildkit", "", true},
		{"before BuildKit", "/bin/sh -c #(nop) COPY file:12 in /var/lib/curl/history ", "", true},
		{"an archive", "ADD site.tar.gz / # buildkit", "", true},
		{"a command", "RUN /bin/sh -c touch /var/lib/curl/history # buildkit", "", false},
		{"a command that copies", "/bin/sh -c COPY=1 touch /var/lib/curl/history", "", false},
		{"unknown", "", "", false},
		{"a base", "/bin/sh -c #(nop) ADD file:12 in / ", base, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tr := builtTree(t, debianText()+tc.more, tc.by)
			pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{})
			if pl.Keeps("var/lib/curl/history") != tc.keeps {
				t.Errorf("keeps: %v, want %v: %+v", !tc.keeps, tc.keeps, pl.Explain("var/lib/curl/history"))
			}
			if pl.Keeps("usr/bin/curl") {
				t.Errorf("the package's program stays: %+v", pl.Explain("usr/bin/curl"))
			}
			pl = newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{Level: harden.Files})
			if pl.Keeps("var/lib/curl/history") {
				t.Errorf("what was never seen stays at the level files: %+v", pl.Explain("var/lib/curl/history"))
			}
		})
	}
}

// TestNamesWithoutConfiguration: a C library that has the services for names in
// files of their own, before 2.34, asks two of them where nothing is configured.
func TestNamesWithoutConfiguration(t *testing.T) {
	t.Parallel()
	services := func(conf string) string {
		return dpkgImage(conf, pack{"names", "", "elf lib/libnss_files.so.2 soname=libnss_files.so.2\nelf lib/libnss_dns.so.2 soname=libnss_dns.so.2\nelf lib/libnss_nis.so.2 soname=libnss_nis.so.2\nelf bin/ypcat"})
	}
	cmd := v1.Config{Cmd: []string{"/bin/app"}}
	pl := newPlan(t, tree(t, services(""), cmd), complete("/bin/app"), harden.Policy{})
	checkExplained(t, pl, "lib/libnss_files.so.2", harden.LoadedByName)
	checkExplained(t, pl, "lib/libnss_dns.so.2", harden.LoadedByName)
	pl = newPlan(t, tree(t, services("file etc/nsswitch.conf = passwd: files\\n"), cmd), complete("/bin/app"), harden.Policy{Level: harden.Files})
	if pl.Keeps("lib/libnss_dns.so.2") {
		t.Errorf("a service that is not configured stays: %+v", pl.Explain("lib/libnss_dns.so.2"))
	}
}

// TestTerminals: a library of terminals needs their descriptions, which no
// package depends on because every Debian has them.
func TestTerminals(t *testing.T) {
	t.Parallel()
	text := dpkgImage("", pack{"tinfo", "", "elf lib/libtinfo.so.6 soname=libtinfo.so.6"}, pack{"base", "", "file lib/terminfo/x/xterm\nelf bin/tput"})
	cmd := v1.Config{Cmd: []string{"/bin/app"}}
	for _, used := range []bool{false, true} {
		prof := complete("/bin/app")
		if used {
			prof.Files = []profile.File{{Path: "/lib/libtinfo.so.6", Access: []string{profile.AccessOpen, profile.AccessMmap}, By: []string{"/bin/app"}}}
		}
		pl := newPlan(t, tree(t, text, cmd), prof, harden.Policy{})
		if pl.Keeps("lib/terminfo/x/xterm") != used || pl.Keeps("bin/tput") {
			t.Errorf("used %v: %+v, %+v", used, pl.Explain("lib/terminfo/x/xterm"), pl.Explain("bin/tput"))
		}
	}
}

func checkExplained(t *testing.T, pl *harden.Plan, name string, kind harden.Kind) {
	t.Helper()
	if chain := pl.Explain(name); len(chain) == 0 || !chain[0].Keep || chain[0].Reason.Kind != kind {
		t.Errorf("%s: %+v, want it kept as %s", name, chain, kind)
	}
}
