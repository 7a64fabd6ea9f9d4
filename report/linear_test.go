//go:build unix

package report_test

import (
	"fmt"
	"testing"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/growth"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/report"
)

// TestLinear reports about many tools that a profile saw, each run by another, in
// a time that grows with them.
func TestLinear(t *testing.T) {
	growth.Linear(t, 1000, func(n int) func() {
		pl, p := &harden.Plan{}, &profile.Profile{}
		for i := range n {
			name := fmt.Sprintf("usr/bin/gcc-%d", i)
			pl.Tools = append(pl.Tools, harden.Tool{Path: name, Class: "compiler", Kept: true, Reason: harden.Reason{Kind: harden.Executed}})
			p.Executables = append(p.Executables, profile.Executable{
				Key: "/" + name, Path: profile.Path("/" + name), Parents: []string{fmt.Sprintf("/usr/bin/gcc-%d", (i+1)%n)},
			})
		}
		return func() {
			if _, err := report.New(report.Job{}, report.Input{Plan: pl, Profile: p}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
