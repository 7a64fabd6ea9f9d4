//go:build unix

package formats

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lathe-build/lathe/profile/foreign"
)

// Events of the sizes that real ones have: 2.4 KB of Tetragon, 0.9 KB of
// Inspektor Gadget, 0.9 KB of Tracee and of Hubble. The path changes, so that
// there are 20,000 distinct ones.
func event(format string, i int) string {
	labels := strings.Repeat(`"k8s:label-of-the-pod=value",`, 8)
	caps := strings.Repeat(`"CAP_NET_BIND_SERVICE",`, 13) + `"CAP_CHOWN"`
	pod := `"pod":{"namespace":"prod","name":"web-6f56fc6988-pb8c7","container":{"id":"containerd://86eb9e29a77d432afc7a15b424db1d24a382f3caae26f860ab22df8cb5e96054","name":"web","image":{"id":"registry.example/web@sha256:ff3aa5862fd17f8695984609743f4523188984adbcd25cf5ac4224b71084558c","name":"registry.example/web:1.4"},"start_time":"2026-03-01T10:00:00Z","pid":131}}`
	process := func(binary string) string {
		return `{"exec_id":"bWluaWt1YmU6MTA1NzU3MjgzNTAwNzk6MTE1MTUz","pid":115153,"uid":0,"cwd":"/srv/","binary":"` + binary + `","arguments":"--config /etc/web.conf","flags":"execve clone","start_time":"2026-03-01T10:00:01.861Z","auid":4294967295,` + pod + `,"docker":"86eb9e29a77d432afc7a15b4","parent_exec_id":"bWluaWt1YmU6MTA1NTYwMTY4NzQzNTU6MTE0NzU3","refcnt":2}`
	}
	n := i % 20_000
	switch format {
	case "tetragon":
		return fmt.Sprintf(`{"process_exec":{"process":%s,"parent":%s,"cap":{"permitted":[%s]}},"node_name":"n1","time":"2026-03-01T10:00:02.021Z"}`+"\n", strings.Replace(process(fmt.Sprintf("/usr/bin/p%d", n)), `"refcnt":2`, `"cap":{"permitted":[`+caps+`],"effective":[`+caps+`]}`, 1), process("/bin/sh"), "")
	case "inspektor-gadget":
		return fmt.Sprintf(`{"timestamp":"2026-03-01T10:00:00.312976962Z","timestamp_raw":%d,"error":"","error_raw":0,"fd":3,"flags":"O_RDONLY|O_CLOEXEC","flags_raw":524288,"fname":"/lib/f%d","fpath":"/usr/lib/f%d","k8s":{"containerName":"web","hostnetwork":false,"namespace":"prod","node":"n1","owner":{"kind":"ReplicaSet","name":"web-6f"},"podLabels":"app=web,tier=front","podName":"web-6f-x1"},"mode":"----------","mode_raw":0,"proc":{"comm":"server","creds":{"gid":0,"group":"root","uid":0,"user":"root"},"mntns_id":4026534388,"parent":{"comm":"sh","pid":37591},"pid":39733,"tid":39733},"runtime":{"containerId":"b092854647ae52c4582204be7978052c2bb5ea8bd572e99f630d04b04ed4c9e1","containerImageDigest":"sha256:2919d0172f7524b2d8df9e50066a682669e6d170ac0f6a49676d54358fe970b5","containerImageName":"busybox","containerName":"web","containerPid":37591,"containerStartedAt":1737640953449803500,"runtimeName":"docker"}}`+"\n", 1772359200000000000+i, n, n)
	case "tracee":
		return fmt.Sprintf(`{"timestamp":"2026-03-01T10:00:01Z","id":"security_file_open","name":"security_file_open","policies":{"matched":["lathe"]},"workload":{"process":{"thread":{"name":"server","start_time":"2026-03-01T10:00:00Z","unique_id":123456,"host_tid":12345,"tid":1},"unique_id":123456,"host_pid":12345,"pid":1,"real_user":{"id":33},"executable":{"path":"/srv/bin/server"},"ancestors":[{"unique_id":987654,"host_pid":1234,"pid":0}]},"container":{"id":"b092854647ae52c4582204be7978052c2bb5ea8bd572e99f630d04b04ed4c9e1","name":"web","image":{"name":"registry.example/web:1.4","repo_digests":["registry.example/web@sha256:2919d0172f7524b2d8df9e50066a682669e6d170ac0f6a49676d54358fe970b5"]},"started":true},"k8s":{"pod":{"name":"web-1","labels":{"app":"web"}},"namespace":{"name":"prod"}}},"data":[{"name":"pathname","str":"/usr/lib/f%d"},{"name":"syscall_pathname","str":"/lib/f%d"},{"name":"flags","int32":524288},{"name":"dev","uint32":46},{"name":"inode","uint64":"1234567"}]}`+"\n", n, n)
	default:
		return fmt.Sprintf(`{"flow":{"time":"2026-03-01T10:00:00.1Z","uuid":"0cf7ad1e-39a2-4bd5-a16b-7bc3a4dea7bd","verdict":"FORWARDED","ethernet":{"source":"aa:bb:cc:dd:ee:ff","destination":"ff:ee:dd:cc:bb:aa"},"IP":{"source":"10.0.0.9","destination":"10.%d.%d.5","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":%d,"destination_port":5432,"flags":{"SYN":true}}},"source":{"ID":1,"identity":100,"namespace":"prod","labels":[%s"k8s:app=web"],"pod_name":"web-1","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"identity":2,"labels":["reserved:world"]},"Type":"L3_L4","node_name":"n1","event_type":{"type":4,"sub_type":3},"traffic_direction":"EGRESS","trace_observation_point":"TO_NETWORK","trace_reason":"NEW","is_reply":false,"Summary":"TCP Flags: SYN"},"node_name":"n1","time":"2026-03-01T10:00:00.1Z"}`+"\n", n/100%200, n%100, 1024+i%60000, labels)
	}
}

func eventFormats() []string { return []string{"hubble", "inspektor-gadget", "tetragon", "tracee"} }

// BenchmarkImport is the import of each format, in lines and bytes a second.
func BenchmarkImport(b *testing.B) {
	for _, name := range eventFormats() {
		b.Run(name, func(b *testing.B) {
			f, err := Find(name)
			if err != nil {
				b.Fatal(err)
			}
			const lines = 10_000
			text := stream(name, lines)
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
	standard(b, standardEvent)
}

// BenchmarkStandardFew is the same for a handful of members.
func BenchmarkStandardFew(b *testing.B) {
	standard(b, func(string) any {
		return new(struct {
			Exec struct {
				Process struct{ Binary, Cwd string }
			} `json:"process_exec"`
			Fname, Fpath, Name string
			Flow               struct{ Verdict string }
		})
	})
}

func standard(b *testing.B, event func(format string) any) {
	for _, name := range eventFormats() {
		b.Run(name, func(b *testing.B) {
			const lines = 2_000
			text := stream(name, lines)
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

func stream(format string, lines int) []byte {
	var text bytes.Buffer
	for i := range lines {
		text.WriteString(event(format, i%(lines/5)))
	}
	return text.Bytes()
}

// generator is a stream that is made as it is read.
type generator struct {
	format string
	i, n   int
	rest   []byte
	peak   uint64
	sample func() uint64
}

func (g *generator) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		if g.i == g.n {
			return 0, io.EOF
		}
		if g.i%(g.n/20) == 0 {
			g.peak = max(g.peak, g.sample())
		}
		g.rest = []byte(event(g.format, g.i))
		g.i++
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// A million events take no more memory than their distinct facts: a stream ten
// times as long has the same peak. With -short it is 50,000 events.
func TestConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short")
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, name := range eventFormats() {
		f, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		var peaks []uint64
		for _, n := range []int{21_000, 42_000} {
			g := &generator{format: name, n: n, sample: heap}
			in, err := foreign.Open("x", g)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			p, err := f.Import(context.Background(), []*foreign.Input{in}, foreign.Options{})
			if err != nil {
				t.Fatal(err)
			}
			in.Close()
			t.Logf("%s: %d events, %d MiB of heap, %v", name, p.Sources[0].Input.Records, g.peak>>20, time.Since(start))
			if facts := len(p.Files) + len(p.Executables) + len(p.Network.Connect); facts < 20_000 || facts > 20_001 {
				t.Errorf("%s: %d facts", name, facts)
			}
			peaks = append(peaks, g.peak)
		}
		if peaks[1] > peaks[0]+16<<20 {
			t.Errorf("%s: the peak grows from %d to %d bytes", name, peaks[0], peaks[1])
		}
	}
}
