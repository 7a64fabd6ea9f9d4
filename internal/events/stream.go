package events

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// event is event i of a stream in which that many are distinct, with the end of
// its line.
func event(format string, i, distinct int) string {
	n := i % distinct
	at := time.Date(2026, 3, 1, 10, 0, 0, 1000*i, time.UTC).Format(time.RFC3339Nano)
	switch format {
	case "tetragon":
		return tetragonEvent(at, fmt.Sprintf("/usr/bin/p%d", n), i)
	case "tetragon-functions":
		return tetragonFunction(at, fmt.Sprintf("/usr/lib/f%d", n), i)
	case "inspektor-gadget":
		return gadgetRecord(at, n, i)
	case "tracee":
		return traceeEvent(at, n, i)
	default:
		return hubbleFlow(at, n, i)
	}
}

func tetragonProcess(binary, caps string, i int) string {
	return fmt.Sprintf(`{"exec_id":"bWluaWt1YmU6MTA1NzU3MjgzNTAwNzk6%06d","pid":%d,"uid":0,"cwd":"/srv/","binary":"%s","arguments":"--config /etc/web.conf","flags":"execve clone","start_time":"2026-03-01T10:00:01.%06dZ","auid":4294967295,"pod":{"namespace":"prod","name":"web-6f56fc6988-pb8c7","container":{"id":"containerd://86eb9e29a77d432afc7a15b424db1d24a382f3caae26f860ab22df8cb5e96054","name":"web","image":{"id":"registry.example/web@sha256:ff3aa5862fd17f8695984609743f4523188984adbcd25cf5ac4224b71084558c","name":"registry.example/web:1.4"},"start_time":"2026-03-01T10:00:00Z","pid":%d}},"docker":"86eb9e29a77d432afc7a15b4","parent_exec_id":"bWluaWt1YmU6MTA1NTYwMTY4NzQzNTU6MTE0NzU3","refcnt":%d%s}`,
		i, i%4_000_000, binary, i%1_000_000, i%30_000, 1+i/100%3, caps)
}

// tetragonEvent is an execution: each is of another process, of one of two
// parents.
func tetragonEvent(at, binary string, i int) string {
	held := strings.Repeat(`"CAP_NET_BIND_SERVICE",`, 13) + `"CAP_CHOWN"`
	caps := `,"cap":{"permitted":[` + held + `],"effective":[` + held + `]}`
	return fmt.Sprintf(`{"process_exec":{"process":%s,"parent":%s,"cap":{"permitted":[]}},"node_name":"n1","time":"%s"}`+"\n",
		tetragonProcess(binary, caps, i), tetragonProcess("/bin/sh", "", i%2), at)
}

// tetragonFunction is a file that one of 300 processes opens.
func tetragonFunction(at, file string, i int) string {
	return fmt.Sprintf(`{"process_kprobe":{"process":%s,"parent":%s,"function_name":"security_file_open","args":[{"file_arg":{"path":"%s","permission":"-rw-r--r--"}}],"action":"KPROBE_ACTION_POST","policy_name":"lathe-files","return_action":"KPROBE_ACTION_POST"},"node_name":"n1","time":"%s"}`+"\n",
		tetragonProcess("/srv/bin/server", "", 2+i%300), tetragonProcess("/bin/sh", "", i%2), file, at)
}

func gadgetRecord(at string, n, i int) string {
	return fmt.Sprintf(`{"timestamp":"%s","timestamp_raw":%d,"error":"","error_raw":0,"fd":3,"flags":"O_RDONLY|O_CLOEXEC","flags_raw":524288,"fname":"/lib/f%d","fpath":"/usr/lib/f%d","k8s":{"containerName":"web","hostnetwork":false,"namespace":"prod","node":"n1","owner":{"kind":"ReplicaSet","name":"web-6f"},"podLabels":"app=web,tier=front","podName":"web-6f-x1"},"mode":"----------","mode_raw":0,"proc":{"comm":"server","creds":{"gid":0,"group":"root","uid":0,"user":"root"},"mntns_id":4026534388,"parent":{"comm":"sh","pid":37591},"pid":%d,"tid":%d},"runtime":{"containerId":"b092854647ae52c4582204be7978052c2bb5ea8bd572e99f630d04b04ed4c9e1","containerImageDigest":"sha256:2919d0172f7524b2d8df9e50066a682669e6d170ac0f6a49676d54358fe970b5","containerImageName":"busybox","containerName":"web","containerPid":37591,"containerStartedAt":1737640953449803500,"runtimeName":"docker"}}`+"\n",
		at, 1772359200000000000+1000*i, n, n, 39733+i%300, 39733+i%2000)
}

func traceeEvent(at string, n, i int) string {
	return fmt.Sprintf(`{"timestamp":"%s","id":"security_file_open","name":"security_file_open","policies":{"matched":["lathe"]},"workload":{"process":{"thread":{"name":"server","start_time":"2026-03-01T10:00:00Z","unique_id":%d,"host_tid":%d,"tid":%d},"unique_id":%d,"host_pid":%d,"pid":%d,"real_user":{"id":33},"executable":{"path":"/srv/bin/server"},"ancestors":[{"unique_id":987654,"host_pid":1234,"pid":0}]},"container":{"id":"b092854647ae52c4582204be7978052c2bb5ea8bd572e99f630d04b04ed4c9e1","name":"web","image":{"name":"registry.example/web:1.4","repo_digests":["registry.example/web@sha256:2919d0172f7524b2d8df9e50066a682669e6d170ac0f6a49676d54358fe970b5"]},"started":true},"k8s":{"pod":{"name":"web-1","labels":{"app":"web"}},"namespace":{"name":"prod"}}},"data":[{"name":"pathname","str":"/usr/lib/f%d"},{"name":"syscall_pathname","str":"/lib/f%d"},{"name":"flags","int32":524288},{"name":"dev","uint32":46},{"name":"inode","uint64":"%d"}]}`+"\n",
		at, 500_000+i%2000, 12345+i%2000, 1+i%2000, 123456+i%300, 12345+i%300, 1+i%300, n, n, 1234567+n)
}

func hubbleFlow(at string, n, i int) string {
	labels := strings.Repeat(`"k8s:label-of-the-pod=value",`, 8)
	return fmt.Sprintf(`{"flow":{"time":"%s","uuid":"0cf7ad1e-39a2-4bd5-a16b-%012d","verdict":"FORWARDED","ethernet":{"source":"aa:bb:cc:dd:ee:ff","destination":"ff:ee:dd:cc:bb:aa"},"IP":{"source":"10.0.0.9","destination":"10.%d.%d.5","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":%d,"destination_port":5432,"flags":{"SYN":true}}},"source":{"ID":1,"identity":100,"namespace":"prod","labels":[%s"k8s:app=web"],"pod_name":"web-1","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"identity":2,"labels":["reserved:world"]},"Type":"L3_L4","node_name":"n1","event_type":{"type":4,"sub_type":3},"traffic_direction":"EGRESS","trace_observation_point":"TO_NETWORK","trace_reason":"NEW","is_reply":false,"Summary":"TCP Flags: SYN"},"node_name":"n1","time":"%s"}`+"\n",
		at, i, n/100%200, n%100, 1024+i%60_000, labels, at)
}

// Streams is the names of the streams.
func Streams() []string {
	return []string{"hubble", "inspektor-gadget", "tetragon", "tetragon-functions", "tracee"}
}

// Format is the name of the format of a stream.
func Format(stream string) string { return strings.TrimSuffix(stream, "-functions") }

// Reader is a stream that is made as it is read, so that it takes no memory: that
// many events, of which so many are distinct.
func Reader(stream string, events, distinct int) io.Reader {
	return &reader{stream: stream, events: events, distinct: distinct}
}

type reader struct {
	stream           string
	events, distinct int
	next             int
	rest             []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next == r.events {
			return 0, io.EOF
		}
		r.rest = append(r.rest[:0], event(r.stream, r.next, r.distinct)...)
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
