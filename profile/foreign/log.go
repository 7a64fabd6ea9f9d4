package foreign

import (
	"context"
	"errors"
	"fmt"

	"github.com/lathe-build/lathe/profile"
)

// maxDamageNotes is how many damaged records are named in a source's notes.
const maxDamageNotes = 5

// Log reads the files of one recording and keeps account of them.
type Log struct {
	format  string
	inputs  []*Input
	opts    Options
	records int64
	skipped int64
	objects objectCount
	damage  []string
	first   error
}

// NewLog makes a log of files that were not read yet.
func NewLog(format string, inputs []*Input, opts Options) *Log {
	return &Log{format: format, inputs: inputs, opts: opts}
}

// fatal is an error that ends reading.
type fatal struct{ err error }

func (f fatal) Error() string { return f.err.Error() }

func (f fatal) Unwrap() error { return f.err }

// Fatal makes an error of a callback end the import, instead of being counted
// as damage of one record. It is nil for nil.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return fatal{err}
}

// Records calls f with every JSON object of all files, in their order. An error
// of f is damage of that record, unless it is of [Fatal]. Records fails for
// more records than [Options.MaxRecords], and where there is no good one.
func (l *Log) Records(ctx context.Context, f func(Record) error) error {
	for _, in := range l.inputs {
		err := newSplitter(in, maxRecord).each(ctx, func(rec Record) error { return l.give(rec, f) }, l.bad)
		if err != nil {
			return fmt.Errorf("importing %s: %w", l.format, err)
		}
	}
	return l.check("records")
}

// give hands a record to f and counts it.
func (l *Log) give(rec Record, f func(Record) error) error {
	if most := l.opts.maxRecords(); most > 0 && l.records >= most {
		return fmt.Errorf("%q, line %d: it holds more than %d records", rec.Input, rec.Line, most)
	}
	err := f(rec)
	if err == nil {
		l.records++
		return nil
	}
	var stop fatal
	if errors.As(err, &stop) {
		return fmt.Errorf("%q, line %d: %w", rec.Input, rec.Line, stop.err)
	}
	l.records++
	l.Skip(fmt.Errorf("%q, line %d: %w", rec.Input, rec.Line, err))
	return nil
}

func (l *Log) bad(rec Record, damage error) {
	l.records++
	l.Skip(fmt.Errorf("%q, line %d: %w", rec.Input, rec.Line, damage))
}

// Skip counts a record that was read and cannot be used, and why.
func (l *Log) Skip(why error) {
	l.skipped++
	if l.first == nil {
		l.first = why
	}
	if len(l.damage) < maxDamageNotes {
		l.damage = append(l.damage, "skipped "+shorten(why.Error()))
	}
}

// check fails for a log without a good record.
func (l *Log) check(what string) error {
	switch l.records {
	case 0:
		return fmt.Errorf("importing %s: the input is empty", l.format)
	case l.skipped:
		return fmt.Errorf("importing %s: none of its %d %s is of this format: %w", l.format, l.records, what, l.first)
	default:
		return nil
	}
}

// Skipped is how many records could not be used.
func (l *Log) Skipped() int64 { return l.skipped }

// Source is the part of a source that does not depend on the format: input,
// run, scenarios, what the user vouches for, and notes about damage. A log with
// damaged records lost them.
func (l *Log) Source() profile.Source {
	o := l.opts
	s := profile.Source{
		Kind:      profile.KindObserved,
		Input:     Describe(l.format, l.inputs, o),
		Host:      profile.Host{Kernel: o.Kernel, Arch: o.Arch},
		Run:       o.Run,
		Scenarios: o.Scenarios,
		Complete:  o.Complete,
		Vouched:   o.Complete,
		Observes:  append([]string(nil), o.Observes...),
		Notes:     append([]string(nil), l.damage...),
	}
	s.Recorder.Version = o.Version
	s.Subject.Image = o.Image.Digest
	s.Input.Records, s.Input.Skipped = l.records, l.skipped
	if more := l.skipped - int64(len(l.damage)); more > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("skipped %d more records", more))
	}
	return s
}

// shorten cuts what a note quotes.
func shorten(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	return toText(s)
}
