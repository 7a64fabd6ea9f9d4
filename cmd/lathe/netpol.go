package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/netpolicy"
)

func newNetpol(env *environment, g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use: "netpol", Short: "Work with network-policy hints",
		Long: `Work with network-policy hints. A hint is the hint.json that harden writes: what
the executables that stay need of the network, with the evidence. Policies are
made from it and from nothing else.`,
		Args: args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newNetpolRender(env, g), newNetpolCheck(env, g), newNetpolAudit(env, g), newNetpolDiff(env, g), newNetpolMerge(env, g), newNetpolFetch(env, g),
	)
	return cmd
}

// readHint reads hint.json, or the one in the directory of that name; "-" is
// standard input.
func readHint(env *environment, name string) (*netpolicy.Hint, error) {
	r := env.stdin
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			name = filepath.Join(name, hintFile)
		}
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening the hint: %w", err)
		}
		defer f.Close() //nolint:errcheck // read only
		r = f
	}
	data, err := io.ReadAll(io.LimitReader(r, netpolicy.MaxHintBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	h, err := netpolicy.ParseHint(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h, nil
}
