package harden_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/elfdeps"
	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
)

// randomSystem is the text of a system with libraries, programs, scripts,
// links, data, packages and later layers that replace and remove things, and
// the programs that ran.
func randomSystem(rng *rand.Rand) (text string, ran []string) {
	var lines, pkgs []string
	pick := func(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, rng.IntN(n)) }
	lines = append(lines, "dir usr/lib", "dir usr/bin", "link lib -> usr/lib", "link bin -> usr/bin", "elf usr/lib/ld.so type=dyn")
	for i := range 6 {
		needed := ""
		if i > 0 && rng.IntN(2) == 0 {
			needed = fmt.Sprintf(" needed=lib%d.so.1", rng.IntN(i))
		}
		lines = append(lines, fmt.Sprintf("elf usr/lib/lib%d.so.1.0 soname=lib%d.so.1%s", i, i, needed),
			fmt.Sprintf("link usr/lib/lib%d.so.1 -> lib%d.so.1.0", i, i))
	}
	for i := range 6 {
		strs := ""
		if rng.IntN(3) == 0 {
			strs = " strings=" + pick("lib", 6) + ".so.1"
		}
		lines = append(lines, fmt.Sprintf("elf usr/bin/prog%d interp=/lib/ld.so needed=%s.so.1%s", i, pick("lib", 6), strs))
		if rng.IntN(2) == 0 {
			ran = append(ran, fmt.Sprintf("/bin/prog%d", i))
		}
	}
	for i := range 3 {
		lines = append(lines, fmt.Sprintf("script usr/bin/script%d = /bin/prog%d", i, rng.IntN(6)), fmt.Sprintf("link usr/bin/alias%d -> %s", i, pick("prog", 6)))
		if rng.IntN(3) == 0 {
			ran = append(ran, fmt.Sprintf("/usr/bin/script%d", i))
		}
	}
	var status strings.Builder
	for i := range 4 {
		files := []string{"/usr", "/usr/bin", "/usr/share", fmt.Sprintf("/usr/share/p%d", i), fmt.Sprintf("/usr/share/p%d/data", i), fmt.Sprintf("/bin/prog%d", i), fmt.Sprintf("/lib/lib%d.so.1.0", i), fmt.Sprintf("/lib/lib%d.so.1", i)}
		lines = append(lines, fmt.Sprintf("file usr/share/p%d/data", i))
		pkgs = append(pkgs, fmt.Sprintf("file var/lib/dpkg/info/p%d.list = %s\\n", i, strings.Join(files, `\n`)))
		fmt.Fprintf(&status, `Package: p%d\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n`, i)
		if rng.IntN(2) == 0 {
			fmt.Fprintf(&status, `Depends: p%d\n`, rng.IntN(4))
		}
		status.WriteString(`\n`)
	}
	lines = append(append(lines, pkgs...), "file var/lib/dpkg/status = "+status.String())
	upper := []string{"file srv/app"}
	for range rng.IntN(3) {
		upper = append(upper, fmt.Sprintf("gone usr/share/p%d/data", rng.IntN(4)))
	}
	if rng.IntN(2) == 0 {
		upper = append(upper, "hard srv/copy -> usr/bin/prog0")
	}
	slices.Sort(upper)
	return strings.Join(lines, "\n") + "\n---\n" + strings.Join(slices.Compact(upper), "\n"), append(ran, "/usr/bin/prog5")
}

// TestRandomSystems plans random systems and checks what must hold of any plan.
func TestRandomSystems(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		text, ran := randomSystem(rng)
		level := []harden.Level{harden.Binaries, harden.Packages, harden.Files}[seed%3]
		config := v1.Config{Cmd: []string{"/bin/prog5"}}
		tr := tree(t, text, config)
		pol := harden.Policy{Level: level}
		pl := newPlan(t, tr, complete(ran...), pol)
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, %s: %s\n%s", seed, level, fmt.Sprintf(format, args...), text)
		}
		for d := range pl.Decisions() {
			chain := pl.Explain(d.Path)
			if last := chain[len(chain)-1]; d.Keep && (!last.Keep || last.Reason.From != "") {
				fail("%s stays without a root: %+v", d.Path, chain)
			}
		}
		for _, x := range ran {
			if target, _, err := tr.Resolve(x); err == nil && !pl.Keeps(target) {
				fail("%s ran and goes", x)
			}
		}
		res, err := harden.Apply(t.Context(), tr, pl)
		if err != nil {
			fail("%v", err)
		}
		out := reopen(t, res.Image)
		if problems, err := harden.CheckOutput(t.Context(), out, pl); err != nil || len(problems) > 0 {
			fail("the output is not what the plan says: %v %v", problems, err)
		}
		checkSound(t, tr, out, fail)
		again := newPlan(t, out, complete(ran...), pol)
		if d := dropped(again); len(d) > 0 {
			fail("the second plan drops %v", d)
		}
	}
}

// checkSound checks that the output has no new dangling link, that every ELF
// file finds what it found before, and that modes and owners are the same.
func checkSound(t *testing.T, before, after *layers.Tree, fail func(string, ...any)) {
	t.Helper()
	was, err := elfdeps.New(before.FS())
	if err != nil {
		t.Fatal(err)
	}
	is, err := elfdeps.New(after.FS())
	if err != nil {
		t.Fatal(err)
	}
	for p := range after.Paths() {
		b, okB := before.Lookup(p)
		a, _ := after.Lookup(p)
		if !okB || a.Mode != b.Mode || a.UID != b.UID || a.GID != b.GID || a.Type != b.Type {
			fail("%s changed: %+v, was %+v", p, a, b)
		}
		_, _, errB := before.Resolve(p)
		if _, _, errA := after.Resolve(p); errA != nil && errB == nil {
			fail("%s dangles: %v", p, errA)
		}
		if a.Type != layers.Regular || !after.HasPrefix(a.ID, []byte("\x7fELF")) {
			continue
		}
		depsB, _, _ := was.Deps(p, nil)
		depsA, _, _ := is.Deps(p, nil)
		for i := range depsB {
			if i >= len(depsA) || depsA[i].Path == "" && depsB[i].Path != "" {
				fail("%s misses %s", p, depsB[i].Name)
			}
		}
	}
}

// TestShuffledProfile makes the same plan from a profile in another order.
func TestShuffledProfile(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	text, ran := randomSystem(rng)
	tr := tree(t, text, v1.Config{Cmd: []string{"/bin/prog5"}})
	var want string
	for i := range 10 {
		prof := complete(ran...)
		rng.Shuffle(len(prof.Executables), func(a, b int) {
			prof.Executables[a], prof.Executables[b] = prof.Executables[b], prof.Executables[a]
		})
		var buf strings.Builder
		doc := &harden.Document{Platforms: []harden.Section{{Platform: "p", Plan: newPlan(t, tr, prof, harden.Policy{})}}}
		if err := doc.Write(&buf); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = buf.String()
		}
		if buf.String() != want {
			t.Fatal("the order of the profile changes the plan")
		}
	}
}
