//go:build e2e && linux

package e2e

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/e2e/live"
)

// TestStrace hardens an image from a log of strace alone and runs it.
func TestStrace(t *testing.T) {
	for _, s := range []*stack{redis} {
		t.Run(s.name, func(t *testing.T) {
			s.prepare(t)
			dir := t.TempDir()
			log, profile, out := filepath.Join(dir, "log"), filepath.Join(dir, "profile.json"), filepath.Join(dir, "out")
			s.trace(t, log)
			lathe(t, "profile", "import", "--from", "strace", "--complete", "--image", "oci:"+s.image, "--entrypoint", s.Program, "-o", profile, log)
			lathe(t, "harden", "oci:"+s.image, "--profile", profile, "-o", out)
			bundle := unpack(t, filepath.Join(out, "image"))
			after := readRoot(t, bundle.root)
			after.checkNoTools(t, s.Stays)
			steps := slices.Concat(s.Plain, s.Deep)
			want := s.answers(t, s.whole, &s.Scenarios[0], steps)
			if diff := cmp.Diff(want, s.answers(t, bundle, &s.Scenarios[0], steps)); diff != "" {
				t.Errorf("the hardened image answers otherwise (-original +hardened):\n%s", diff)
			}
		})
	}
}

// trace runs the plain probe on the original under strace.
func (s *stack) trace(t *testing.T, log string) {
	t.Helper()
	store, err := s.whole.Box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	var tracer *live.Tracer
	o := s.options(&s.Scenarios[0])
	o.Created = func(ctx context.Context, pid int) (err error) {
		tracer, err = live.Strace(ctx, pid, log)
		return err
	}
	s.ask(t, s.whole, store, o, s.Plain)
	if err := tracer.Wait(); err != nil {
		t.Fatal(err)
	}
}
