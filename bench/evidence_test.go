package bench_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/bench"
	"github.com/lathe-build/lathe/internal/events"
)

// Every stream of events can be imported and decoded whole.
func TestEvents(t *testing.T) {
	t.Parallel()
	for _, stream := range events.Streams() {
		name := filepath.Join(t.TempDir(), "events.json")
		if err := bench.Events(stream, 100, name); err != nil {
			t.Fatal(err)
		}
		if err := bench.Import(t.Context(), stream, name); err != nil {
			t.Errorf("%s: %v", stream, err)
		}
		if err := bench.Stream(t.Context(), stream, 100, 10); err != nil {
			t.Errorf("%s: %v", stream, err)
		}
		for _, event := range []func(string) any{events.Standard, events.Few} {
			if err := bench.Decode(name, func() any { return event(stream) }); err != nil {
				t.Errorf("%s: %v", stream, err)
			}
		}
		if err := bench.Decode(name, func() any { return new(int) }); err == nil || !strings.Contains(err.Error(), "decoding: ") {
			t.Errorf("%s: events are numbers, %v", stream, err)
		}
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "profile.json")
	if err := bench.WriteFiles(1000, name); err != nil {
		t.Fatal(err)
	}
	if err := bench.ReadFiles(1000, name); err != nil {
		t.Error(err)
	}
	if err := bench.ReadFiles(999, name); err == nil {
		t.Error("1000 files are 999")
	}
}
