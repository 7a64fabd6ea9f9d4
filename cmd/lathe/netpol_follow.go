package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/drift"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/formats"
)

// Bounds of a stream that is followed.
const (
	followLine  = 4 << 20 // bytes of a line; longer ones are passed over
	followBatch = 8 << 20 // bytes of lines that are judged together when they wait already
)

// show judges connections and prints the findings; of a stream each once.
func (a *auditor) show(list []netpolicy.Connection, once bool) error {
	findings, err := a.judge.Audit(list)
	if err != nil {
		return fmt.Errorf("judging connections: %w", err)
	}
	for _, f := range findings {
		if once {
			key := sha256.Sum256([]byte(f.Key()))
			if a.shown[key] {
				continue
			}
			if len(a.shown) < maxShown {
				a.shown[key] = true
			}
		}
		a.count[f.Class]++
		if f.Class == drift.Expected && !a.all {
			continue
		}
		if err := a.print(&f); err != nil {
			return outputError{err}
		}
	}
	return nil
}

// follow judges a stream as it comes. Lines that are there already are judged
// together, so that events which explain each other meet.
func (a *auditor) follow(ctx context.Context, o netpolAuditOptions, opts netpolicy.Options) error {
	name := map[string]string{"hubble": formatHubble, "ig": formatGadget}[o.follow]
	if name == "" {
		return usage("--follow is hubble or ig, not %q", o.follow)
	}
	format, err := formats.Find(name)
	if err != nil {
		return err
	}
	judge := func(lines []byte) error {
		list, err := observeBatch(ctx, format, lines, o.evidence.foreign, opts)
		if err != nil {
			return err
		}
		return a.show(list, true)
	}
	damaged := 0
	for batch := range batches(ctx, a.env.stdin) {
		if batch.err != nil {
			return fmt.Errorf("reading standard input: %w", batch.err)
		}
		damaged += batch.long
		if err := a.judgeLines(batch.lines, judge, &damaged); err != nil {
			return err
		}
	}
	if damaged > 0 {
		a.env.say("passed over %d lines that cannot be judged", damaged)
	}
	return ctx.Err()
}

// judgeLines judges lines together. Where that fails each is judged alone, so
// that one that is damaged takes no other along.
func (a *auditor) judgeLines(lines []byte, judge func([]byte) error, damaged *int) error {
	if len(bytes.TrimSpace(lines)) == 0 {
		return nil
	}
	err := judge(lines)
	if err == nil || isOutput(err) {
		return err
	}
	for line := range bytes.Lines(lines) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if err := judge(line); isOutput(err) {
			return err
		} else if err != nil {
			if *damaged++; *damaged == 1 {
				a.env.say("passing over what cannot be judged: %s", err)
			}
		}
	}
	return nil
}

// isOutput reports whether an error is of writing findings, not of a line.
func isOutput(err error) bool { return errors.As(err, new(outputError)) }

// outputError is of writing findings.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// batch is lines that waited together.
type batch struct {
	lines []byte
	long  int // lines that were passed over
	err   error
}

// batches are the lines of a stream until it ends or ctx does: reading cannot be
// stopped, so it goes on beside the caller.
func batches(ctx context.Context, stream io.Reader) <-chan batch {
	out := make(chan batch)
	in := bufio.NewReaderSize(stream, 64<<10)
	read := make(chan batch)
	go func() {
		defer close(read)
		for {
			b, more := nextLines(in)
			select {
			case read <- b:
			case <-ctx.Done():
				return
			}
			if !more {
				return
			}
		}
	}()
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case b, ok := <-read:
				if !ok {
					return
				}
				select {
				case out <- b:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// nextLines reads a line, and those that wait behind it. It reports whether
// there may be more.
func nextLines(in *bufio.Reader) (b batch, more bool) {
	for len(b.lines) <= followBatch && (len(b.lines)+b.long == 0 || in.Buffered() > 0) {
		begin := len(b.lines)
		for tooLong := false; ; {
			part, err := in.ReadSlice('\n')
			if tooLong = tooLong || len(b.lines)-begin+len(part) > followLine; tooLong {
				b.lines = b.lines[:begin]
			} else {
				b.lines = append(b.lines, part...)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if tooLong {
				b.long++
			}
			if errors.Is(err, io.EOF) {
				return b, false
			}
			if err != nil {
				b.err = err
				return b, false
			}
			break
		}
	}
	return b, true
}

func observeBatch(ctx context.Context, format foreign.Format, batch []byte, from foreign.Options, opts netpolicy.Options) ([]netpolicy.Connection, error) {
	in, err := foreign.Open("stdin", bytes.NewReader(batch))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	p, err := format.Import(ctx, []*foreign.Input{in}, from)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", format.Name, err)
	}
	return netpolicy.Observe(p, opts)
}
