package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/report"
)

func newExplain(env *environment, g *global) *cobra.Command {
	o := hardenOptions{passwordFD: -1}
	cmd := &cobra.Command{
		Use: "explain PLAN PATH | explain IMAGE --profile FILE PATH", Short: "Say why a path stays or goes",
		Long: `Print the chain of reasons for a path: from the path to what the profile, the
config or a rule says. PLAN is a plan.json or the directory that has it; with
--profile the plan is made on the spot.

  lathe explain out/plan.json /usr/bin/perl
  lathe explain oci:web --profile profile.json /lib/x86_64-linux-gnu/libz.so.1`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			o.image = a[0]
			doc, done, err := findPlan(cmd.Context(), env, g, o)
			if err != nil {
				return err
			}
			defer done()
			return explain(env, g, doc, a[1])
		},
	}
	addPlanFlags(cmd, g, &o)
	return cmd
}

// findPlan reads a plan, or makes it when there is a profile.
func findPlan(ctx context.Context, env *environment, g *global, o hardenOptions) (*harden.Document, func(), error) {
	if len(o.profiles) == 0 {
		doc, err := readPlan(o.image)
		return doc, func() {}, err
	}
	o.compression, o.dryRun, o.hint = "keep", true, defaultHintFlags()
	j, err := o.job()
	if err != nil {
		return nil, nil, err
	}
	r, err := plan(ctx, env, g, o, j)
	if err != nil {
		return nil, nil, err
	}
	doc := &harden.Document{}
	for _, t := range r.targets {
		doc.Platforms = append(doc.Platforms, harden.Section{Platform: t.name, Plan: t.plan})
	}
	return doc, r.close, nil
}

func readPlan(name string) (*harden.Document, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		name += "/" + planFile
	}
	f, err := os.Open(name)
	if err != nil {
		if ref, perr := image.ParseRef(name); perr == nil && ref.Kind != image.Registry {
			return nil, usage("%s is an image: say what it runs with --profile FILE", name)
		}
		return nil, fmt.Errorf("opening the plan: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	doc, err := harden.ReadDocument(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return doc, nil
}

func explain(env *environment, g *global, doc *harden.Document, path string) error {
	found := false
	for _, s := range doc.Platforms {
		chain := s.Plan.Explain(path)
		if len(chain) == 0 {
			continue
		}
		found = true
		if g.format == "json" {
			js, err := report.ExplainJSON(chain)
			if err != nil {
				return fmt.Errorf("explaining %q: %w", path, err)
			}
			if err := writeResult(env, "", js, false, true); err != nil {
				return err
			}
			continue
		}
		if len(doc.Platforms) > 1 {
			if _, err := io.WriteString(env.stdout, s.Platform+"\n"); err != nil {
				return fmt.Errorf("writing to standard output: %w", err)
			}
		}
		if err := report.Explain(env.stdout, chain); err != nil {
			return fmt.Errorf("explaining %q: %w", path, err)
		}
	}
	if !found {
		return fmt.Errorf("the plan has no path %q", path)
	}
	return nil
}
