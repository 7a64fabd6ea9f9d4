package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/profile"
)

func newProfile(env *environment, g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use: "profile", Short: "Import, check, show, merge, compare, filter and export runtime profiles",
		Args: args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProfileImport(env, g), newProfileValidate(env, g), newProfileShow(env, g), newProfileMerge(env, g),
		newProfileDiff(env, g), newProfileFilter(env, g), newProfileExport(env, g))
	return cmd
}

// readProfile reads one profile; "-" is standard input.
func readProfile(env *environment, name string) (*profile.Profile, error) {
	r := env.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening the profile: %w", err)
		}
		defer f.Close() //nolint:errcheck // read only
		r = f
	}
	p, err := profile.Read(r, profile.Limits{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// readProfiles reads and merges profiles; the order does not matter.
func readProfiles(ctx context.Context, env *environment, names []string) (*profile.Profile, []*profile.Profile, error) {
	var list []*profile.Profile
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		p, err := readProfile(env, name)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, p)
	}
	merged, err := profile.Merge(list...)
	if err != nil {
		return nil, nil, fmt.Errorf("merging the profiles: %s: %w", mixed(names, list), err)
	}
	return merged, list, nil
}

// writeResult writes to a file, all or nothing, or to standard output.
func writeResult(env *environment, name string, data []byte, private, force bool) error {
	if name == "" || name == "-" {
		_, err := env.stdout.Write(data)
		if err != nil {
			return fmt.Errorf("writing to standard output: %w", err)
		}
		return nil
	}
	if _, err := os.Lstat(name); err == nil && !force {
		return fmt.Errorf("writing %s: %w", name, image.ErrExists)
	}
	mode := os.FileMode(0o644)
	if private {
		mode = 0o600
	}
	return image.WriteFile(name, data, mode)
}

func newProfileValidate(env *environment, g *global) *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE...", Short: "Check profiles and say what is wrong where",
		Long: `Check profiles: their form, their limits, and that what refers to something finds
it. The first thing that is wrong is said with its place, and the exit code is 1.

  lathe profile validate profile.json
  lathe profile validate --format json run-*.json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, names []string) error {
			for _, name := range names {
				p, err := readProfile(env, name)
				if err != nil {
					return err
				}
				if g.format == "json" {
					if err := json.NewEncoder(env.stdout).Encode(map[string]any{"file": name, "valid": true, "complete": p.Complete()}); err != nil {
						return fmt.Errorf("writing to standard output: %w", err)
					}
					continue
				}
				state := "complete"
				if !p.Complete() {
					state = "no complete source"
				}
				if _, err := fmt.Fprintf(env.stdout, "%s: valid, %s\n", name, state); err != nil {
					return fmt.Errorf("writing to standard output: %w", err)
				}
			}
			return nil
		},
	}
}

func newProfileShow(env *environment, g *global) *cobra.Command {
	var entries bool
	cmd := &cobra.Command{
		Use: "show FILE...", Short: "Show what profiles are worth: runs, sources, coverage, counts",
		Long: `Show what profiles are worth: sources, runs, what they could observe, counts, and
from three runs on an estimate of the files that all of them missed (Chao's second
estimator). --coverage also lists every run with what it added, and how well it is
known that each entry is used, from the best to the worst: observed-resolved,
observed-raw, pattern, declared, static.

  lathe profile show profile.json
  lathe profile show --coverage run-1.json run-2.json run-3.json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			p, _, err := readProfiles(cmd.Context(), env, names)
			if err != nil {
				return err
			}
			return showProfile(env, g, p, entries)
		},
	}
	cmd.Flags().BoolVar(&entries, "coverage", false, "list every run, and how well each entry is known")
	return cmd
}

func showProfile(env *environment, g *global, p *profile.Profile, entries bool) error {
	coverage := p.Coverage()
	switch {
	case g.format == "json" && entries:
		return env.printJSON(struct {
			profile.Coverage
			Evidence []profile.EntryEvidence `json:"entries"`
			EachRun  []profile.RunEvidence   `json:"eachRun"`
		}{coverage, p.Evidence().Entries, p.Evidence().Runs})
	case g.format == "json":
		return env.printJSON(coverage)
	}
	if err := coverage.Render(env.stdout); err != nil || !entries {
		return err
	}
	if _, err := fmt.Fprintln(env.stdout); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return p.Evidence().Render(env.stdout)
}

type mergeOptions struct {
	outputOptions
	rebase bool
}

func newProfileMerge(env *environment, _ *global) *cobra.Command {
	var o mergeOptions
	cmd := &cobra.Command{
		Use: "merge FILE... -o FILE", Short: "Make one profile of several: their union, in any order",
		Long: `Make one profile of several: their union, whatever their order. Profiles about
different images are refused (exit code 4) unless --rebase says that this is
meant. lathe harden merges by itself the profiles that it is given.

  lathe profile merge unit.json end-to-end.json -o profile.json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			p, list, err := readProfiles(cmd.Context(), env, names)
			if err != nil {
				return err
			}
			if err := checkImages(names, list); err != nil && !o.rebase {
				return err
			}
			return saveProfile(env, p, o.outputOptions)
		},
	}
	cmd.Flags().BoolVar(&o.rebase, "rebase", false, "merge evidence of different images, such as of an image and its rebuild")
	o.add(cmd)
	return cmd
}
