package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/netpolicy/drift"
)

type netpolDiffOptions struct{ failOn []string }

func newNetpolDiff(env *environment, g *global) *cobra.Command {
	var o netpolDiffOptions
	cmd := &cobra.Command{
		Use: "diff OLD NEW [--fail-on widened]", Short: "Compare what two hints allow",
		Long: `Compare what two hints allow, as sets of connections and not as text: what is
added, widened, narrowed or removed, with the executables that explain it. An
external peer that has names is these names: another address of one is "moved",
which is no wider policy, though a core one lists addresses.

  lathe netpol diff old/hint.json new/hint.json --fail-on widened

--fail-on takes added, removed, widened, narrowed and moved. "widened" also means
what is added, and "narrowed" what is removed: everything that allows more, or
less.
What it names is exit code 3.`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(_ *cobra.Command, a []string) error { return runNetpolDiff(env, g, o, a[0], a[1]) },
	}
	cmd.Flags().StringSliceVar(&o.failOn, "fail-on", nil, "kinds of `changes` that fail: added, removed, widened, narrowed, moved")
	return cmd
}

func runNetpolDiff(env *environment, g *global, o netpolDiffOptions, before, after string) error {
	for _, word := range o.failOn {
		if !slices.Contains(drift.Kinds(), drift.Kind(word)) {
			return usage("--fail-on is added, removed, widened, narrowed or moved, not %q", word)
		}
	}
	was, err := readHint(env, before)
	if err != nil {
		return err
	}
	is, err := readHint(env, after)
	if err != nil {
		return err
	}
	changes, err := drift.Diff(was, is)
	if err != nil {
		return err
	}
	if g.format == "json" {
		if changes == nil {
			changes = []drift.Change{}
		}
		err = env.printJSON(map[string]any{"changes": changes})
	} else {
		err = writeResult(env, "", []byte(diffText(changes)), false, true)
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, c := range changes {
		if slices.ContainsFunc(o.failOn, func(word string) bool { return meansKind(drift.Kind(word), c.Kind) }) {
			failed++
		}
	}
	if failed > 0 {
		return gate("%d changes are %s", failed, strings.Join(o.failOn, " or "))
	}
	return nil
}

// meansKind reports whether a word of --fail-on is about a kind of change.
func meansKind(word, kind drift.Kind) bool {
	switch word {
	case drift.Widened:
		return kind.Wider()
	case drift.Narrowed:
		return kind.Narrower()
	case drift.Added, drift.Removed, drift.Moved:
	}
	return word == kind
}

func diffText(changes []drift.Change) string {
	if len(changes) == 0 {
		return "both allow the same\n"
	}
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "%-8s %s%s", c.Kind, c.Text, by(c.Executables))
		if c.Reason != "" && !strings.HasSuffix(c.Text, c.Reason) {
			fmt.Fprintf(&b, " (%s)", c.Reason)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
