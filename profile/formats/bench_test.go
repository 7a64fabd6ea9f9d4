//go:build unix

package formats

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/lathe-build/lathe/internal/events"
	"github.com/lathe-build/lathe/profile/foreign"
)

// BenchmarkImport is the import of each format, in lines and bytes a second.
func BenchmarkImport(b *testing.B) {
	for _, name := range events.Streams() {
		b.Run(name, func(b *testing.B) {
			f, err := Find(events.Format(name))
			if err != nil {
				b.Fatal(err)
			}
			const lines = 20_000
			text := stream(b, name, lines)
			start := used(b)
			for b.Loop() {
				if _, err := f.Import(context.Background(), []*foreign.Input{open(b, "x", text)}, foreign.Options{}); err != nil {
					b.Fatal(err)
				}
			}
			report(b, len(text), lines, start)
		})
	}
}

// BenchmarkStandard is what the standard library takes to decode the same lines
// into the same members, without doing anything with them: what an importer has
// to be compared with.
func BenchmarkStandard(b *testing.B) {
	standard(b, events.Standard)
}

// BenchmarkStandardFew is the same for a handful of members.
func BenchmarkStandardFew(b *testing.B) {
	standard(b, events.Few)
}

func standard(b *testing.B, event func(format string) any) {
	for _, name := range events.Streams() {
		b.Run(name, func(b *testing.B) {
			const lines = 4_000
			text := stream(b, name, lines)
			start := used(b)
			for b.Loop() {
				for line := range bytes.Lines(text) {
					if err := json.Unmarshal(line, event(name)); err != nil {
						b.Fatal(err)
					}
				}
			}
			report(b, len(text), lines, start)
		})
	}
}

// used is the processor time of this process: machines that run benchmarks do
// other things as well.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func report(b *testing.B, bytes, lines int, start time.Duration) {
	seconds := (used(b) - start).Seconds()
	b.ReportMetric(float64(b.N)*float64(bytes)/1e6/seconds, "MB/cpu-s")
	b.ReportMetric(float64(b.N)*float64(lines)/seconds, "lines/cpu-s")
}

// stream is that many events, of which one in 20 is of something new.
func stream(b *testing.B, name string, lines int) []byte {
	text, err := io.ReadAll(events.Reader(name, lines, lines/20))
	if err != nil {
		b.Fatal(err)
	}
	return text
}
