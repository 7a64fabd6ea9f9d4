package harden_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
)

// plugins are two plugins that share a library of another package, one that
// needs nothing more than its own package has, and one that was loaded.
func plugins() string {
	return dpkgImage("elf srv/lib/own.so needed=liblone.so.1",
		pack{"db", "", "elf lib/libdb.so.1 soname=libdb.so.1\nelf usr/lib/db/jit.so needed=libllvm.so.1\nelf usr/lib/db/jit2.so needed=libllvm.so.1\nelf usr/lib/db/plain.so needed=libdb.so.1\nelf usr/lib/db/loaded.so needed=libread.so.1"},
		pack{"llvm", "", "elf lib/libllvm.so.1 soname=libllvm.so.1 needed=libz.so.1\nfile usr/share/llvm/table"},
		pack{"z", "", "elf lib/libz.so.1 soname=libz.so.1"},
		pack{"read", "", "elf lib/libread.so.1 soname=libread.so.1"},
		pack{"lone", "", "elf lib/liblone.so.1 soname=liblone.so.1"},
	)
}

func pluginFindings(pl *harden.Plan) []string {
	var list []string
	for _, f := range pl.Findings {
		if f.Kind == "unloaded-plugin" {
			list = append(list, f.Path+": "+f.Text)
		}
	}
	return list
}

// TestUnloadedPlugins: R9 reports by default and drops nothing; when the policy
// says so, a plugin goes together with what only it needs.
func TestUnloadedPlugins(t *testing.T) {
	t.Parallel()
	tr := tree(t, plugins(), v1.Config{Cmd: []string{"/bin/app"}})
	prof := withFiles("/lib/libdb.so.1", "/usr/lib/db/loaded.so")
	all := "usr/lib/db/jit.so usr/lib/db/jit2.so lib/libllvm.so.1 usr/share/llvm/table lib/libz.so.1 srv/lib/own.so lib/liblone.so.1"
	rest := "usr/lib/db/plain.so usr/lib/db/loaded.so lib/libread.so.1 lib/libdb.so.1"

	pl := newPlan(t, tr, prof, harden.Policy{})
	checkKeeps(t, pl, all+" "+rest, "")
	want := []string{
		"srv/lib/own.so: never loaded, keeps 0.0 MB in 1 package (lone): the policy line `plugins: dropUnloaded` drops both",
		"usr/lib/db/jit.so: with 1 more like it, never loaded, keeps 0.0 MB in 2 packages (llvm, z): the policy line `plugins: dropUnloaded` drops both",
	}
	if diff := cmp.Diff(want, pluginFindings(pl)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}

	pl = newPlan(t, tr, prof, harden.Policy{Plugins: harden.DropUnloaded})
	checkKeeps(t, pl, rest, all)
	if got := pluginFindings(pl); len(got) != 2 || !strings.Contains(got[1], "goes with 0.0 MB in 2 packages (llvm, z)") {
		t.Errorf("findings: %q", got)
	}
	for _, q := range pl.Packages {
		if q.Kept != !strings.Contains(" llvm z lone ", " "+q.Name+" ") {
			t.Errorf("package %s: kept is %v", q.Name, q.Kept)
		}
	}
}

// TestUnloadedPluginNamed: a plugin that something which stays opens by name is
// not dropped, and neither is what it needs.
func TestUnloadedPluginNamed(t *testing.T) {
	t.Parallel()
	tr := tree(t, dpkgImage("",
		pack{"db", "", "elf lib/libdb.so.1 soname=libdb.so.1 strings=libjit.so\nelf lib/libjit.so needed=libllvm.so.1"},
		pack{"llvm", "", "elf lib/libllvm.so.1 soname=libllvm.so.1"},
	), v1.Config{Cmd: []string{"/bin/app"}})
	pl := newPlan(t, tr, withFiles("/lib/libdb.so.1"), harden.Policy{Plugins: harden.DropUnloaded})
	checkKeeps(t, pl, "lib/libjit.so lib/libllvm.so.1", "")
	if got := pluginFindings(pl); len(got) > 0 {
		t.Errorf("findings: %q", got)
	}
}

// TestUnloadedPluginKept: a keep rule answers R9.
func TestUnloadedPluginKept(t *testing.T) {
	t.Parallel()
	tr := tree(t, plugins(), v1.Config{Cmd: []string{"/bin/app"}})
	pol := harden.Policy{Plugins: harden.DropUnloaded, Keep: []string{"/usr/lib/db/jit.so"}}
	checkKeeps(t, newPlan(t, tr, withFiles("/lib/libdb.so.1"), pol), "usr/lib/db/jit.so lib/libllvm.so.1 lib/libz.so.1", "srv/lib/own.so")
}

func TestPluginsRuleIsKnown(t *testing.T) {
	t.Parallel()
	if err := (harden.Policy{Plugins: "dropAll"}).Validate(); err == nil || !strings.Contains(err.Error(), "dropUnloaded") {
		t.Errorf("got %v", err)
	}
}

// pluginChain is an image of n packages, each with a library and a plugin. In a
// chain each plugin needs the next package's library; else all need the first.
func pluginChain(n int, chained bool) string {
	var packs []pack
	for i := range n {
		next := 0
		if chained {
			next = min(i+1, n-1)
		}
		packs = append(packs, pack{fmt.Sprintf("p%d", i), "", fmt.Sprintf(
			"elf lib/libp%d.so.1 soname=libp%d.so.1\nelf usr/lib/p%d/plugin.so needed=libp%d.so.1", i, i, i, next)})
	}
	return dpkgImage("", packs...)
}

// TestPluginChainIsLinear: each package brings the next one only when the rules
// have looked at it. Looking at all packages each time takes time that grows with its square.
func TestPluginChainIsLinear(t *testing.T) {
	t.Parallel()
	const n = 1000
	took := func(chained bool, opened ...string) (time.Duration, *harden.Plan) {
		tr := tree(t, pluginChain(n, chained), v1.Config{Cmd: []string{"/bin/app"}})
		prof := withFiles(opened...)
		start := time.Now()
		pl := newPlan(t, tr, prof, harden.Policy{})
		return time.Since(start), pl
	}
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("/lib/libp%d.so.1", i))
	}
	flat, _ := took(false, all...)
	chain, pl := took(true, "/lib/libp0.so.1")
	checkKeeps(t, pl, fmt.Sprintf("lib/libp%d.so.1 usr/lib/p%d/plugin.so", n-1, n-1), "")
	if chain > 10*flat+5*time.Second {
		t.Errorf("a chain of %d packages took %s, as many side by side %s", n, chain, flat)
	}
}
