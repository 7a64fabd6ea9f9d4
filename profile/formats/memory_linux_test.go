package formats

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/lathe-build/lathe/internal/events"
	"github.com/lathe-build/lathe/profile/foreign"
)

// distinctFacts is how many different things the events of the test of memory
// tell, maxHeap the most that the heap may ever take for them, and slack how
// much more memory more events may take.
const (
	distinctFacts = 5_000
	maxHeap       = 64 << 20
	slack         = 16 << 20
)

// run is an import in a process of its own, and what it took.
type run struct {
	Stream string
	Events int

	Records, Skipped int64
	Facts            int
	HeapBytes        uint64 // got from the system for the heap, at most
	ResidentBytes    uint64 // of the process, at most
	Seconds          float64
}

const runVariable = "LATHE_TEST_IMPORT"

// A million events take no more memory than half of them: it follows what is
// distinct. With -short it is 40,000.
func TestConstantMemory(t *testing.T) {
	t.Parallel()
	most := 1_000_000
	if testing.Short() {
		most = 40_000
	}
	for _, name := range []string{"inspektor-gadget", "tetragon"} {
		half, whole := importApart(t, run{Stream: name, Events: most / 2}), importApart(t, run{Stream: name, Events: most})
		for _, r := range []run{half, whole} {
			t.Logf("%s: %d events in %.1f s: %d MiB of heap, %d MiB resident", name, r.Events, r.Seconds, r.HeapBytes>>20, r.ResidentBytes>>20)
			if r.Records != int64(r.Events) || r.Skipped != 0 || r.Facts < distinctFacts || r.Facts > distinctFacts+2 {
				t.Errorf("%s: %d records of %d, %d skipped, %d facts", name, r.Records, r.Events, r.Skipped, r.Facts)
			}
			if r.HeapBytes > maxHeap {
				t.Errorf("%s: %d events take a heap of %d bytes, want up to %d", name, r.Events, r.HeapBytes, maxHeap)
			}
		}
		if whole.ResidentBytes > half.ResidentBytes+slack {
			t.Errorf("%s: twice the events take %d bytes instead of %d", name, whole.ResidentBytes, half.ResidentBytes)
		}
	}
}

// importApart starts this test program again for one import, which has no memory
// in common with others.
func importApart(t *testing.T, r run) run {
	t.Helper()
	in, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestImportApart$", "-test.v", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), runVariable+"="+string(in))
	out, err := cmd.CombinedOutput()
	_, result, ok := bytes.Cut(out, []byte("result: "))
	if err != nil || !ok {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := json.NewDecoder(bytes.NewReader(result)).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestImportApart is one import, for importApart.
func TestImportApart(t *testing.T) {
	var r run
	in, ok := os.LookupEnv(runVariable)
	if !ok {
		t.Skip("only started by other tests")
	}
	if err := json.Unmarshal([]byte(in), &r); err != nil {
		t.Fatal(err)
	}
	f, err := Find(events.Format(r.Stream))
	if err != nil {
		t.Fatal(err)
	}
	log, err := foreign.Open("events.json", events.Reader(r.Stream, r.Events, distinctFacts))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	debug.SetGCPercent(20) // so that what is measured is in use, not garbage
	start := time.Now()
	p, err := f.Import(context.Background(), []*foreign.Input{log}, foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Seconds = time.Since(start).Seconds()
	r.Records, r.Skipped = p.Sources[0].Input.Records, p.Sources[0].Input.Skipped
	r.Facts = len(p.Files) + len(p.Executables) + len(p.Network.Connect)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.HeapBytes, r.ResidentBytes = m.HeapSys, resident(t)
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("result: %s", out)
}

// resident is the most memory that this process ever had, as the kernel counts.
func resident(t *testing.T) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "VmHWM:" {
			var kib uint64
			if err := json.Unmarshal(fields[1], &kib); err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel does not tell the memory of this process")
	return 0
}
