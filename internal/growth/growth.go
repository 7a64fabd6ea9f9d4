//go:build unix

// Package growth tells whether work grows with its input or faster.
package growth

import (
	"fmt"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Linear wants about four times the time for four times the input, not sixteen
// times. prepare makes an input of size n and gives the work on it, which alone
// is measured: in time of the processor, the least of several runs, so that it
// hardly matters who else is busy. That is coarse where the work takes a few
// milliseconds, so that one ratio in time is enough: of work that grows with the
// square none is. A test that calls it must not run in parallel.
func Linear(t *testing.T, n int, prepare func(n int) (work func())) {
	t.Helper()
	var told []string
	for range 4 {
		small, large := least(t, prepare(n)), least(t, prepare(4*n))
		ratio := float64(large) / float64(small)
		if ratio <= 9 {
			return
		}
		told = append(told, fmt.Sprintf("%.1f (%v and %v)", ratio, small, large))
	}
	t.Errorf("4 times the input took so many times as long: %s", strings.Join(told, ", "))
}

func least(t *testing.T, work func()) time.Duration {
	t.Helper()
	best := time.Duration(math.MaxInt64)
	for range 2 {
		start := used(t)
		work()
		best = min(best, used(t)-start)
	}
	return max(best, time.Microsecond)
}

func used(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano())
}
