package harden_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
)

// TestShellCalls reports what stays and would run a shell that goes.
func TestShellCalls(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{
		"elf lib/ld.so type=dyn", "elf lib/libc.so.6 soname=libc.so.6 imports=system",
		"elf bin/app interp=/lib/ld.so needed=libc.so.6,liba.so.1 imports=printf,system,popen",
		"elf lib/liba.so.1 soname=liba.so.1 imports=posix_spawn,execve strings=/bin/sh",
		"elf lib/libb.so.1 soname=libb.so.1 imports=posix_spawn",
		"elf lib/libquiet.so soname=libquiet.so imports=printf strings=/bin/sh",
		"elf bin/gone interp=/lib/ld.so imports=system", "elf bin/sh interp=/lib/ld.so",
	}, "\n")
	tr := tree(t, text, v1.Config{Cmd: []string{"/bin/app"}})
	calls := func(pol harden.Policy) []string {
		var list []string
		for _, f := range newPlan(t, tr, withFiles("/lib/libb.so.1"), pol).Findings {
			if f.Kind == "shell-call" {
				list = append(list, f.Path+" "+strings.Split(f.Text, ", which")[0])
			}
		}
		return list
	}
	want := []string{"bin/app calls popen, system", "lib/liba.so.1 calls execve, posix_spawn"}
	if diff := cmp.Diff(want, calls(harden.Policy{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := calls(harden.Policy{Keep: []string{"/bin/sh"}}); len(got) > 0 {
		t.Errorf("the shell stays, and there are findings: %q", got)
	}
}

// TestDamagedSharedObject: what cannot be a library is a program when it can be
// run, and data when not.
func TestDamagedSharedObject(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"damaged", "packed"} {
		text := "elf lib/ld.so type=dyn soname=ld.so\nelf bin/app interp=/lib/ld.so\n" +
			"elf opt/tool mode=0755 type=" + typ + "\nelf opt/libx.so.1 mode=0644 type=" + typ
		pl := newPlan(t, tree(t, text, v1.Config{Cmd: []string{"/bin/app"}}), withFiles(), harden.Policy{Level: harden.Binaries})
		classes := map[string]string{}
		for _, r := range pl.Records.All() {
			classes[r.Path] = r.Class
		}
		if classes["opt/tool"] != "program" || pl.Keeps("opt/tool") {
			t.Errorf("%s, with the x bit: %s, stays: %v", typ, classes["opt/tool"], pl.Keeps("opt/tool"))
		}
		if classes["opt/libx.so.1"] != "data" || !pl.Keeps("opt/libx.so.1") {
			t.Errorf("%s, without: %s, stays: %v", typ, classes["opt/libx.so.1"], pl.Keeps("opt/libx.so.1"))
		}
	}
}
