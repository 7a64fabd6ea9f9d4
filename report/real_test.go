package report

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// busybox is a small image that really goes through plan and rewrite.
const busybox = `
dir bin
dir etc
elf bin/busybox type=exec
link bin/sh -> busybox
link bin/wget -> busybox
link bin/vi -> busybox
script entry.sh = /bin/sh
elf usr/sbin/serve type=exec
file etc/ssl/certs/ca.pem = certificate
file etc/old = secret
elf usr/bin/nc type=exec
hard usr/bin/data -> usr/bin/nc
---
gone etc/old
file etc/new = new
`

func ran(paths ...string) *profile.Profile {
	p := &profile.Profile{Sources: []profile.Source{{
		ID: "a", Kind: profile.KindObserved, Complete: true, Lost: profile.Lost{Known: true}, Run: "1",
		Observes: []string{profile.ObservesExec, profile.ObservesOpen},
	}}}
	for _, name := range paths {
		file, applet := profile.SplitKey(name)
		p.Executables = append(p.Executables, profile.Executable{
			Key: name, Path: file, As: applet, Bound: true, Phase: []string{profile.PhaseStartup},
			Layer: []string{profile.LayerImage}, Seen: profile.Seen{"a": {N: 1}},
		})
	}
	return p
}

// hardened takes an image all the way, and gives what New needs to know.
func hardened(t *testing.T, text string, prof *profile.Profile, pol harden.Policy) (Input, error) {
	t.Helper()
	img, err := testimage.Image(text, v1.Config{Entrypoint: []string{string(prof.Executables[0].Path)}, Env: []string{"PATH=/bin:/usr/bin"}})
	if err != nil {
		t.Fatal(err)
	}
	tree := open(t, img)
	id := profile.Identity{ManifestDigest: "sha256:" + strings.Repeat("a", 64)}
	prof.Images = []profile.Image{{Digest: id.ManifestDigest}}
	pl, err := harden.NewPlan(t.Context(), tree, id, prof, pol)
	if err != nil {
		return Input{}, err
	}
	res, err := harden.Apply(t.Context(), tree, pl)
	if err != nil {
		t.Fatal(err)
	}
	out := open(t, res.Image)
	return Input{
		Platform: "linux/amd64", Plan: pl, Profile: prof, Stats: res.Stats,
		Before: Image{Layers: tree.Layers(), Contents: Measure(tree, pl)},
		After:  &Image{Layers: out.Layers(), Contents: Measure(out, nil)},
	}, nil
}

func open(t *testing.T, img v1.Image) *layers.Tree {
	t.Helper()
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tree.Close() })
	return tree
}

// TestTotalsOfRandomImages: whatever an image looks like and whatever goes, the
// plan's sums are those of the image that comes out, hard links included.
func TestTotalsOfRandomImages(t *testing.T) {
	t.Parallel()
	carried, shadowed, dropped := 0, 0, 0
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 7))
		text := "elf usr/bin/app type=exec\n---\n" + testimage.Random(rng)
		pol := harden.Policy{Level: []harden.Level{harden.Binaries, harden.Packages}[rng.IntN(2)]}
		for range rng.IntN(4) {
			pol.Drop = append(pol.Drop, []string{"a", "b", "c", "a/a", "a/b", "*/c", "b/**/a"}[rng.IntN(7)])
		}
		in, err := hardened(t, text, ran("/usr/bin/app"), pol)
		var conflict *harden.Conflict
		if errors.As(err, &conflict) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		r, err := New(Job{}, in)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		p := r.Platforms[0]
		carried += int(p.Totals.Carried)
		shadowed += p.Totals.Shadowed.Entries
		dropped += p.Totals.Dropped.Entries
		for _, d := range []struct {
			groups []Group
			want   Amount
		}{{p.KeptBy, p.Totals.Kept}, {p.DroppedBy, p.Totals.Dropped}} {
			var sum Amount
			for _, g := range d.groups {
				sum.Entries += g.Entries
				sum.Bytes += g.Bytes
			}
			if sum != d.want {
				t.Errorf("seed %d: the groups have %v, the total is %v", seed, sum, d.want)
			}
		}
	}
	if carried == 0 || shadowed == 0 || dropped == 0 {
		t.Errorf("the images never carried (%d), shadowed (%d) or dropped (%d) anything", carried, shadowed, dropped)
	}
}

func TestRealPlan(t *testing.T) {
	t.Parallel()
	prof := ran("/entry.sh", "/bin/busybox::sh", "/usr/sbin/serve")
	prof.Executables[1].Scripts = []profile.Path{"/entry.sh"}
	prof.Executables[2].Phase = []string{profile.PhaseStartup, profile.PhaseServing}
	in, err := hardened(t, busybox, prof, harden.Policy{Level: harden.Binaries})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Job{}, in)
	if err != nil {
		t.Fatal(err)
	}
	p := r.Platforms[0]
	find := func(class string) Class {
		i := slices.IndexFunc(p.Scorecard, func(c Class) bool { return c.Name == class })
		if i < 0 {
			t.Fatalf("no class %q in %v", class, p.Scorecard)
		}
		return p.Scorecard[i]
	}
	if c := find("downloader"); c.Before != 1 || c.After != 0 || len(c.Stays) != 0 {
		t.Errorf("downloader: %+v", c)
	}
	shells := find("shell")
	i := slices.IndexFunc(shells.Stays, func(s Stay) bool { return s.Path == "/bin/sh" })
	if i < 0 {
		t.Fatalf("/bin/sh is not said to stay: %+v", shells)
	}
	sh := shells.Stays[i]
	if sh.Use != UseStartup || sh.Box == nil || sh.Box.Path != "/bin/busybox" {
		t.Errorf("/bin/sh: %+v", sh)
	}
	for name, d := range map[string][2][]Location{
		"start": {p.Startup, {{Path: "/bin/sh"}, {Path: "/entry.sh"}}},
		"serve": {p.Serving, {{Path: "/usr/sbin/serve"}}},
	} {
		if diff := cmp.Diff(d[1], d[0]); diff != "" {
			t.Errorf("used to %s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]Location{{Path: "/entry.sh"}}, sh.For); diff != "" {
		t.Errorf("/bin/sh is for (-want +got):\n%s", diff)
	}
	if len(p.Boxes) != 1 || p.Boxes[0].Path != "/bin/busybox" || p.Boxes[0].Dropped != 2 {
		t.Errorf("multi-call binaries: %+v", p.Boxes)
	}
	i = slices.IndexFunc(shells.Stays, func(s Stay) bool { return s.Path == "/bin/busybox" })
	if box := shells.Stays[i]; box.Use != UseApplets || len(box.For) != 1 || box.For[0].Path != "/bin/sh" {
		t.Errorf("/bin/busybox: %+v", box)
	}
	want := "kept although it is a shell, because /entry.sh needs it; only the entrypoint used it, before the long-running program was exec'ed"
	if !slices.ContainsFunc(p.Findings, func(f Finding) bool { return f.Path == "/bin/sh" && f.Text == want }) {
		t.Errorf("no finding %q in %+v", want, p.Findings)
	}
	if p.Totals.Shadowed.Entries != 2 || p.Totals.Shadowed.Bytes != int64(len("secret")) {
		t.Errorf("shadowed: %+v", p.Totals.Shadowed)
	}
	v := newView(&in)
	for d := range in.Plan.Decisions() {
		if diff := cmp.Diff(in.Plan.Explain(d.Path), v.explain(d.Path)); diff != "" {
			t.Errorf("the chain of %q is not the plan's (-plan +report):\n%s", d.Path, diff)
		}
	}
}
