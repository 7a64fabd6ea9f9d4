package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lathe-build/lathe/bench"
	"github.com/lathe-build/lathe/harden"
)

// usage is what one process took.
type usage struct {
	CPU  time.Duration // user and system
	Wall time.Duration
	Peak int64 // bytes resident
}

// measured is a step with the medians of its runs.
type measured struct {
	Name string
	What string
	usage
	Low, High time.Duration // CPU of the cheapest and the dearest run
}

// machine is what of a computer matters to a reader of the results.
type machine struct {
	Cores       int
	Arch        string
	GoVersion   string
	KernelWords string
}

func thisMachine() machine {
	return machine{runtime.GOMAXPROCS(0), runtime.GOARCH, runtime.Version(), runtime.GOOS}
}

// child runs one step of this program as a process of its own.
func (o *options) child(ctx context.Context, step, dir, scratch, shape string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, fmt.Errorf("finding this program: %w", err)
	}
	return measure(exec.CommandContext(ctx, self, stepCommand, step, dir, scratch, shape), scratch)
}

// harden runs the whole of lathe harden, without a signature.
func (o *options) harden(ctx context.Context, dir, scratch string, level harden.Level) (usage, error) {
	return measure(exec.CommandContext(ctx, o.lathe, "harden", "oci:"+filepath.Join(dir, bench.LayoutDir),
		"--profile", filepath.Join(dir, bench.ProfileFile), "--level", string(level), "-o", filepath.Join(scratch, "out"), "--quiet"), scratch)
}

// measure runs a process to its end. The peak is what the kernel counted for
// it; since a new process starts as a copy of this one, this one must stay small.
func measure(cmd *exec.Cmd, scratch string) (usage, error) {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if scratch != "" {
		cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
	}
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return usage{}, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, stderr.Bytes())
	}
	u := usage{Wall: time.Since(start), CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.Peak = r.Maxrss << 10 // Linux counts KiB
	}
	return u, nil
}

// steps measures everything on the standard image.
func (o *options) steps(ctx context.Context) (*bench.Facts, []measured, error) {
	dir, facts, err := o.image(ctx, "standard")
	if err != nil {
		return nil, nil, err
	}
	scratch, clean, err := scratchDir(o.dir)
	if err != nil {
		return nil, nil, err
	}
	defer clean()
	for _, level := range []harden.Level{harden.Packages, harden.Binaries} {
		if _, err := o.child(ctx, stepDrops, dir, scratch, string(level)); err != nil {
			return nil, nil, err
		}
	}
	type step struct {
		name, what string
		run        func(scratch string) (usage, error)
	}
	own := func(name string, level harden.Level) func(string) (usage, error) {
		return func(scratch string) (usage, error) { return o.child(ctx, name, dir, scratch, string(level)) }
	}
	whole := func(level harden.Level) func(string) (usage, error) {
		return func(scratch string) (usage, error) { return o.harden(ctx, dir, scratch, level) }
	}
	list := []step{
		{nameFloor, "inflate every layer and hash what is inside, once", own(stepFloor, harden.Packages)},
		{"Tree", "`layers.Open`: the same, and spool, check, parse", own(stepTree, harden.Packages)},
		{"Tree + Plan", "and `harden.NewPlan`, which hashes what stays", own(stepPlan, harden.Packages)},
		{"Tree + Plan + Rewrite", "and `harden.Apply`, which writes the layers that lose something", own(stepRewrite, harden.Packages)},
		{nameHarden, "`lathe harden -o`: and hint, plan, report, layout, and reading all of it back", whole(harden.Packages)},
		{nameNaive, "the filtering of that only, with go-containerregistry", own(stepNaive, harden.Packages)},
		{nameHarden + atBinaries, "the same with `--level binaries`, which drops less and so compresses more", whole(harden.Binaries)},
		{nameNaive + atBinaries, "the filtering of that only", own(stepNaive, harden.Binaries)},
	}
	runs := make([][]usage, len(list))
	for range o.runs {
		for i, s := range list {
			u, err := inScratch(o.dir, s.run)
			if err != nil {
				return nil, nil, err
			}
			fmt.Fprintf(os.Stderr, "%-24s %s\n", s.name, u)
			runs[i] = append(runs[i], u)
		}
	}
	var out []measured
	for i, s := range list {
		out = append(out, medians(s.name, s.what, runs[i]))
	}
	return facts, out, nil
}

// hintConnections is of how many connections a hint is measured.
const hintConnections = 100_000

// hint measures how long a network hint takes.
func (o *options) hint(ctx context.Context) (measured, error) {
	var runs []usage
	for range o.runs {
		u, err := o.child(ctx, stepHint, "", "", strconv.Itoa(hintConnections))
		if err != nil {
			return measured{}, err
		}
		fmt.Fprintf(os.Stderr, "%-24s %s\n", stepHint, u)
		runs = append(runs, u)
	}
	return medians(stepHint, "", runs), nil
}

func inScratch(base string, run func(string) (usage, error)) (usage, error) {
	scratch, clean, err := scratchDir(base)
	if err != nil {
		return usage{}, err
	}
	defer clean()
	return run(scratch)
}

func (u usage) String() string {
	return fmt.Sprintf("%6.2f s CPU %6.2f s wall %5d MB", u.CPU.Seconds(), u.Wall.Seconds(), u.Peak>>20)
}

func medians(name, what string, runs []usage) measured {
	cpus := sorted(runs, func(u usage) time.Duration { return u.CPU })
	return measured{
		Name: name, What: what, Low: cpus[0], High: cpus[len(cpus)-1],
		usage: usage{
			CPU: cpus[len(cpus)/2], Wall: median(runs, func(u usage) time.Duration { return u.Wall }),
			Peak: median(runs, func(u usage) int64 { return u.Peak }),
		},
	}
}

func sorted[T cmp.Ordered](runs []usage, get func(usage) T) []T {
	var list []T
	for _, u := range runs {
		list = append(list, get(u))
	}
	slices.Sort(list)
	return list
}

func median[T cmp.Ordered](runs []usage, get func(usage) T) T {
	list := sorted(runs, get)
	return list[len(list)/2]
}

// grown is what one more image took.
type grown struct {
	Name  string
	Facts bench.Facts
	usage
}

// measureGrowth runs the whole job on images of more and more entries, and on
// images with one file of more and more bytes.
func (o *options) measureGrowth(ctx context.Context) ([]grown, error) {
	var list []grown
	for _, name := range []string{"entries-10000", "entries-100000", "entries-1000000", "huge-256", "huge-2048"} {
		dir, facts, err := o.image(ctx, name)
		if err != nil {
			return nil, err
		}
		u, err := inScratch(o.dir, func(scratch string) (usage, error) { return o.harden(ctx, dir, scratch, harden.Packages) })
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%-24s %s\n", name, u)
		list = append(list, grown{name, *facts, u})
	}
	return list, nil
}
