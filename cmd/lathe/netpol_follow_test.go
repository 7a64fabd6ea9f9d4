package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/drift"
)

// follower judges by a hint that allows nothing.
func follower(stdin io.Reader) (*auditor, *bytes.Buffer, *bytes.Buffer) {
	var out, notes bytes.Buffer
	h := &netpolicy.Hint{PolicyTypes: []netpolicy.Direction{netpolicy.Ingress, netpolicy.Egress}}
	a := newAuditor(&environment{stdin: stdin, stdout: &out, stderr: &notes}, drift.NewJudge(h, nil))
	return a, &out, &notes
}

func event(addr string, port int) string {
	return fmt.Sprintf(`{"timestamp":"2026-11-21T20:00:00Z","proc":{"comm":"server","pid":12},"runtime":{"containerName":"web"},"type":"connect","src":{"addr":"10.0.0.2","port":40000,"proto":"TCP"},"dst":{"addr":%q,"port":%d,"proto":"TCP"},"error":""}`, addr, port)
}

func followIG(ctx context.Context, a *auditor) error {
	o := netpolAuditOptions{follow: "ig"}
	o.evidence.foreign.Container = "web"
	return a.follow(ctx, o, netpolicy.Options{})
}

// TestFollowDamaged: what is damaged or too long takes nothing else along, and
// the last line needs no end.
func TestFollowDamaged(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"no JSON": "{", "a bad port": event("10.0.0.9", 700000), "a bad address": event("10.0.0", 80), "another format": `{"flow":1}`,
		"too long": `{"x":"` + strings.Repeat("y", followLine) + `"}`,
	} {
		a, out, _ := follower(strings.NewReader(event("10.0.0.6", 6379) + "\n" + bad + "\n\n" + event("10.0.0.7", 25)))
		if err := followIG(t.Context(), a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"10.0.0.6 TCP/6379", "10.0.0.7 TCP/25"} {
			if strings.Count(out.String(), want) != 1 {
				t.Errorf("%s: %q is not there once:\n%s", name, want, out)
			}
		}
	}
}

// TestFollowLongLine: a line just within the bound is judged.
func TestFollowLongLine(t *testing.T) {
	t.Parallel()
	line := event("10.0.0.6", 6379)
	a, out, notes := follower(strings.NewReader(line + strings.Repeat(" ", followLine-len(line)-1) + "\n"))
	if err := followIG(t.Context(), a); err != nil || !strings.Contains(out.String(), "10.0.0.6 TCP/6379") {
		t.Errorf("%v: %s %s", err, out, notes)
	}
}

// TestFollowStops: a signal ends the wait for a line that does not come, and a
// line that trickles is judged when it is whole.
func TestFollowStops(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	a, _, _ := follower(r)
	done := make(chan error)
	go func() { done <- followIG(ctx, a) }()
	for _, b := range []byte(event("10.0.0.6", 6379) + "\n" + `{"half of a`) {
		if _, err := w.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the wait ended with %v", err)
	}
}

// lines is a stream of as many lines, each of another peer.
type lines struct {
	left int
	rest []byte
}

func (l *lines) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		if l.left == 0 {
			return 0, io.EOF
		}
		l.left--
		l.rest = []byte(event(fmt.Sprintf("10.%d.%d.%d", l.left>>16&255, l.left>>8&255, l.left&255), 80) + "\n")
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// TestFollowMemory: what a stream leaves behind does not grow with it.
func TestFollowMemory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("SKIPPED, a long stream is not followed: -short")
	}
	after := func(n int) uint64 {
		a, out, _ := follower(&lines{left: n})
		if err := followIG(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(out.Bytes(), []byte("\n")); got != n {
			t.Fatalf("%d findings of %d lines", got, n)
		}
		out.Reset()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		runtime.KeepAlive(a)
		return m.HeapAlloc
	}
	before := after(1000)
	if grown := int64(after(20_000)) - int64(before); grown > 64<<20 {
		t.Errorf("20,000 lines left %d bytes behind", grown)
	}
}
