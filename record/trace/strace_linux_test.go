package trace

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/strace"
)

// strace sees the same run, and the same in it. What it cannot see is named here.
func TestLikeStrace(t *testing.T) {
	needRecorder(t)
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("SKIPPED, nothing was compared: there is no strace")
	}
	img := newImage(t)
	c := create(t, img)
	log := filepath.Join(t.TempDir(), "log")
	other := exec.Command("strace", "-f", "-ttt", "-y", "-yy", "-s", "4096", "-o", log, "-p", strconv.Itoa(c.cmd.Process.Pid))
	other.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := other.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	messages := bufio.NewReader(stderr)
	if line, err := messages.ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		t.Fatalf("strace said %q (%v)", line, err)
	}
	r, err := Start(t.Context(), Options{Resolve: img.resolve, Target: Target{PID: c.cmd.Process.Pid}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	c.start(t)
	_, _ = messages.WriteTo(io.Discard)
	if err := other.Wait(); err != nil {
		t.Fatalf("strace: %v", err)
	}
	c.wait(t)
	ours := stop(t, r)

	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	theirs, err := strace.Import(t.Context(), []strace.Input{{Name: "log", R: file}}, strace.Options{Entrypoint: "/entry"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(likeness(t, img, theirs), likeness(t, img, ours)); diff != "" {
		t.Errorf("(-strace +lathe):\n%s", diff)
	}
	if s := ours.Sources[0]; !s.Complete {
		t.Errorf("notes %q", s.Notes)
	}
}

// likeness is what both see in the same way, in the image's paths.
func likeness(t *testing.T, img image, p *profile.Profile) []string {
	t.Helper()
	bound, _, err := profile.Bind(p, profile.Root{Resolve: img.resolve})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, x := range bound.Executables {
		if x.Path != "/entry" { // strace does not see which program interprets a script
			out = append(out, "exec "+string(x.Path))
		}
	}
	for _, f := range bound.Files {
		switch f.Path {
		case "/entry": // as above
		case "/etc/uring": // not a system call of its own
		default:
			out = append(out, fmt.Sprint("file ", f.Path, " ", f.Access))
		}
	}
	for _, m := range bound.Missing {
		out = append(out, fmt.Sprint("missing ", m.Path, " ", m.Errno, " ", m.Ops))
	}
	for _, c := range bound.Network.Connect {
		out = append(out, fmt.Sprint("connect ", c.Proto, " ", c.Peer.IP, c.Peer.Path, " ", c.Port, " ", c.Results))
	}
	for _, l := range bound.Network.Listen {
		out = append(out, fmt.Sprint("listen ", l.Proto, " ", l.Addr, " ", l.Port, " ", l.Ephemeral))
	}
	for _, a := range bound.Network.Accept {
		out = append(out, fmt.Sprint("accept ", a.Proto, " ", a.Port, " ", a.Peer.IP))
	}
	for _, d := range bound.Network.DNS {
		if strings.HasPrefix(d.Name, "tcp") { // the import of strace does not put streams together
			d.Answers = nil
		}
		out = append(out, fmt.Sprint("dns ", d.Name, " ", d.Type, " ", d.Answers))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
