//go:build unix

package profile_test

import (
	"fmt"
	"testing"

	"github.com/lathe-build/lathe/internal/growth"
	"github.com/lathe-build/lathe/profile"
)

// TestLinear compares and filters profiles of many images and sources in a time
// that grows with them.
func TestLinear(t *testing.T) {
	digest := func(i int) string { return fmt.Sprintf("sha256:%064x", i) }
	t.Run("images", func(t *testing.T) {
		growth.Linear(t, 2000, func(n int) func() {
			a, b := &profile.Profile{}, &profile.Profile{}
			for i := range n {
				a.Images = append(a.Images, profile.Image{Digest: digest(i)})
				b.Images = append(b.Images, profile.Image{Digest: digest(n + i)})
			}
			return func() {
				if profile.SameImage(a, b) {
					t.Error("different images are the same")
				}
			}
		})
	})
	t.Run("sources", func(t *testing.T) {
		growth.Linear(t, 500, func(n int) func() {
			p := &profile.Profile{}
			for i := range n {
				s := profile.Source{Kind: profile.KindObserved, Run: fmt.Sprint("run ", i), Recorder: profile.Recorder{Name: "strace"}}
				s.ID = profile.SourceID(s)
				p.Sources = append(p.Sources, s)
				p.Files = append(p.Files, profile.File{Path: profile.Path(fmt.Sprint("/f", i)), Access: []string{profile.AccessOpen}, Seen: []string{s.ID}})
			}
			return func() {
				out, err := p.Filter(profile.Filter{Sources: []string{"strace"}})
				if err != nil || len(out.Files) > 0 {
					t.Errorf("%d files are left: %v", len(out.Files), err)
				}
			}
		})
	})
}
