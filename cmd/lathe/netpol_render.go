package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/netpolicy"
)

type netpolRenderOptions struct {
	hint   string
	as     string
	output string
	force  bool
}

func newNetpolRender(env *environment, _ *global) *cobra.Command {
	o := netpolRenderOptions{}
	cmd := &cobra.Command{
		Use: "render HINT [--as core|cilium] [-o FILE]", Short: "Make a network policy from a hint",
		Long: `Make the network policy of a hint: a NetworkPolicy of Kubernetes, or a
CiliumNetworkPolicy in which names stand for the addresses of external peers.
The same hint gives the same bytes. HINT is a hint.json, the directory that has
it, or - for standard input.

  lathe netpol render out | kubectl apply -f -
  lathe netpol render --as cilium out/hint.json -o networkpolicy.cilium.yaml

A policy that does not do what its hint says is not written.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			o.hint = a[0]
			return runNetpolRender(env, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.as, "as", string(netpolicy.Core), "`form` of the policy: core or cilium")
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	f.BoolVar(&o.force, "force", false, "replace an existing file")
	return cmd
}

func runNetpolRender(env *environment, o netpolRenderOptions) error {
	form := netpolicy.Form(o.as)
	if form != netpolicy.Core && form != netpolicy.Cilium {
		return usage("--as is core or cilium, not %q", o.as)
	}
	h, err := readHint(env, o.hint)
	if err != nil {
		return err
	}
	text, err := netpolicy.Render(h, form)
	if err != nil {
		return explainNoPolicy(err)
	}
	return writeResult(env, o.output, text, false, o.force)
}

// explainNoPolicy says what would make a policy possible.
func explainNoPolicy(err error) error {
	if why := noPolicy(err); why != "" {
		return errors.New("there is no policy to make: " + why)
	}
	return err
}

// noPolicy says why there is no policy, in words for the command line, or "" for
// any other error.
func noPolicy(err error) string {
	switch {
	case errors.Is(err, netpolicy.ErrNoSelector):
		return "the labels of the workload's pods are not known; --selector app=NAME gives them"
	case errors.Is(err, netpolicy.ErrNoDirection):
		return "no complete source of the profile could see connections or listeners"
	case errors.Is(err, netpolicy.ErrHostNetwork):
		return "the workload uses its node's network, where no policy has an effect"
	case errors.Is(err, netpolicy.ErrPartial):
		return err.Error() + "; a policy is about all containers of a pod: unite their hints with lathe netpol merge, or use harden --partial"
	}
	return ""
}
