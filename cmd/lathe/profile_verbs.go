package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/profile"
)

// otherImage refuses profiles of which one is about another image.
func otherImage(a, b string) error {
	return unsafe("%s and %s are about different images: --rebase uses what was recorded on another one", a, b)
}

// checkImages refuses profiles that are about different images, by their files.
func checkImages(names []string, list []*profile.Profile) error {
	for i, p := range list {
		for j, q := range list[:i] {
			if !profile.SameImage(p, q) {
				return otherImage(names[j], names[i])
			}
		}
	}
	return nil
}

// mixed names a bound and an unbound profile.
func mixed(names []string, list []*profile.Profile) string {
	var bound, unbound string
	for i, p := range list {
		switch {
		case len(p.Executables)+len(p.Files) == 0:
		case p.IsBound() && bound == "":
			bound = names[i]
		case !p.IsBound() && unbound == "":
			unbound = names[i]
		}
	}
	return fmt.Sprintf("%s is bound to an image and %s is not", bound, unbound)
}

// checkFits refuses profiles of which some are about the image and others about
// another one, by their files. Where none is, the plan says so.
func (r *hardening) checkFits() error {
	var fits, not string
	for i, p := range r.profiles {
		known := slices.ContainsFunc(p.Images, func(i profile.Image) bool { return i.Digest != "" || len(i.ConfigDigest)+len(i.DiffIDs) > 0 })
		if !known {
			continue
		}
		found := false
		for _, img := range r.source.Images {
			id, err := identity(r.source, img)
			if err != nil {
				return err
			}
			found = found || profile.Fits(p, id).OK
		}
		if found {
			fits = r.opts.profiles[i]
		} else {
			not = r.opts.profiles[i]
		}
	}
	if fits != "" && not != "" && !r.opts.rebase {
		return otherImage(fits, not)
	}
	return nil
}

// saveProfile writes a profile to a file that only its owner reads, or to
// standard output.
func saveProfile(env *environment, p *profile.Profile, o outputOptions) error {
	var buf bytes.Buffer
	if err := p.Write(&buf); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return writeResult(env, o.output, buf.Bytes(), true, o.force)
}

// outputOptions say where one file goes.
type outputOptions struct {
	output string
	force  bool
}

func (o *outputOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace an existing file")
}

type diffOptions struct{ exitCode bool }

func newProfileDiff(env *environment, g *global) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use: "diff A B", Short: "Say what one profile holds and another does not",
		Long: `Say what B has more and less than A, section by section: + is only in B, - only
in A, ~ is in both with other facts. Counts and times are no difference. With
--exit-code the exit code is 3 where there is one, as for every gate.

  lathe profile diff yesterday.json today.json
  lathe profile diff --exit-code approved.json recorded.json`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, names []string) error { return runProfileDiff(cmd.Context(), env, g, o, names) },
	}
	cmd.Flags().BoolVar(&o.exitCode, "exit-code", false, "exit with 3 where the profiles differ")
	return cmd
}

func runProfileDiff(ctx context.Context, env *environment, g *global, o diffOptions, names []string) error {
	_, list, err := readProfiles(ctx, env, names)
	if err != nil {
		return err
	}
	d, err := profile.Compare(list[0], list[1])
	if err != nil {
		return fmt.Errorf("comparing %s and %s: %w", names[0], names[1], err)
	}
	if g.format == "json" {
		if d.Sections == nil {
			d.Sections = []profile.SectionDifference{}
		}
		err = env.printJSON(d)
	} else {
		err = d.Render(env.stdout)
	}
	if err == nil && o.exitCode && !d.Empty() {
		return gate("%s and %s: the profiles differ", names[0], names[1])
	}
	return err
}

type filterOptions struct {
	outputOptions
	filter profile.Filter
}

func newProfileFilter(env *environment, _ *global) *cobra.Command {
	var o filterOptions
	cmd := &cobra.Command{
		Use: "filter FILE... -o FILE", Short: "Take sources, scenarios or origins out of a profile",
		Long: `Merge profiles and take evidence out of them. A source is named by its id or the
beginning of it, by its recorder or by its run. An entry goes when no source is
left that saw it; what an executable did goes with it. An entry that other
sources saw stays as it is, since it does not say which of its details came from
where. A source that exercised a scenario goes with whatever else it exercised.

  lathe profile filter profile.json --without-origin attach -o profile.json --force
  lathe profile filter profile.json --without-source kubescape
  lathe profile filter profile.json --source ci-4711`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			f := o.filter
			if len(f.Only)+len(f.Sources)+len(f.Scenarios)+len(f.Origins) == 0 {
				return usage("nothing to take out: use --source, --without-source, --without-scenario or --without-origin")
			}
			p, _, err := readProfiles(cmd.Context(), env, names)
			if err != nil {
				return err
			}
			if p, err = p.Filter(f); err != nil {
				return asUsage(err)
			}
			return saveProfile(env, p, o.outputOptions)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.filter.Only, "source", nil, "keep only this `source`; repeatable")
	f.StringArrayVar(&o.filter.Sources, "without-source", nil, "take out this `source`; repeatable")
	f.StringArrayVar(&o.filter.Scenarios, "without-scenario", nil, "take out the sources that exercised this `scenario`; repeatable")
	f.StringArrayVar(&o.filter.Origins, "without-origin", nil, "take out executables of this `origin` alone: entrypoint, child, probe, attach, runtime or unknown; repeatable")
	o.add(cmd)
	return cmd
}
