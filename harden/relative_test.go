package harden_test

import (
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// TestRelativePaths keeps what a recorder saw under a path to which it put a
// slash, and only where that recorder may have done so.
func TestRelativePaths(t *testing.T) {
	t.Parallel()
	const text = "elf usr/bin/server type=exec\nelf srv/app/client type=exec\nelf srv/app/other type=exec\nfile srv/app/data/rates x\nfile srv/app/data/unused x\n"
	conf := v1.Config{Entrypoint: server.Entrypoint, WorkingDir: "/srv/app"}
	recorded := func(style string, observes ...string) *profile.Profile {
		p := complete("/usr/bin/server", "/client")
		p.Sources[0].Paths.Open = style
		p.Sources[0].Observes = append(p.Sources[0].Observes, observes...)
		p.Files = []profile.File{
			{Path: "/data/rates", Access: []string{profile.AccessOpen, profile.AccessRead}, Seen: []string{"s-000000000000"}},
			{Path: "/data", Access: []string{profile.AccessOpen}, Seen: []string{"s-000000000000"}},
			{Path: "/proc/self", Access: []string{profile.AccessOpen}, Seen: []string{"s-000000000000"}},
		}
		return p
	}
	for name, tc := range map[string]struct {
		prof *profile.Profile
		dir  string
		want bool
	}{
		"may put a slash":       {recorded("both"), "/srv/app", true},
		"resolves":              {recorded("resolved"), "/srv/app", false},
		"tells failures":        {recorded("both", profile.ObservesOpenFailed), "/srv/app", false},
		"no working directory":  {recorded("both"), "", false},
		"the root":              {recorded("both"), "/", false},
		"another one":           {recorded("both"), "/srv", false},
		"one that is not clean": {recorded("both"), "//srv/./app/", true},
	} {
		conf.WorkingDir = tc.dir
		tc.prof.Executables[1].Seen = profile.Seen{"s-000000000000": {N: 1}}
		id := profile.Identity{ManifestDigest: "sha256:" + strings.Repeat("a", 64)}
		tc.prof.Images = []profile.Image{{Digest: id.ManifestDigest}}
		tr := tree(t, text, conf)
		pl, err := harden.NewPlan(t.Context(), tr, id, tc.prof, harden.Policy{Level: harden.Files})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for path, want := range map[string]bool{"srv/app/client": tc.want, "srv/app/data/rates": tc.want, "srv/app/other": false, "srv/app/data/unused": false} {
			if pl.Keeps(path) != want {
				t.Errorf("%s: keeps %s: %v", name, path, !want)
			}
		}
		said := slices.ContainsFunc(pl.Findings, func(f harden.Finding) bool {
			return f.Kind == "relative-path" && strings.HasSuffix(f.Text, `: "/client", "/data/rates"`)
		})
		if said != tc.want {
			t.Errorf("%s: findings %+v", name, pl.Findings)
		}
		bound, _, err := profile.Bind(tc.prof, harden.Root(tr))
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(bound.Executables, func(x profile.Executable) bool { return x.Path == "/srv/app/client" }) &&
			slices.ContainsFunc(bound.Files, func(f profile.File) bool { return f.Path == "/srv/app/data/rates" })
		if found != tc.want {
			t.Errorf("%s: bound to %+v, %+v", name, bound.Executables, bound.Files)
		}
	}
}
