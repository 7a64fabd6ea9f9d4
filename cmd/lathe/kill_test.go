package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestManyRuns lets runs write one output and one tag at the same time. Each ends
// well or says why not; what is there is whole.
func TestManyRuns(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	var group sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 4 {
		group.Go(func() {
			cmd, stderr := w.lathe(t.Context(), append(signed("oci:web", "--push", s.Host+"/web:hard", "-o", "out"), "--force")...)
			_ = cmd.Run()
			mu.Lock()
			defer mu.Unlock()
			code := cmd.ProcessState.ExitCode()
			codes[code]++
			if err := oneComplaint(stderr.String()); code != 0 && err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if codes[0] == 0 || codes[0]+codes[exitFailed]+codes[exitUsage] != 4 {
		t.Errorf("exit codes %v", maps.Collect(maps.All(codes)))
	}
	w.ok("verify", "out", "--key", "cosign.pub")
	w.ok("verify", s.Host+"/web:hard", "--key", "cosign.pub")
	w.check(noLeftovers(w.dir, w.path("tmp")))
}

// TestSecondSignal kills a run that does not stop at the first signal.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		w := newWorkspace(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd, stderr := w.lathe(ctx, "profile", "show", "-")
		stdin, err := cmd.StdinPipe() // nobody writes
		w.check(err)
		w.check(cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		tick := time.NewTicker(50 * time.Millisecond)
		sent := 0
	wait:
		for {
			select {
			case err = <-ended:
				break wait
			case <-tick.C:
				sent++
				_ = cmd.Process.Signal(sig) // it may have ended
			}
		}
		tick.Stop()
		_ = stdin.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("it ended with %v: %s", err, stderr)
		}
		status, _ := exit.Sys().(syscall.WaitStatus)
		stopped := exit.ExitCode() == 128+int(sig)
		if killed := status.Signaled() && status.Signal() == sig; !killed && !stopped {
			t.Errorf("%v after %d signals: %s", err, sent, stderr)
		}
	}
}

// TestKillWhilePushing kills a run that pushes at random moments: the tag is old
// or new, and what it names is signed.
func TestKillWhilePushing(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	args := append(signed("oci:web", "--push", s.Host+"/web:hard", "-o", "out"), "--force")
	started := time.Now()
	w.ok(append(signed("oci:web", "--push", s.Host+"/web:warm", "-o", "out"), "--force")...)
	whole := time.Since(started)
	for i := range rounds(10, 2) {
		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i+1)/10)
		cmd, _ := w.lathe(ctx, args...)
		_ = cmd.Run() // killed, or not
		cancel()
		if w.digest(s, "web:hard") != "" {
			w.ok("verify", s.Host+"/web:hard", "--key", "cosign.pub")
		}
		w.ok("verify", "out", "--key", "cosign.pub")
	}
	w.ok(args...)
	w.ok("verify", s.Host+"/web:hard", "--key", "cosign.pub")
	list, err := os.ReadDir(w.dir)
	w.check(err)
	for _, d := range list {
		if strings.Contains(d.Name(), ".lathe-") {
			t.Errorf("the next run left %s", d.Name())
		}
	}
}

// TestKillWhileFilling kills runs that fill a cache at random moments: the next
// run has the right result, and clears up.
func TestKillWhileFilling(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t)
	s := w.registry()
	args := append(signed(s.Host+"/web:1", "-o", "out", "--cache-dir", w.path("cache")), "--force")
	started := time.Now()
	w.ok(args...)
	whole := time.Since(started)
	want := w.contents("cache")
	for i := range rounds(10, 2) {
		w.check(os.RemoveAll(w.path("cache")))
		ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i+1)/12)
		cmd, _ := w.lathe(ctx, args...)
		_ = cmd.Run() // killed, or not
		cancel()
		for name, sum := range w.contents("cache") {
			if !strings.HasPrefix(name, "cache/.fill-") && want[name] != sum {
				t.Errorf("the cache has %s of %s", name, sum)
			}
		}
		w.ok(args...)
		if diff := cmp.Diff(want, w.contents("cache")); diff != "" {
			t.Errorf("cache (-want +got):\n%s", diff)
		}
	}
	w.ok("verify", "out", "--key", "cosign.pub")
}
