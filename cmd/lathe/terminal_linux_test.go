package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/record"
)

// screen is a terminal, and what was written to it so far.
type screen struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	mu     sync.Mutex
	text   strings.Builder
	more   chan struct{} // told when there is more text
	ended  chan struct{}
}

// newScreen makes a terminal of this width, by the two ends of a Unix 98
// pseudoterminal.
func newScreen(t *testing.T, width uint16) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED, no terminal was tried: %v", err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, slave: slave, more: make(chan struct{}, 1), ended: make(chan struct{})}
	go s.read()
	t.Cleanup(func() { _, _ = s.slave.Close(), s.master.Close() })
	return s
}

// read reads until nobody has the other end open.
func (s *screen) read() {
	defer close(s.ended)
	buf := make([]byte, 4096)
	for {
		n, err := s.master.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (s *screen) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// expect waits until something was written.
func (s *screen) expect(pattern string) {
	s.t.Helper()
	want, limit := regexp.MustCompile(pattern), time.After(time.Minute)
	for !want.MatchString(s.said()) {
		select {
		case <-s.more:
		case <-s.ended:
			s.t.Fatalf("nothing like %q was written: %q", pattern, s.said())
		case <-limit:
			s.t.Fatalf("nothing like %q was written in time: %q", pattern, s.said())
		}
	}
}

// run runs a command whose standard error is the terminal, and gives its
// standard output and all that was on the screen.
func (s *screen) run(cmd *exec.Cmd, meanwhile func()) (stdout, screen string) {
	s.t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, s.slave
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if err := s.slave.Close(); err != nil { // the command has the only one
		s.t.Fatal(err)
	}
	if meanwhile != nil {
		meanwhile()
	}
	err := cmd.Wait()
	<-s.ended
	if err != nil {
		s.t.Fatalf("%v: %s", err, s.said())
	}
	return out.String(), s.said()
}

// left is what a terminal shows at the end: a text behind a carriage return is
// over what was there.
func left(said string) []string {
	var lines []string
	for line := range strings.SplitSeq(said, "\n") {
		var shown []rune
		for i, part := range strings.Split(strings.TrimSuffix(line, "\r"), "\r") {
			for j, r := range []rune(part) {
				if i == 0 || j >= len(shown) {
					shown = append(shown, r)
				} else {
					shown[j] = r
				}
			}
		}
		if text := strings.TrimRight(string(shown), " "); text != "" {
			lines = append(lines, text)
		}
	}
	return lines
}

// checkPlain fails for escape sequences and lines that do not fit.
func checkPlain(t *testing.T, said string, width int) {
	t.Helper()
	if strings.Contains(said, "\x1b") {
		t.Errorf("there are escape sequences in %q", said)
	}
	for _, part := range strings.FieldsFunc(said, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if n := len([]rune(part)); n > width && strings.Contains(part, ": layer ") {
			t.Errorf("%q is %d characters on a terminal of %d", part, n, width)
		}
	}
}

// TestHardenTerminal hardens with standard error on a terminal, on one that can
// only append, and quietly.
func TestHardenTerminal(t *testing.T) {
	t.Parallel()
	const progress = "linux/amd64: layer 1 of 2"
	for _, tt := range []struct {
		name, env string
		args      []string
		width     uint16
		want      string // once on the screen, and gone at the end; "": no progress
	}{
		{"terminal", "TERM=xterm", nil, 120, "reading " + progress},
		{"no colour", "NO_COLOR=1", nil, 120, "writing " + progress},
		{"narrow", "TERM=xterm", nil, 20, "reading linux/amd6…"},
		{"dumb", "TERM=dumb", nil, 120, ""},
		{"quiet", "TERM=xterm", []string{"--quiet"}, 120, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkspace(t)
			s := newScreen(t, tt.width)
			cmd, _ := w.lathe(t.Context(), append([]string{"harden", "oci:web", "-p", "profile.yaml", "--key", "cosign.key", "-o", "out"}, tt.args...)...)
			cmd.Env = append(cmd.Env, tt.env)
			stdout, said := s.run(cmd, nil)
			checkPlain(t, said, int(tt.width))
			if strings.Contains(stdout, "\x1b") || strings.Contains(stdout, "layer 1 of") {
				t.Errorf("progress or colours in the result: %q", stdout)
			}
			if tt.want == "" {
				if strings.Contains(said, "layer ") {
					t.Errorf("progress was shown: %q", said)
				}
				return
			}
			if !strings.Contains(said, tt.want) {
				t.Errorf("there is no %q in %q", tt.want, said)
			}
			if lines := strings.Join(left(said), "\n"); strings.Contains(lines, "layer ") || strings.Contains(lines, "…") {
				t.Errorf("left on the screen: %q", lines)
			}
		})
	}
}

// TestRecordTerminal records with standard error on a terminal: what runs, how
// much of it is new, and since when nothing is. In a pipe, and where a terminal
// can only append, nothing of that is said.
func TestRecordTerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, env string
		shows     bool
	}{{"terminal", "NO_COLOR=1", true}, {"dumb", "TERM=dumb", false}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := recordingWorkspace(t)
			w.check(syscall.Mkfifo(w.path("release"), 0o600))
			s := newScreen(t, 100)
			cmd, _ := w.lathe(t.Context(), "record", "oci:web", "-o", "p.json", "--scenarios", "tmpfs",
				"--", "sh", "-c", `curl -fsS -m 20 "http://$LATHE_ADDR/read?of=/etc/motd" >/dev/null && echo "the test runs"; cat release`)
			cmd.Env = append(cmd.Env, tt.env)
			stdout, said := s.run(cmd, func() {
				s.expect("the test runs")
				if tt.shows {
					s.expect(`\rtest: 1 program, 1 file, 0 new files/s, nothing new for [1-9][0-9]*s`)
				}
				w.release()
			})
			checkPlain(t, said, 100)
			for _, want := range []string{"test: starting", "test: serving", "test: done", "tmpfs: serving", "tmpfs: done"} {
				if strings.Contains(said, want) != tt.shows {
					t.Errorf("shown %v: %q in %q", !tt.shows, want, said)
				}
			}
			want := "the test runs"
			if tt.shows {
				want = "test: serving\nthe test runs\ntest: done\ntmpfs: serving\ntmpfs: done"
			}
			if lines := strings.Join(left(said), "\n"); lines != want {
				t.Errorf("left on the screen: %q, want %q", lines, want)
			}
			for _, want := range []string{"scenarios ", "test, tmpfs", "lost events ", "executables ", "files "} {
				if !strings.Contains(stdout, want) {
					t.Errorf("there is no %q in the summary: %s", want, stdout)
				}
			}
		})
	}
	t.Run("pipe", func(t *testing.T) {
		t.Parallel()
		w := recordingWorkspace(t)
		if _, said := w.run("record", "oci:web", "-o", "p.json", "--scenarios", "none", "--", "true"); said != "" {
			t.Errorf("in a pipe it said %q", said)
		}
	})
}

// TestProgressLine words how a recording goes.
func TestProgressLine(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	then := now.Add(-2 * time.Second)
	for want, p := range map[string]record.Progress{
		"a: 2 programs, 30 files, 10 new files/s":                                  {Executables: 2, Files: 30, LastNew: now.Add(-900 * time.Millisecond)},
		"a: 2 programs, 10 files, 0 new files/s, nothing new for 1m5s":             {Executables: 2, Files: 10, LastNew: now.Add(-65*time.Second - 1)},
		"a: 0 programs, 1 file, 0 new files/s":                                     {Files: 1},
		"a: 0 programs, 10 files, 0 new files/s":                                   {Files: 10},
		"a: 1 program, 10 files, 0 new files/s, nothing new for 9s, 7 events lost": {Executables: 1, Files: 10, Lost: 7, LastNew: now.Add(-9 * time.Second)},
	} {
		if got := progressLine(record.Event{Scenario: "a", Progress: p}, record.Progress{Files: min(10, p.Files)}, then, now); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
