package main

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/oddimage"
)

// bomb is an image that asks for more than it is.
type bomb struct {
	name    string
	make    func(b *bombLayout)
	flags   []string
	want    string // in the complaint; "" where it is met
	entries int    // of the image, about
	windows int64  // bytes of memory that zstd frames ask for, a worker each
}

// bombs are of every kind that docs/faults.md names, as large as the limits let
// them be, and larger.
func bombs() []bomb {
	zeros := func(b *bombLayout) { b.image(func() (v1.Descriptor, v1.Hash) { return b.zeros(rounds(64, 17)) }) } // of 64 MiB
	return []bomb{
		{name: "gigabytes of zeros", make: zeros, want: "--limit-ratio"},
		{name: "gigabytes of zeros, met", make: zeros, flags: []string{"--limit-ratio", "5000"}},
		{name: "100,000 files", make: many(100_000, func(i int) *tar.Header {
			return &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("d%d/unused-%d", i%100, i)}
		}), entries: 100_000},
		{name: "huge PAX headers", make: many(300, func(i int) *tar.Header {
			return &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint("unused-", i), PAXRecords: map[string]string{"LATHE.note": strings.Repeat("x", 1_000_000)}}
		})},
		// Each KiB of a name counts as an entry.
		{name: "long names", make: many(rounds(20_000, 4000), func(i int) *tar.Header {
			return &tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%sunused-%d", strings.Repeat(strings.Repeat("n", 250)+"/", 14), i)}
		}), entries: rounds(20_000, 4000) * 5},
		{name: "a config of four million bytes", make: config(func(c *v1.ConfigFile) { c.Config.Env = []string{"A=" + strings.Repeat("x", 4_000_000)} })},
		{name: "a config of a million parts", make: config(func(c *v1.ConfigFile) { c.Config.OnBuild = make([]string, 1_300_000) }), want: "250000"},
		{name: "a config of too many steps", make: config(func(c *v1.ConfigFile) { c.History = make([]v1.History, 90_000) }), want: "250000"},
		{name: "a config of many parts, met", make: config(func(c *v1.ConfigFile) { c.Config.OnBuild = make([]string, 240_000) })},
		{name: "a config of many steps, met", make: config(func(c *v1.ConfigFile) { c.History = slices.Repeat([]v1.History{{EmptyLayer: true}}, 40_000) })},
		{name: "a huge config", make: config(func(c *v1.ConfigFile) { c.Config.Env = []string{"A=" + strings.Repeat("x", 64<<20)} }), want: "4194304"},
		{name: "a manifest of many annotations", make: func(b *bombLayout) {
			b.notes = map[string]string{}
			for i := range 110_000 {
				b.notes[fmt.Sprint(i)] = ""
			}
			b.image(b.small)
		}},
		{name: "the largest zstd windows", make: func(b *bombLayout) {
			b.image(b.windows, b.windows)
		}, windows: 2 * largestWindow},
		{name: "nested indexes", make: func(b *bombLayout) { b.indexes(6, 1) }, want: "deeper than the limit"},
		{name: "nested indexes that repeat", make: func(b *bombLayout) { b.indexes(3, 1000) }, want: "manifests"},
	}
}

// TestNestedOpaque has 800 opaque markers one in another over many files, which
// is the bomb that made another tool work for minutes: it is refused for its
// depth and, where that is allowed, met in time that grows with its size, with
// the right result.
func TestNestedOpaque(t *testing.T) {
	t.Parallel()
	b := newBombLayout(t)
	args := []string{"harden", "oci:bomb", "-p", "profile.json", "-o", "out", "--force", "--drop", "/**/unused*"}
	took := func(files int) time.Duration {
		b.nestedOpaque(files)
		start := time.Now()
		code, stderr, peak := b.measured(append(args, "--limit-depth", "1000")...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		// Each KiB of a path counts as an entry, and a path here has up to two.
		if budget := memoryBase + 2*memoryWorker + memoryEntry*int64(3*(files+2*nestedDepth)); peak > budget {
			t.Errorf("the process took %d MiB, its budget is %d", peak>>20, budget>>20)
		}
		return time.Since(start)
	}
	files := rounds(64_000, 16_000)
	b.nestedOpaque(files / 16)
	b.fails(args, "--limit-depth")
	// Work for each file at each marker would take 16 times as long for 4 times
	// the files, and minutes for the larger one.
	few, all := took(files/4), took(files)
	if all > 8*few && all > 20*time.Second {
		t.Errorf("%d files took %v, a quarter of them %v", files, all, few)
	}
	before, err := layout.ImageIndexFromPath(b.path("bomb"))
	b.check(err)
	manifest, err := before.IndexManifest()
	b.check(err)
	img, err := before.Image(manifest.Manifests[0].Digest)
	b.check(err)
	source, err := applier.Image(img, applier.Options{})
	b.check(err)
	result, err := applier.Image(b.hardened(), applier.Options{})
	b.check(err)
	want, got := source.Describe(oddimage.Dropped), result.Describe(func(string) bool { return false })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("root (-want +got):\n%.2000s", diff)
	}
	if len(want) != 4 { // the program, the file beside, the first directory and the new file below the others
		t.Errorf("%d paths are left of the source", len(want))
	}
}

// many makes an image with a layer of n entries.
func many(n int, header func(i int) *tar.Header) func(b *bombLayout) {
	return func(b *bombLayout) {
		b.image(func() (v1.Descriptor, v1.Hash) {
			return b.layer(func(w *tar.Writer) {
				for i := range n {
					b.entry(w, header(i), "")
				}
			})
		})
	}
}

func config(change func(*v1.ConfigFile)) func(b *bombLayout) {
	return func(b *bombLayout) {
		b.config = change
		b.image(b.small)
	}
}

// TestBombs gives bombs to the tool as a process: each is refused with the limit
// that it is over, or met, in the memory that docs/limitations.md names.
func TestBombs(t *testing.T) {
	t.Parallel()
	for _, c := range bombs() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBombLayout(t)
			c.make(b)
			args := append([]string{"harden", "oci:bomb", "-p", "profile.json", "-o", "out", "--drop", "/**/unused*"}, c.flags...)
			code, stderr, peak := b.measured(args...)
			switch {
			case c.want == "" && code != 0:
				t.Errorf("exit code %d: %s", code, stderr)
			case c.want != "" && (code != exitFailed || !strings.Contains(stderr, c.want) || exists(b.path("out"))):
				t.Errorf("exit code %d, want 1 and %q: %s", code, c.want, stderr)
			}
			if budget := memoryBase + 2*memoryWorker + memoryEntry*int64(c.entries) + c.windows; peak > budget {
				t.Errorf("the process took %d MiB, its budget is %d", peak>>20, budget>>20)
			}
		})
	}
}

// peakVariable names a file to which a lathe of these tests writes the most
// memory that it had.
const peakVariable = "LATHE_TEST_PEAK"

// tellPeak writes it, where somebody wants to know. What wait(2) tells is no
// good: of a process that a large one has started it is at least the size of
// that.
func tellPeak() {
	name := os.Getenv(peakVariable)
	if name == "" {
		return
	}
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		err = os.WriteFile(name, status, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// measured runs lathe on two processors and says how much memory it had at most,
// 0 where the system does not say.
func (w workspace) measured(args ...string) (code int, stderr string, peak int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	cmd, complaint := w.lathe(ctx, args...)
	cmd.Env = append(cmd.Env, "GOMAXPROCS=2", "GOGC=", "GOMEMLIMIT=", peakVariable+"="+w.path("peak"))
	_ = cmd.Run() // the caller judges the exit code
	if runtime.GOOS != "linux" || withRace {
		return cmd.ProcessState.ExitCode(), complaint.String(), 0
	}
	status, err := os.ReadFile(w.path("peak"))
	w.check(err)
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmHWM:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			w.check(err)
			return cmd.ProcessState.ExitCode(), complaint.String(), kib << 10
		}
	}
	w.t.Fatalf("the kernel tells no peak of the memory:\n%s", status)
	return 0, "", 0
}
