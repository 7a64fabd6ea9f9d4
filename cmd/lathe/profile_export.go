package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/profile/intoto"
	"github.com/lathe-build/lathe/profile/kubescape"
)

type exportOptions struct {
	outputOptions
	as        string
	kubescape kubescape.ExportOptions
}

func newProfileExport(env *environment, _ *global) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use: "export FILE... --as FORMAT -o FILE", Short: "Write a profile in another system's format",
		Long: `Merge profiles and write them in another format:

  kubescape  an ApplicationProfile that kubescape's agent takes as expected of the
             pods that have the label kubescape.io/user-defined-profile: NAME
  in-toto    a statement of the predicate runtime-trace v0.2 about the image, with
             the whole profile in it; lathe profile import reads it back

  lathe profile export profile.json --as kubescape --container web -o applicationprofile.yaml
  lathe profile export profile.json --as in-toto -o statement.json

Programs that only people ran are not part of an ApplicationProfile.`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error { return runExport(cmd.Context(), env, o, names) },
	}
	f := cmd.Flags()
	f.StringVar(&o.as, "as", "", "`format`: kubescape or in-toto")
	f.StringVar(&o.kubescape.Name, "name", "", "`name` of the ApplicationProfile (default: the workload's)")
	f.StringVar(&o.kubescape.Namespace, "namespace", "", "`namespace` of the ApplicationProfile (default: the workload's)")
	f.StringVar(&o.kubescape.Container, "container", "", "`name` of the container in the ApplicationProfile (default: the profile's)")
	o.add(cmd)
	return cmd
}

func runExport(ctx context.Context, env *environment, o exportOptions, names []string) error {
	switch {
	case o.as == "":
		return usage("which format? use --as kubescape or --as in-toto")
	case o.as != "kubescape" && o.as != "in-toto":
		return usage("--as is kubescape or in-toto, not %q", o.as)
	case o.as == "in-toto" && o.kubescape != kubescape.ExportOptions{}:
		return usage("--name, --namespace and --container are for --as kubescape")
	}
	p, list, err := readProfiles(ctx, env, names)
	if err != nil {
		return err
	}
	if err := checkImages(names, list); err != nil {
		return err
	}
	if o.as == "in-toto" {
		data, err := intoto.Export(p)
		if err != nil {
			return fmt.Errorf("exporting as in-toto: %w", err)
		}
		return writeResult(env, o.output, data, true, o.force)
	}
	data, left, err := kubescape.Export(p, o.kubescape)
	if errors.Is(err, kubescape.ErrNoContainer) {
		return usage("%w: give it with --container", err)
	}
	if errors.Is(err, kubescape.ErrName) {
		return usage("exporting as kubescape: %w: give others with --name, --namespace and --container", err)
	}
	if err != nil {
		return fmt.Errorf("exporting as kubescape: %w", err)
	}
	if left > 0 {
		env.note("%d entries are left out: their paths are not UTF-8 or hold kubescape's wildcards", left)
	}
	return writeResult(env, o.output, data, true, o.force)
}
