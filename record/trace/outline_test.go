package trace

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

var update = flag.Bool("update", false, "rewrite golden files")

// outline is everything in a profile that is the same in every run, a line each.
func outline(p *profile.Profile) string {
	var b strings.Builder
	line := func(section, subject string, facts ...any) {
		fmt.Fprintf(&b, "%s %s", section, subject)
		for i := 0; i+1 < len(facts); i += 2 {
			if text := strings.Trim(fmt.Sprint(facts[i+1]), "[]"); text != "" && text != "false" {
				fmt.Fprintf(&b, " %s=%s", facts[i], strings.ReplaceAll(text, " ", ","))
			}
		}
		b.WriteByte('\n')
	}
	id := p.Sources[0].ID
	for _, x := range p.Executables {
		line("exec", x.Key, "via", x.Via, "scripts", x.Scripts, "parents", x.Parents, "origin", x.Origin, "phase", x.Phase,
			"layer", x.Layer, "uids", x.UIDs, "tty", x.TTY, "argv", x.Argv, "n", x.Seen[id].N)
	}
	for _, f := range p.Files {
		line("file", string(f.Path), "access", f.Access, "via", f.Via, "layer", f.Layer, "by", f.By, "phase", f.Phase)
	}
	for _, m := range p.Missing {
		line("missing", string(m.Path), "errno", m.Errno, "ops", m.Ops, "by", m.By)
	}
	for _, l := range p.Network.Listen {
		line("listen", fmt.Sprint(l.Proto, " ", l.Addr, " ", l.Port), "ephemeral", l.Ephemeral, "by", l.By)
	}
	for _, a := range p.Network.Accept {
		line("accept", fmt.Sprint(a.Proto, " ", a.Port, " ", a.Peer.IP), "by", a.By)
	}
	for _, c := range p.Network.Connect {
		line("connect", fmt.Sprint(c.Proto, " ", c.Peer.IP, c.Peer.Path, " ", c.Port), "results", c.Results, "names", c.Peer.Names,
			"by", c.By, "attribution", c.Attribution)
	}
	for _, d := range p.Network.DNS {
		line("dns", d.Name+" "+d.Type, "answers", d.Answers, "by", d.By)
	}
	return b.String()
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
