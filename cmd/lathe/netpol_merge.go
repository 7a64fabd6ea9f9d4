package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/netpolicy"
)

type netpolMergeOptions struct {
	output string
	force  bool
}

func newNetpolMerge(env *environment, _ *global) *cobra.Command {
	var o netpolMergeOptions
	cmd := &cobra.Command{
		Use: "merge HINT... [-o FILE]", Short: "Make the hint of a pod of those of its containers",
		Long: `Make the hint of a pod of those of its containers. One policy is for all of
them, so it allows what any of them needs; a direction that one of them could
not see is not restricted. The order does not matter.

  lathe netpol merge app/hint.json proxy/hint.json -o pod.json
  lathe netpol render pod.json | kubectl apply -f -`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(_ *cobra.Command, names []string) error { return runNetpolMerge(env, o, names) },
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace an existing file")
	return cmd
}

func runNetpolMerge(env *environment, o netpolMergeOptions, names []string) error {
	var hints []*netpolicy.Hint
	for _, name := range names {
		h, err := readHint(env, name)
		if err != nil {
			return err
		}
		hints = append(hints, h)
	}
	h, err := netpolicy.Merge(hints...)
	if err != nil {
		return err
	}
	for _, container := range h.Workload.Missing() {
		env.note("nothing is known of the container %q: there is no policy without its hint", container)
	}
	data, err := h.JSON()
	if err != nil {
		return fmt.Errorf("writing the hint: %w", err)
	}
	return writeResult(env, o.output, data, true, o.force)
}
