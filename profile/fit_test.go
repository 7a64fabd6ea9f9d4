package profile

import (
	"slices"
	"strings"
	"testing"
)

func TestFits(t *testing.T) {
	t.Parallel()
	a, b, c, d := digestOf('a'), digestOf('b'), digestOf('c'), digestOf('d')
	images := []Image{
		{Refs: []string{"example/other"}},
		{Digest: a, IndexDigest: []string{b}, ConfigDigest: []string{c}, DiffIDs: []string{c, d}, Platform: "linux/amd64"},
	}
	for name, tc := range map[string]struct {
		id   Identity
		want string
	}{
		"manifest":                {Identity{ManifestDigest: a}, "manifest"},
		"manifest, all different": {Identity{ManifestDigest: a, ConfigDigest: d, DiffIDs: []string{d}}, "manifest"},
		"config":                  {Identity{ManifestDigest: d, ConfigDigest: c}, "config"},
		"diff IDs":                {Identity{DiffIDs: []string{c, d}}, "diffIDs"},
		"diff IDs, other order":   {Identity{DiffIDs: []string{d, c}}, ""},
		"diff IDs, one more":      {Identity{DiffIDs: []string{c, d, a}}, ""},
		"index":                   {Identity{IndexDigest: b}, "index"},
		"index, same platform":    {Identity{IndexDigest: b, Platform: "linux/amd64"}, "index"},
		"index, other platform":   {Identity{IndexDigest: b, Platform: "linux/arm64"}, ""},
		"index as digest":         {Identity{IndexDigest: a}, "index"},
		"other":                   {Identity{ManifestDigest: d, IndexDigest: d, ConfigDigest: d}, ""},
		"nothing known":           {Identity{}, ""},
	} {
		for _, order := range []bool{false, true} {
			p := &Profile{Images: slices.Clone(images)}
			if order {
				slices.Reverse(p.Images)
			}
			got := Fits(p, tc.id)
			if got.By != tc.want || got.OK != (tc.want != "") || got.OK && got.Image.Digest != a {
				t.Errorf("%s: it fits by %q, want %q", name, got.By, tc.want)
			}
		}
	}
	if Fits(&Profile{Images: []Image{{}}}, Identity{}).OK {
		t.Error("an image of which nothing is known fits an image of which nothing is known")
	}
}

func TestValidateEverySection(t *testing.T) {
	t.Parallel()
	bad := []string{"?"}
	p := &Profile{
		Images:       []Image{{}, {Digest: "sha256:xyz", Platform: "amd64"}},
		Sources:      []Source{{Kind: "seen", Complete: true, Lost: Lost{Known: true, Events: 2}, Observes: bad, Paths: PathStyle{Root: "?"}}},
		Executables:  []Executable{{Path: "/a", Key: "/b", As: "x/y", Parents: bad, Origin: bad, Phase: bad, Layer: bad}},
		Patterns:     []Pattern{{Glob: "a"}},
		Missing:      []Missing{{Path: "/a", Errno: bad, Ops: bad}},
		Syscalls:     []Syscall{{Name: "?"}},
		Capabilities: []Capability{{Name: "CAP_CHOWN"}},
		Outside:      []Outside{{Prefix: "proc"}},
	}
	p.Network.Listen = []Listen{{Proto: "tcp", Addr: "::", Port: 0}, {Proto: "tcp", Addr: "::", Port: 0, Ephemeral: true}}
	p.Network.Accept = []Accept{{Proto: "icmp", Port: -1}}
	p.Network.Connect = []Connect{{Proto: "icmp", Port: 1, Peer: Peer{IP: "192.0.2.1"}}, {Proto: "unix"}}
	p.Network.DNS = []DNS{{Name: "a\nb", Type: "a"}}
	var all string
	// A profile lists a bounded number of problems: look at one section at a time.
	for _, part := range []*Profile{
		{Images: p.Images},
		{Sources: p.Sources},
		{Executables: p.Executables},
		{Patterns: p.Patterns, Missing: p.Missing},
		{Syscalls: p.Syscalls, Capabilities: p.Capabilities, Outside: p.Outside},
		{Network: p.Network},
	} {
		err := part.Validate()
		if err == nil {
			t.Fatalf("%+v is valid", part)
		}
		all += err.Error() + "\n"
	}
	for _, want := range []string{
		"images[0]: it has no digest", "images[1].digest: \"sha256:xyz\"", "images[1].platform: \"amd64\"",
		"sources[0].kind: \"seen\"", "sources[0].complete: a source that lost 2 events", "sources[0].observes: \"?\"", "sources[0].paths.root",
		"executables[0].key: \"/b\" is not the key of this path and applet, which is \"/a::x/y\"", "executables[0].as: \"x/y\" is not a base name",
		"executables[0].parents", "executables[0].origin", "executables[0].phase", "executables[0].layer",
		"patterns[0].glob", "missing[0].errno", "missing[0].ops", "syscalls[0].name", "capabilities[0].name", "outside[0].prefix",
		"network.listen[0].port: 0 is not a port", "network.accept[0].proto: \"icmp\"", "network.accept[0].port: -1",
		"network.connect[0].port: icmp has no ports", "network.connect[1].peer.path", "network.dns[0].name", "network.dns[0].type",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no problem says %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "listen[1]") {
		t.Errorf("an ephemeral port that is not known is a problem:\n%s", all)
	}
}
