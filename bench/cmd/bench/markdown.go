package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/lathe-build/lathe/bench"
)

// results are everything that was measured.
type results struct {
	Machine machine
	Runs    int
	Facts   *bench.Facts
	Steps   []measured
	Hint    measured
	Growth  []grown

	Recording *recordings
	Evidence  *evidence
}

const (
	nameFloor  = "floor"
	nameHarden = "whole harden"
	nameNaive  = "naive pipeline"
	atBinaries = ", binaries"
)

// budget is the memory that a whole run may take: 64 MB, 32 MB a worker, 1 KB
// an entry.
func budget(workers, entries int) int64 {
	return 64<<20 + int64(workers)*32<<20 + int64(entries)<<10
}

func (r *results) find(name string) measured {
	for _, m := range r.Steps {
		if m.Name == name {
			return m
		}
	}
	return measured{}
}

func (r *results) write(w io.Writer) error {
	var b strings.Builder
	r.intro(&b)
	r.table(&b)
	r.hint(&b)
	r.Recording.write(&b)
	r.Evidence.write(&b)
	if len(r.Growth) > 0 {
		r.growth(&b)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

func (r *results) intro(b *strings.Builder) {
	fmt.Fprintf(b, `# Benchmarks

Written by %[1]sgo run ./bench/cmd/bench -md docs/benchmarks.md%[1]s (%[1]smake bench%[1]s); do not edit by hand.

Machine: %[2]d cores, %[3]s/%[4]s, %[5]s. Every step is a process of its own; all steps ran in turn, %[6]d times, and
the medians count. CPU is user and system time of the process, peak is its resident memory as the kernel counts it. CPU
seconds and the ratios between the rows of one table are worth comparing; wall clock depends on what else the machine does.

The image is generated, the same bytes everywhere: %[7]d layers, %[8]d entries, %[9]d MB of archives, %[10]d MB as gzip. Text,
code and noise in about the mix of real images, a dpkg database with %[11]d packages, ELF files, hard links, whiteouts, an
application with %[12]d small files. Three of its layers are written anew, the last one passes through as it is.

`, "`", r.Machine.Cores, r.Machine.KernelWords, r.Machine.Arch, r.Machine.GoVersion, r.Runs,
		r.Facts.Layers, r.Facts.Entries, r.Facts.Raw>>20, r.Facts.Compressed>>20, r.Facts.Shape.Packages, r.Facts.Shape.Modules)
}

func (r *results) table(b *strings.Builder) {
	floor := r.find(nameFloor)
	b.WriteString("| step | CPU s | (range) | wall s | peak MB | CPU / floor | CPU / naive |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, m := range r.Steps {
		naive := r.find(nameNaive) // that drops the same
		if strings.HasSuffix(m.Name, atBinaries) {
			naive = r.find(nameNaive + atBinaries)
		}
		fmt.Fprintf(b, "| %s | %.2f | %.2f–%.2f | %.2f | %d | %.2f | %.2f |\n", m.Name, m.CPU.Seconds(), m.Low.Seconds(), m.High.Seconds(),
			m.Wall.Seconds(), m.Peak>>20, ratio(m, floor), ratio(m, naive))
	}
	b.WriteString("\nWhat the steps do:\n\n")
	for _, m := range r.Steps {
		fmt.Fprintf(b, "- **%s**: %s.\n", m.Name, m.What)
	}
	whole := r.find(nameHarden)
	fmt.Fprintf(b, `
The naive pipeline compresses at go-containerregistry's default, the fastest level, plans nothing and checks nothing: what it
takes is for less work. The aim is at most 0.50 of its CPU for the whole of %[1]slathe harden%[1]s; measured: **%.2[2]f**, and **%.2[6]f**
at the level binaries.

Memory may be 64 MB, 32 MB a worker (%[3]d here) and 1 KB an entry: %[4]d MB for this image; measured: **%[5]d MB**.
`, "`", ratio(whole, r.find(nameNaive)), r.Machine.Cores, budget(r.Machine.Cores, r.Facts.Entries)>>20, whole.Peak>>20,
		ratio(r.find(nameHarden+atBinaries), r.find(nameNaive+atBinaries)))
}

func (r *results) hint(b *strings.Builder) {
	fmt.Fprintf(b, `
## Network hint

A hint of %d connections, five ports of each peer, checks by its evaluator included, takes **%.2f s of CPU** (%.2f–%.2f),
%.2f s wall and a peak of %d MB; making the profile is in that.
`, hintConnections, r.Hint.CPU.Seconds(), r.Hint.Low.Seconds(), r.Hint.High.Seconds(), r.Hint.Wall.Seconds(), r.Hint.Peak>>20)
}

func ratio(m, to measured) float64 {
	if to.CPU == 0 {
		return 0
	}
	return m.CPU.Seconds() / to.CPU.Seconds()
}

func (r *results) growth(b *strings.Builder) {
	b.WriteString(`
## Growth

The whole of ` + "`lathe harden -o`" + ` on images of more and more small entries, and on images with one file of more and more bytes;
one run each.

| image | entries | MB of archives | CPU s | wall s | peak MB | budget MB | CPU µs an entry | CPU s a GB |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
`)
	for _, g := range r.Growth {
		fmt.Fprintf(b, "| %s | %d | %d | %.2f | %.2f | %d | %d | %.0f | %.1f |\n", g.Name, g.Facts.Entries, g.Facts.Raw>>20,
			g.CPU.Seconds(), g.Wall.Seconds(), g.Peak>>20, budget(r.Machine.Cores, g.Facts.Entries)>>20,
			g.CPU.Seconds()*1e6/float64(g.Facts.Entries), g.CPU.Seconds()*1e9/float64(g.Facts.Raw))
	}
	var over []string
	for _, g := range r.Growth {
		if most := budget(r.Machine.Cores, g.Facts.Entries); g.Peak > most {
			over = append(over, fmt.Sprintf("%s (%.1f times)", g.Name, float64(g.Peak)/float64(most)))
		}
	}
	if len(over) > 0 {
		fmt.Fprintf(b, "\n**Over the memory budget: %s.**\n", strings.Join(over, ", "))
	}
}
