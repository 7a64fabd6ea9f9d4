package main

import (
	"bufio"
	"bytes"
	"context"
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
	followLine  = 4 << 20 // bytes of a line
	followBatch = 1000    // lines that are judged together when they wait already
)

// show judges connections and prints the findings; of a stream each once.
func (a *auditor) show(list []netpolicy.Connection, once bool) error {
	for _, f := range a.judge.Audit(list) {
		if once {
			key := f.Key()
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
			return err
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
	in := bufio.NewReaderSize(a.env.stdin, 64<<10)
	damaged := 0
	for {
		batch, readErr := nextLines(ctx, in)
		if len(bytes.TrimSpace(batch)) > 0 {
			list, err := observeBatch(ctx, format, batch, o.evidence.foreign, opts)
			if err != nil {
				if damaged++; damaged == 1 {
					a.env.say("passing over what cannot be judged: %s", err)
				}
			} else if err := a.show(list, true); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(readErr, io.EOF):
			if damaged > 0 {
				a.env.say("passed over %d batches of lines", damaged)
			}
			return nil
		case readErr != nil:
			return fmt.Errorf("reading standard input: %w", readErr)
		}
	}
}

// nextLines reads a line, and those that wait behind it.
func nextLines(ctx context.Context, in *bufio.Reader) ([]byte, error) {
	var batch []byte
	for n := 0; n < followBatch && (n == 0 || in.Buffered() > 0); n++ {
		if err := ctx.Err(); err != nil {
			return batch, err
		}
		line := 0
		for {
			part, err := in.ReadSlice('\n')
			if line += len(part); line > followLine {
				return nil, fmt.Errorf("a line is over %d bytes", followLine)
			}
			batch = append(batch, part...)
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != nil {
				return batch, err
			}
			break
		}
	}
	return batch, nil
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
