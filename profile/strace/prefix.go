package strace

import (
	"strconv"
	"strings"
	"time"
)

// clock says what the times of a log count from.
type clock int

const (
	noClock    clock = iota // no times, or times since the last line only
	dayClock                // time of day: -t, -tt
	epochClock              // time since 1970: -ttt
)

// line is one line of a log without its columns.
type line struct {
	pid    int // 0 where the line names none
	clock  clock
	at     time.Duration // since midnight or 1970
	body   string
	file   string // name of its file
	number int    // of the line in its file
	damage string // why it was not read, or ""
}

// parseLine takes the columns off s: a pid, times, an instruction pointer and a
// system call's number, of which any may be missing.
func parseLine(s string) line {
	var l line
	l.pid, s = cutPID(s)
	for {
		s = strings.TrimLeft(s, " ")
		if rest, ok := strings.CutPrefix(s, "(+"); ok { // -r beside -t
			if _, after, ok := strings.Cut(rest, ") "); ok {
				s = after
				continue
			}
		}
		if strings.HasPrefix(s, "[") { // -i, -n
			if _, after, ok := strings.Cut(s, "] "); ok {
				s = after
				continue
			}
		}
		kind, at, rest, ok := cutTime(s)
		if !ok {
			break
		}
		if kind != noClock {
			l.clock, l.at = kind, at
		}
		s = rest
	}
	l.body = s
	return l
}

// cutPID takes "123 ", "123<comm> " or "[pid   123] " off s.
func cutPID(s string) (int, string) {
	rest, bracket := strings.CutPrefix(s, "[pid ")
	if bracket {
		rest = strings.TrimLeft(rest, " ")
	}
	n := 0
	for n < len(rest) && isDigit(rest[n]) {
		n++
	}
	pid, err := strconv.Atoi(rest[:n])
	if err != nil || pid <= 0 || pid > 1<<30 {
		return 0, s
	}
	rest = rest[n:]
	end := " "
	if bracket {
		end = "]"
	}
	if strings.HasPrefix(rest, "<") {
		end = ">" + end
	}
	if !strings.HasPrefix(rest, "<") && !strings.HasPrefix(rest, end) {
		return 0, s
	}
	_, rest, ok := strings.Cut(rest, end)
	if !ok {
		return 0, s
	}
	return pid, rest
}

// cutTime takes "12:34:56", "12:34:56.789012" or "1795293085.507882" off s.
// Numbers that are too small for an epoch are times since the last line.
func cutTime(s string) (kind clock, at time.Duration, rest string, ok bool) {
	if s == "" || !isDigit(s[0]) {
		return noClock, 0, s, false
	}
	word, rest, ok := strings.Cut(s, " ")
	if !ok {
		return noClock, 0, s, false
	}
	whole, fraction, _ := strings.Cut(word, ".")
	nanos, ok := parseFraction(fraction)
	if !ok {
		return noClock, 0, s, false
	}
	if h, m, ok := strings.Cut(whole, ":"); ok {
		m, sec, ok := strings.Cut(m, ":")
		total := time.Duration(number(h))*time.Hour + time.Duration(number(m))*time.Minute + time.Duration(number(sec))*time.Second
		if !ok || number(h) < 0 || number(h) > 23 || number(m) < 0 || number(m) > 59 || number(sec) < 0 || number(sec) > 60 {
			return noClock, 0, s, false
		}
		return dayClock, total + nanos, rest, true
	}
	seconds := number(whole)
	if fraction == "" || seconds < 0 {
		return noClock, 0, s, false
	}
	if seconds < 100_000_000 {
		return noClock, 0, rest, true
	}
	return epochClock, time.Duration(seconds)*time.Second + nanos, rest, true
}

// parseFraction reads the digits after a decimal point.
func parseFraction(s string) (time.Duration, bool) {
	if s == "" {
		return 0, true
	}
	if len(s) > 9 {
		return 0, false
	}
	n := number(s)
	if n < 0 {
		return 0, false
	}
	for range 9 - len(s) {
		n *= 10
	}
	return time.Duration(n), true
}

// number is the value of up to ten decimal digits, or -1. Ten digits of seconds
// do not overflow a duration before the year 2262.
func number(s string) int64 {
	if s == "" || len(s) > 10 || strings.Trim(s, "0123456789") != "" {
		return -1
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > 9_000_000_000 {
		return -1
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
