package trace

import (
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What recording costs the recorded, as the ratio of its time to that without a
// recorder. The runs of a round follow each other in an order that changes, so
// that what the machine does besides hits all of them; the medians of the rounds'
// ratios are reported, and the extremes of ours.
func BenchmarkOverhead(b *testing.B) {
	needRecorder(b)
	modes := map[string]func(testing.TB, image, string) time.Duration{"none": runAlone, "lathe": runRecorded}
	if _, err := exec.LookPath("strace"); err == nil {
		modes["strace"] = runTraced
	}
	for _, load := range []string{"serve", "walk"} {
		b.Run(load, func(b *testing.B) {
			ratios := map[string][]float64{}
			names := []string{"none", "lathe", "strace"}
			for round := range b.N {
				took := map[string]time.Duration{}
				for i := range names {
					name := names[(i+round)%len(names)]
					if run := modes[name]; run != nil {
						took[name] = run(b, newImage(b), load)
					}
				}
				for name, d := range took {
					ratios[name] = append(ratios[name], float64(d)/float64(took["none"]))
				}
			}
			for name, all := range ratios {
				slices.Sort(all)
				if name != "none" {
					b.ReportMetric(all[len(all)/2], name+"/none")
				}
			}
			b.ReportMetric(ratios["lathe"][0], "lathe-min")
			b.ReportMetric(ratios["lathe"][b.N-1], "lathe-max")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// took is the time that the load says it took.
func (c *container) took(b testing.TB) time.Duration {
	b.Helper()
	c.start(b)
	out, err := io.ReadAll(c.stdout)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		b.Fatalf("the workload: %v", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(n)
}

func runAlone(b testing.TB, img image, load string) time.Duration {
	return create(b, img, load).took(b)
}

func runRecorded(b testing.TB, img image, load string) time.Duration {
	c := create(b, img, load)
	r, err := Start(b.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}})
	if err != nil {
		b.Fatal(err)
	}
	d := c.took(b)
	if p := stop(b, r); !p.Sources[0].Complete {
		b.Errorf("notes %q", p.Sources[0].Notes)
	}
	return d
}

func runTraced(b testing.TB, img image, load string) time.Duration {
	c := create(b, img, load)
	other := exec.Command("strace", "-f", "-q", "-y", "-yy", "-o", filepath.Join(b.TempDir(), "log"), "-p", strconv.Itoa(c.cmd.Process.Pid))
	if err := other.Start(); err != nil {
		b.Fatal(err)
	}
	status := "/proc/" + strconv.Itoa(c.cmd.Process.Pid) + "/status"
	for !attached(b, status) {
		time.Sleep(time.Millisecond)
	}
	d := c.took(b)
	if err := other.Wait(); err != nil {
		b.Fatalf("strace: %v", err)
	}
	return d
}

// attached reports whether a process is traced.
func attached(b testing.TB, status string) bool {
	b.Helper()
	out, err := exec.Command("grep", "^TracerPid:", status).Output()
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(strings.TrimPrefix(string(out), "TracerPid:")) != "0"
}
