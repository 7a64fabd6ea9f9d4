//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/pkgdb"
	"github.com/lathe-build/lathe/report"
)

// installed are the directories of installed files. Elsewhere a server writes.
var installed = strings.Fields("usr etc bin sbin lib lib32 lib64 libx32 boot")

// checkPlaces checks that the places where servers write are there as they
// were: every directory that is empty, and every link below /var or to a
// directory of the top, such as /var/lock. What the package manager keeps for
// itself is none of them.
func checkPlaces(t *testing.T, before, after *layers.Tree) {
	t.Helper()
	all := slices.Collect(before.Paths())
	seen := 0
	for i, p := range all {
		top, rest, _ := strings.Cut(p, "/")
		e, _ := before.Lookup(p)
		empty := i+1 == len(all) || !strings.HasPrefix(all[i+1], p+"/")
		switch {
		case pkgdb.IsState(p + "/x"):
			continue
		case e.Type == layers.Dir && empty && !slices.Contains(installed, top):
		case e.Type == layers.Symlink && (rest == "" || top == "var"):
		default:
			continue
		}
		seen++
		if is, ok := after.Lookup(p); !ok || is.Type != e.Type || is.Linkname != e.Linkname {
			t.Errorf("%s is gone: a server may write there", p)
		}
	}
	if seen < 3 {
		t.Errorf("the original has %d places to write, so that nothing is proved", seen)
	}
}

// maxUnseen bounds what is left at the level files of what no recording saw
// used: certificates, licence texts, the modules that PAM's configuration names.
const maxUnseen = 2_500_000

// checkSmall logs what the bytes that stay are there for and, at the level
// files, bounds those that nobody was seen to use.
func checkSmall(t *testing.T, doc *report.Report, level string) {
	t.Helper()
	used := []harden.Kind{harden.Opened, harden.Executed, harden.Config, harden.Interpreter, harden.LookedUp, harden.ReadAsData}
	var unseen int64
	for _, p := range doc.Platforms {
		for _, g := range p.KeptBy {
			t.Logf("%-34s %8.2f MB in %d entries", g.Text, float64(g.Bytes)/1e6, g.Entries)
			if !slices.Contains(used, g.Kind) {
				unseen += g.Bytes
			}
		}
	}
	if level == "files" && unseen > maxUnseen {
		t.Errorf("%d bytes stay that nobody was seen to use, more than %d", unseen, maxUnseen)
	}
}

func readReport(t *testing.T, name string) *report.Report {
	t.Helper()
	doc := &report.Report{}
	data, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(data, doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
