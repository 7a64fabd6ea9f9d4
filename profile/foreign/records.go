package foreign

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
)

// maxRecord is the most bytes of one record.
const maxRecord = 4 << 20

// Record is one JSON value of a file.
type Record struct {
	Input string // name of the file
	Line  int64  // on which it starts
	Data  []byte // valid until the next record
}

var (
	errBroken = errors.New("it is not whole")
	errText   = errors.New("it is not JSON")
)

// tooLong says that a record is longer than a limit.
func tooLong(limit int) error { return fmt.Errorf("it is longer than %d bytes", limit) }

// splitter cuts a file into JSON objects: one a line, or spread over lines, one
// after another, or in arrays.
type splitter struct {
	in     *Input
	limit  int   // the most bytes of one record
	lines  bool  // every line is one record
	line   int64 // lines read
	held   []byte
	long   bool   // the record at hand is too long: what is left of it is passed over
	rest   []byte // of a line that holds more than one record
	began  int64
	value  scanner
	buffer []byte
}

func newSplitter(in *Input, limit int) *splitter {
	return &splitter{in: in, limit: limit, lines: isLines(in.head)}
}

// isLines reports whether the first value of a file ends where its line does,
// or its first line is longer than what is known of it.
func isLines(head []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	line, _, whole := bytes.Cut(text, []byte("\n"))
	var s scanner
	end := s.scan(line)
	if end < 0 {
		return !whole
	}
	return len(bytes.TrimSpace(line[end:])) == 0
}

// next is the next record, or one that is damaged and why. The error is io.EOF
// at the end, and of reading.
func (s *splitter) next() (rec Record, damage, err error) {
	for {
		line, damage, err := s.nextLine()
		if err != nil {
			if errors.Is(err, io.EOF) && (len(s.held) > 0 || s.long) {
				rec, damage := s.flush()
				return rec, cmp.Or(damage, errBroken), nil
			}
			return Record{}, nil, err
		}
		if damage != nil {
			s.held, s.value, s.long = s.held[:0], scanner{}, false
			return Record{Input: s.in.name, Line: s.line}, damage, nil
		}
		if s.lines {
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			return Record{Input: s.in.name, Line: s.line, Data: line}, nil, nil
		}
		if rec, ok, damage := s.take(line); ok {
			return rec, damage, nil
		}
	}
}

// nextLine is what is left of a line, or else the next one.
func (s *splitter) nextLine() (line []byte, damage, err error) {
	if len(s.rest) > 0 {
		line, s.rest = s.rest, nil
		return line, nil, nil
	}
	line, damage, err = s.in.readLine(&s.buffer, s.limit)
	s.line++
	if s.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	return line, damage, err
}

// take adds a line to the record at hand and reports whether there is one to
// give back, and if it is damaged why.
func (s *splitter) take(line []byte) (rec Record, ok bool, damage error) {
	if (len(s.held) > 0 || s.long) && line[0] == '{' {
		// Nothing within a record starts at the margin: the one before is cut off.
		s.rest = line
		rec, damage := s.flush()
		return rec, true, cmp.Or(damage, errBroken)
	}
	if len(s.held) == 0 && !s.long {
		line = bytes.TrimLeft(line, " \t\r\n,[]")
		if len(line) == 0 {
			return Record{}, false, nil
		}
		s.began = s.line
		if line[0] != '{' {
			return Record{Input: s.in.name, Line: s.line, Data: line}, true, errText
		}
	}
	end := s.value.scan(line)
	if end < 0 {
		s.hold(line)
		if s.value.inString { // which no end of a line can be in
			rec, damage := s.flush()
			return rec, true, cmp.Or(damage, errBroken)
		}
		return Record{}, false, nil
	}
	s.hold(line[:end])
	s.rest = bytes.TrimLeft(line[end:], " \t\r\n,]")
	rec, damage = s.flush()
	return rec, true, damage
}

// hold adds to the record at hand, unless it is too long.
func (s *splitter) hold(part []byte) {
	if s.long = s.long || len(s.held)+len(part) > s.limit; s.long {
		s.held = s.held[:0]
		return
	}
	s.held = append(s.held, part...)
}

// flush gives back the record at hand, and whether it was too long.
func (s *splitter) flush() (Record, error) {
	rec := Record{Input: s.in.name, Line: s.began, Data: s.held}
	long := s.long
	s.held, s.value, s.long = s.held[:0], scanner{}, false
	if long {
		return rec, tooLong(s.limit)
	}
	return rec, nil
}

// readLine reads up to and with the next end of a line, into buffer where it is
// long. What is longer than the limit is passed over.
func (in *Input) readLine(buffer *[]byte, limit int) (line []byte, damage, err error) {
	*buffer = (*buffer)[:0]
	for {
		part, err := in.in.ReadSlice('\n')
		in.seen(part)
		if damage == nil && len(*buffer)+len(part) > limit {
			damage = tooLong(limit)
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(*buffer)+len(part) > 0:
			if damage != nil || len(*buffer) == 0 {
				return part, damage, nil
			}
			*buffer = append(*buffer, part...)
			return *buffer, nil, nil
		case errors.Is(err, bufio.ErrBufferFull):
			if damage == nil {
				*buffer = append(*buffer, part...)
			}
		default:
			if errors.Is(err, io.EOF) {
				return nil, nil, io.EOF
			}
			return nil, nil, fmt.Errorf("reading %q: %w", in.name, err)
		}
	}
}

// scanner finds the end of a JSON object that comes in pieces. It knows strings
// and braces and leaves the rest to a decoder.
type scanner struct {
	depth    int
	inString bool
	escaped  bool
}

// scan is the index behind the end of the object, or -1 if p has no end of it.
func (s *scanner) scan(p []byte) int {
	for i := 0; i < len(p); i++ {
		if s.inString {
			switch {
			case s.escaped:
				s.escaped = false
			case p[i] == '\\':
				s.escaped = true
			case p[i] == '"':
				s.inString = false
			}
			continue
		}
		switch p[i] {
		case '"':
			s.inString = true
		case '{', '[':
			s.depth++
		case '}', ']':
			if s.depth--; s.depth <= 0 {
				return i + 1
			}
		}
	}
	return -1
}

// each calls f with every record of a file, and bad with every damaged one.
func (s *splitter) each(ctx context.Context, f func(Record) error, bad func(Record, error)) error {
	for n := 0; ; n++ {
		if n&0xfff == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		rec, damage, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrDamaged):
			bad(Record{Input: s.in.name, Line: s.line}, errors.Unwrap(err))
			return nil
		case err != nil:
			return err
		case damage != nil:
			bad(rec, damage)
		default:
			if err := f(rec); err != nil {
				return err
			}
		}
	}
}
