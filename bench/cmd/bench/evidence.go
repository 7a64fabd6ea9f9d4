package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/bench"
	"github.com/lathe-build/lathe/internal/events"
)

// The steps of importing evidence. Their word is a stream of events, or the
// number of files of a profile.
const (
	stepEvents     = "events"
	stepImport     = "import"
	stepDecode     = "decode"
	stepDecodeFew  = "decode-few"
	stepMillion    = "million"
	stepWriteFiles = "write-files"
	stepReadFiles  = "read-files"
)

// How much of each is measured.
const (
	eventCount      = 100_000
	million         = 1_000_000
	millionDistinct = 5_000
	profileFiles    = 100_000
)

// evidence is what importing costs.
type evidence struct {
	Streams     []imported
	Millions    []measured
	Write, Read measured
}

// imported is a stream of events, imported and decoded.
type imported struct {
	Name                string
	Bytes               int64
	Import, Decode, Few measured
}

// evidenceStep runs a step of importing, and reports whether it is one.
func evidenceStep(ctx context.Context, name, dir, word string) (ok bool, err error) {
	file := eventsFile(dir, word)
	switch name {
	case stepEvents:
		return true, bench.Events(word, eventCount, file)
	case stepImport:
		return true, bench.Import(ctx, word, file)
	case stepDecode:
		return true, bench.Decode(file, func() any { return events.Standard(word) })
	case stepDecodeFew:
		return true, bench.Decode(file, func() any { return events.Few(word) })
	case stepMillion:
		return true, bench.Stream(ctx, word, million, millionDistinct)
	case stepWriteFiles, stepReadFiles:
		n, err := strconv.Atoi(word)
		if err != nil {
			return true, fmt.Errorf("a number of files: %w", err)
		}
		if name == stepWriteFiles {
			return true, bench.WriteFiles(n, file)
		}
		return true, bench.ReadFiles(n, file)
	default:
		return false, nil
	}
}

func eventsFile(dir, word string) string { return filepath.Join(dir, word+".json") }

// evidence measures importers, the decoding of the same events, and large
// profiles.
func (o *options) evidence(ctx context.Context) (*evidence, error) {
	dir, clean, err := scratchDir(o.dir)
	if err != nil {
		return nil, err
	}
	defer clean()
	e := &evidence{}
	for _, stream := range events.Streams() {
		if _, err := o.child(ctx, stepEvents, dir, "", stream); err != nil {
			return nil, err
		}
		info, err := os.Stat(eventsFile(dir, stream))
		if err != nil {
			return nil, fmt.Errorf("generating events: %w", err)
		}
		steps, err := o.inTurn(ctx, dir, stream, o.runs, stepImport, stepDecode, stepDecodeFew)
		if err != nil {
			return nil, err
		}
		e.Streams = append(e.Streams, imported{stream, info.Size(), steps[0], steps[1], steps[2]})
	}
	for _, stream := range []string{"inspektor-gadget", "tetragon"} {
		steps, err := o.inTurn(ctx, dir, stream, 1, stepMillion)
		if err != nil {
			return nil, err
		}
		e.Millions = append(e.Millions, steps...)
	}
	files, err := o.inTurn(ctx, dir, strconv.Itoa(profileFiles), o.runs, stepWriteFiles, stepReadFiles)
	if err != nil {
		return nil, err
	}
	e.Write, e.Read = files[0], files[1]
	return e, nil
}

// evidenceOnly measures importing and nothing else.
func (o *options) evidenceOnly(ctx context.Context) error {
	e, err := o.evidence(ctx)
	if err != nil {
		return err
	}
	if o.markdown != "" {
		return replaceSection(o.markdown, evidenceTitle, e.write)
	}
	var b strings.Builder
	e.write(&b)
	_, err = io.WriteString(os.Stdout, b.String())
	return err
}

// inTurn runs steps one after the other, several times.
func (o *options) inTurn(ctx context.Context, dir, word string, times int, steps ...string) ([]measured, error) {
	runs := make([][]usage, len(steps))
	for range times {
		for i, step := range steps {
			u, err := o.child(ctx, step, dir, "", word)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(os.Stderr, "%-35s %s\n", step+" "+word, u)
			runs[i] = append(runs[i], u)
		}
	}
	var out []measured
	for i := range steps {
		out = append(out, medians(word, "", runs[i]))
	}
	return out, nil
}

const evidenceTitle = "\n## Importing evidence\n"

func (e *evidence) write(b *strings.Builder) {
	fmt.Fprintf(b, `%s
%d generated events of each stream, one in 20 of something new; the others differ in times, processes, threads and ports,
as in real logs. Importing checks every byte, sums the file, folds the events and makes a profile. Beside it is
%[3]sencoding/json%[3]s, which decodes the same lines into structs with the members that the importer reads and forgets them; the last
column is the same with a handful of members. Seconds are of CPU, of a process that does nothing else.

| stream | MB | lines/s | MB/s | encoding/json MB/s | import / encoding/json | a handful MB/s |
|---|---:|---:|---:|---:|---:|---:|
`, evidenceTitle, eventCount, "`")
	for _, s := range e.Streams {
		rate := func(m measured) float64 { return float64(s.Bytes) / 1e6 / m.CPU.Seconds() }
		fmt.Fprintf(b, "| %s | %d | %.0f | %.0f | %.0f | **%.1f** (%.1f–%.1f) | %.0f |\n", s.Name, s.Bytes/1e6, eventCount/s.Import.CPU.Seconds(),
			rate(s.Import), rate(s.Decode), ratio(s.Decode, s.Import), s.Decode.Low.Seconds()/s.Import.High.Seconds(),
			s.Decode.High.Seconds()/s.Import.Low.Seconds(), rate(s.Few))
	}
	fmt.Fprintf(b, `
A million events of which %d are of something new, made while they are read:

| stream | CPU s | wall s | peak MB |
|---|---:|---:|---:|
`, millionDistinct)
	for _, m := range e.Millions {
		fmt.Fprintf(b, "| %s | %.1f | %.1f | %d |\n", m.Name, m.CPU.Seconds(), m.Wall.Seconds(), m.Peak>>20)
	}
	fmt.Fprintf(b, `
A profile of %d files: making and writing it takes **%.2f s of CPU** (%.2f–%.2f), %.2f s wall; reading it **%.2f s of CPU**
(%.2f–%.2f), %.2f s wall. These are whole processes, collector included; encoding and decoding alone are measured by
%[10]sgo test -run '^$' -bench 'Canonical|Read' ./profile%[10]s.
`, profileFiles, e.Write.CPU.Seconds(), e.Write.Low.Seconds(), e.Write.High.Seconds(), e.Write.Wall.Seconds(),
		e.Read.CPU.Seconds(), e.Read.Low.Seconds(), e.Read.High.Seconds(), e.Read.Wall.Seconds(), "`")
}
