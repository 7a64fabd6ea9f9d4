package manifest

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// TestPod reads what the kubelet connects to and what else is in the pod, and
// what can take the place of each program of a probe or hook.
func TestPod(t *testing.T) {
	t.Parallel()
	in, err := foreign.Open("pod.yaml", strings.NewReader(`kind: Pod
metadata: {name: p}
spec:
  hostNetwork: true
  initContainers: [{name: set}]
  containers:
  - name: web
    ports: [{name: http, containerPort: 8080}]
    startupProbe: {grpc: {port: 9000}}
    livenessProbe: {httpGet: {port: http}, exec: {command: [grpc_health_probe, -addr=:9000]}}
    readinessProbe: {tcpSocket: {port: 70000}, exec: {command: [sh, -c, "curl -f http://localhost:8080/health"]}}
    lifecycle:
      postStart: {httpGet: {port: nosuch}, exec: {command: [nc, -z, localhost, "80"]}}
      preStop: {httpGet: {port: 8081}, exec: {command: [sleep, "15"]}}
  - {name: log, livenessProbe: {tcpSocket: {port: 1}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, pod, err := Read(context.Background(), []*foreign.Input{in}, foreign.Options{Container: "web", Path: "/bin"})
	if err != nil {
		t.Fatal(err)
	}
	want := Pod{Container: "web", Containers: []string{"log", "set", "web"}, HostNetwork: true, ProbePorts: []int32{8080, 8081, 9000}}
	if diff := cmp.Diff(want, pod); diff != "" {
		t.Error(diff)
	}
	got := map[profile.Path][]string{}
	for _, x := range p.Executables {
		got[x.Path] = x.Instead
	}
	health := []string{"readinessProbe: httpGet: {path: /health, port: 8080}"}
	if diff := cmp.Diff(map[profile.Path][]string{
		"/bin/grpc_health_probe": {"livenessProbe: grpc: {port: 9000}"}, "/bin/sh": health, "/bin/curl": health,
		"/bin/nc": nil, "/bin/sleep": {"preStop: sleep: {seconds: 15}"},
	}, got); diff != "" {
		t.Error(diff)
	}
}
