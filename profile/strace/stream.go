package strace

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lathe-build/lathe/profile/foreign"
)

// maxLine is the most bytes of one line.
const maxLine = 4 << 20

// stream is one file of a log.
type stream struct {
	name  string
	pid   int // from the file's name; 0 where it has none
	in    *bufio.Reader
	sum   hash.Hash
	bytes int64
	lines int
	last  time.Duration // time of the last line, ever growing
	days  time.Duration // added to times of day after midnight
	next  line
	ended bool
	cut   bool // nothing can be read any more
	began bool
}

// openStreams sorts the files by pid and reads the first line of each.
func openStreams(inputs []Input) ([]*stream, error) {
	if len(inputs) == 0 {
		return nil, errors.New("there is no input")
	}
	streams := make([]*stream, 0, len(inputs))
	for _, input := range inputs {
		s := &stream{name: input.Name, pid: pidOfName(input.Name), sum: sha256.New()}
		if s.pid == 0 && len(inputs) > 1 {
			return nil, fmt.Errorf("the name %q does not end in a dot and a pid, as those of strace -ff do", input.Name)
		}
		s.in = bufio.NewReaderSize(io.TeeReader(input.R, s.sum), 1<<16)
		streams = append(streams, s)
	}
	slices.SortFunc(streams, func(a, b *stream) int { return cmp.Or(cmp.Compare(a.pid, b.pid), strings.Compare(a.name, b.name)) })
	for i, s := range streams {
		if i > 0 && s.pid != 0 && s.pid == streams[i-1].pid {
			return nil, fmt.Errorf("two files are of the pid %d", s.pid)
		}
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	return streams, nil
}

// startDir is the working directory of the first process of a file, where its
// first lines tell before it changes: with -y, or by getcwd. It is "" otherwise.
func (s *stream) startDir() string {
	ahead, err := s.in.Peek(s.in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return "" // the reader of lines reports it
	}
	lines := append([]line{s.next}, parseLines(ahead)...)
	for _, l := range lines {
		name, text, ok := cutName(l.body)
		if !ok || l.pid != s.next.pid && l.pid != 0 {
			continue
		}
		switch {
		case isDirCall(name) && name != "getcwd":
			return ""
		case name == "getcwd":
			args, _, ok := call{name, text}.parse()
			if cwd, whole, isString := first(args); ok && isString && whole && strings.HasPrefix(cwd, "/") {
				return cwd
			}
		case strings.HasPrefix(text, "AT_FDCWD</"):
			args, _, _ := split(text, ')')
			if len(args) == 0 {
				continue // cut off by the end of what was read
			}
			if fd, ok := parseFD(args[0]); ok && !fd.gone {
				return fd.refers
			}
		}
	}
	return ""
}

// parseLines parses all lines but the last, which may not be whole.
func parseLines(text []byte) []line {
	var out []line
	for {
		l, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return out
		}
		out = append(out, parseLine(string(bytes.TrimRight(l, "\r"))))
		text = rest
	}
}

func pidOfName(name string) int {
	ext := strings.TrimPrefix(path.Ext(path.Base(name)), ".")
	if n := number(ext); n > 0 && n < 1<<30 {
		return int(n)
	}
	return 0
}

// advance reads the next line into s.next.
func (s *stream) advance() error {
	if s.cut {
		s.ended = true
		return nil
	}
	text, err := s.readLine()
	if errors.Is(err, io.EOF) {
		s.ended = true
		return nil
	}
	s.lines++
	s.cut = errors.Is(err, foreign.ErrDamaged)
	if s.cut || errors.Is(err, errLong) {
		s.next = line{pid: s.pid, at: s.last, file: s.name, number: s.lines, damage: err.Error()}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %q: %w", s.name, err)
	}
	l := parseLine(text)
	l.file, l.number = s.name, s.lines
	if l.pid == 0 {
		l.pid = s.pid
	}
	if l.clock == dayClock {
		if l.at+s.days < s.last-12*time.Hour {
			s.days += 24 * time.Hour
		}
		l.at += s.days
	}
	if l.clock != noClock {
		s.last = max(s.last, l.at)
	}
	s.next = l
	return nil
}

var errLong = fmt.Errorf("it is longer than %d bytes", maxLine)

// readLine returns the next line without its end, or [errLong] for one that was
// passed over. The last line of a log that was cut off counts.
func (s *stream) readLine() (string, error) {
	var long []byte
	tooLong := false
	for {
		part, err := s.in.ReadSlice('\n')
		s.bytes += int64(len(part))
		if tooLong = tooLong || len(long)+len(part) > maxLine; tooLong {
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err == nil || errors.Is(err, io.EOF) {
				return "", errLong
			}
			return "", err
		}
		switch {
		case err == nil && long == nil:
			return string(bytes.TrimRight(part, "\r\n")), nil
		case err == nil:
			return string(bytes.TrimRight(append(long, part...), "\r\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
		case errors.Is(err, io.EOF) && len(long)+len(part) > 0:
			return string(append(long, part...)), nil
		default:
			return "", err
		}
	}
}

// read feeds all lines: of one file as they come, of several by time, or where
// they have no times each process after the call that made it.
func (t *tracer) read(ctx context.Context, streams []*stream) error {
	if t.opts.Dir == "" && !streams[0].ended {
		t.startDir = streams[0].startDir()
	}
	timed := !slices.ContainsFunc(streams, func(s *stream) bool { return !s.ended && s.next.clock == noClock })
	var err error
	if timed || len(streams) == 1 {
		err = t.readByTime(ctx, streams)
	} else {
		t.unordered = true
		err = t.readByBirth(ctx, streams)
	}
	if err != nil {
		return err
	}
	return t.settleAll()
}

func (t *tracer) readByTime(ctx context.Context, streams []*stream) error {
	queue := &byTime{}
	for _, s := range streams {
		if !s.ended {
			heap.Push(queue, s)
		}
	}
	for queue.Len() > 0 {
		s := queue.streams[0]
		if err := t.step(ctx, s); err != nil {
			return err
		}
		if s.ended {
			heap.Pop(queue)
		} else {
			heap.Fix(queue, 0)
		}
	}
	return nil
}

// byTime is a heap of files by the time of their next line.
type byTime struct{ streams []*stream }

func (q *byTime) Len() int { return len(q.streams) }

func (q *byTime) Less(i, j int) bool {
	a, b := q.streams[i], q.streams[j]
	return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.pid, b.pid)) < 0
}

func (q *byTime) Swap(i, j int) { q.streams[i], q.streams[j] = q.streams[j], q.streams[i] }

func (q *byTime) Push(x any) {
	if s, ok := x.(*stream); ok {
		q.streams = append(q.streams, s)
	}
}

func (q *byTime) Pop() any {
	last := q.streams[len(q.streams)-1]
	q.streams = q.streams[:len(q.streams)-1]
	return last
}

// readByBirth reads the file of each process where the call that made it
// returned, and those that nobody made in the order of their pids.
func (t *tracer) readByBirth(ctx context.Context, streams []*stream) error {
	byPID := map[int]*stream{}
	for _, s := range streams {
		byPID[s.pid] = s
	}
	for _, root := range streams {
		if root.began {
			continue
		}
		root.began = true
		stack := []*stream{root}
		for len(stack) > 0 {
			s := stack[len(stack)-1]
			if s.ended {
				stack = stack[:len(stack)-1]
				continue
			}
			if err := t.step(ctx, s); err != nil {
				return err
			}
			for _, pid := range t.born {
				if child, ok := byPID[pid]; ok && !child.began {
					child.began = true
					stack = append(stack, child)
				}
			}
		}
	}
	return nil
}

// step feeds the next line of a file.
func (t *tracer) step(ctx context.Context, s *stream) error {
	if t.records&0xfff == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if t.opts.MaxRecords > 0 && t.records >= t.opts.MaxRecords {
		return fmt.Errorf("%q: it holds more than %d lines", s.name, t.opts.MaxRecords)
	}
	t.born = t.born[:0]
	if err := t.feed(s.next); err != nil {
		return fmt.Errorf("%q, line %d: %w", s.name, s.next.number, err)
	}
	return s.advance()
}

// sumOf is the SHA-256 of the only file, or of the list of sums and pids of
// several.
func sumOf(streams []*stream) string {
	if len(streams) == 1 {
		return hex.EncodeToString(streams[0].sum.Sum(nil))
	}
	all := sha256.New()
	for _, s := range streams {
		_, _ = io.WriteString(all, hex.EncodeToString(s.sum.Sum(nil))+" "+strconv.Itoa(s.pid)+"\n") // a hash never fails
	}
	return hex.EncodeToString(all.Sum(nil))
}

func bytesOf(streams []*stream) int64 {
	var n int64
	for _, s := range streams {
		n += s.bytes
	}
	return n
}
