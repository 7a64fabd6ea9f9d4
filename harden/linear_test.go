//go:build unix

package harden_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/growth"
	"github.com/lathe-build/lathe/profile"
)

// shapes are images and profiles of size n that make a careless planner work for
// n times n.
func shapes() map[string]func(n int) (image string, p *profile.Profile, pol harden.Policy) {
	repeat := func(n int, line func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString("\n" + line(i))
		}
		return b.String()
	}
	dpkg := func(packages string) string { return "\nfile var/lib/dpkg/status = " + packages }
	app := "elf usr/bin/server type=exec"
	return map[string]func(n int) (string, *profile.Profile, harden.Policy){
		"plugins that need one chain of libraries": func(n int) (string, *profile.Profile, harden.Policy) {
			var files strings.Builder
			image := app + repeat(n, func(i int) string {
				fmt.Fprintf(&files, `/usr/lib/p/plugin%d.so\n`, i)
				return fmt.Sprintf("elf usr/lib/p/plugin%d.so type=dyn needed=libc0.so", i)
			}) + repeat(n, func(i int) string {
				return fmt.Sprintf("elf usr/lib/libc%d.so type=dyn soname=libc%d.so needed=libc%d.so", i, i, i+1)
			}) + fmt.Sprintf("\nelf usr/lib/libc%d.so type=dyn soname=libc%d.so", n, n) +
				"\nfile etc/ld.so.conf = /usr/lib\\n" +
				"\nfile var/lib/dpkg/info/p.list = /usr/bin/server\\n" + files.String() +
				fmt.Sprintf("\nfile var/lib/dpkg/info/end.list = /usr/lib/libc%d.so\\n", n) + dpkg(status("p")+status("end"))
			return image, complete("/usr/bin/server"), harden.Policy{}
		},
		"libraries of one family beside many files": func(n int) (string, *profile.Profile, harden.Policy) {
			image := app + repeat(n/4, func(i int) string { return fmt.Sprintf("elf usr/lib/libtinfo.so.%d type=dyn", i) }) +
				repeat(n, func(i int) string { return fmt.Sprintf("file usr/share/terminfo/t%d", i) })
			p := complete("/usr/bin/server")
			for i := range n / 4 {
				p.Files = append(p.Files, profile.File{Path: profile.Path(fmt.Sprintf("/usr/lib/libtinfo.so.%d", i)), Access: []string{profile.AccessOpen, profile.AccessMmapExec}})
			}
			return image, p, harden.Policy{}
		},
		"patterns of directories": func(n int) (string, *profile.Profile, harden.Policy) {
			image := app + repeat(n, func(i int) string { return fmt.Sprintf("file srv/d%d/f", i) })
			p := complete("/usr/bin/server")
			for i := range n {
				p.Patterns = append(p.Patterns, profile.Pattern{Glob: fmt.Sprintf("/srv/d%d/*", i), Access: []string{profile.AccessOpen}})
			}
			return image, p, harden.Policy{Level: harden.Files}
		},
		"tools of denied classes": func(n int) (string, *profile.Profile, harden.Policy) {
			image := app + repeat(n, func(i int) string { return fmt.Sprintf("elf usr/bin/gcc-%d type=exec", i) })
			return image, complete("/usr/bin/server"), harden.Policy{Rules: []harden.Rule{{Do: harden.DoDeny, Class: "compiler"}, {Do: harden.DoDeny, Class: "shell"}}}
		},
	}
}

// TestLinear plans images of several shapes in a time that grows with them.
func TestLinear(t *testing.T) {
	for name, shape := range shapes() {
		t.Run(name, func(t *testing.T) {
			growth.Linear(t, 600, func(n int) func() {
				image, p, pol := shape(n)
				tr := tree(t, image, server)
				return func() { newPlan(t, tr, p, pol) }
			})
		})
	}
}

// TestTooManyPatterns refuses patterns that would be compared with everything
// over and over.
func TestTooManyPatterns(t *testing.T) {
	t.Parallel()
	var image strings.Builder
	image.WriteString("elf usr/bin/server type=exec")
	p := complete("/usr/bin/server")
	for i := range 8000 {
		fmt.Fprintf(&image, "\nfile srv/f%d", i)
		p.Patterns = append(p.Patterns, profile.Pattern{Glob: fmt.Sprintf("/**/x%d", i), Access: []string{profile.AccessOpen}})
	}
	_, err := harden.NewPlan(t.Context(), tree(t, image.String(), server), profile.Identity{}, p, harden.Policy{Rebase: true})
	var refusal *harden.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "50000000 paths") {
		t.Errorf("got %v", err)
	}
}
