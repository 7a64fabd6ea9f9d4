package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/netpolicy/drift"
	"github.com/lathe-build/lathe/profile/foreign"
)

type netpolCheckOptions struct {
	evidence  evidenceFlags
	manifests string
	as        string
}

func newNetpolCheck(env *environment, g *global) *cobra.Command {
	var o netpolCheckOptions
	cmd := &cobra.Command{
		Use: "check --hint FILE --profile FILE|--hubble FILE|--ig FILE|--manifests DIR", Short: "Say what a policy would block, before anyone enforces it",
		Long: `Say what would be blocked, before anyone enforces a policy.

With later evidence (--profile, --hubble, --ig) the question is what the policy
of the hint would have blocked of it. What only dropped executables did, what
the image does not hold, and metadata services are blocked on purpose.

With --manifests the question is what the policies that lie there, such as those
of a repository or of "kubectl get networkpolicies -A -o yaml", would block of
what the hint says the workload needs.

  lathe netpol check --hint out --hubble flows.jsonl --pod web-0
  lathe netpol check --hint out --manifests deploy/

Something that is blocked and not on purpose is exit code 3.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runNetpolCheck(cmd.Context(), env, g, o) },
	}
	o.evidence.add(cmd)
	cmd.Flags().StringVar(&o.manifests, "manifests", "", "ask the network policies in this `directory` about the hint")
	cmd.Flags().StringVar(&o.as, "as", string(netpolicy.Core), "`form` of the hint's policy: core or cilium")
	return cmd
}

func runNetpolCheck(ctx context.Context, env *environment, g *global, o netpolCheckOptions) error {
	form := netpolicy.Form(o.as)
	switch {
	case form != netpolicy.Core && form != netpolicy.Cilium:
		return usage("--as is core or cilium, not %q", o.as)
	case o.evidence.none() == (o.manifests == ""):
		return usage("check needs either evidence (--profile, --hubble, --ig) or --manifests DIR")
	}
	h, fate, err := o.evidence.judge(env)
	if err != nil {
		return err
	}
	judge := drift.NewJudge(h, fate)
	var checked []drift.Checked
	if o.manifests != "" {
		policies, err := readPolicies(ctx, env, o.manifests, h.Workload)
		if err != nil {
			return err
		}
		if len(policies.Names()) == 0 {
			env.note("no policy in %s is about the workload, so that nothing there restricts it", o.manifests)
		} else {
			env.note("about the workload in %s: %s", o.manifests, strings.Join(policies.Names(), ", "))
		}
		for _, name := range policies.ByName() {
			env.say("%s calls ports of the workload by name: what it opens there is not known, and taken for nothing", name)
		}
		if checked, err = drift.Check(policies, judge, h.Connections()); err != nil {
			return fmt.Errorf("checking policies: %w", err)
		}
	} else {
		policy, err := h.Evaluator(form)
		if err != nil {
			return explainNoPolicy(err)
		}
		opts, err := o.evidence.options()
		if err != nil {
			return err
		}
		list, err := o.evidence.connections(ctx, env, opts)
		if err != nil {
			return err
		}
		if checked, err = drift.Check(policy, judge, list); err != nil {
			return fmt.Errorf("checking connections: %w", err)
		}
	}
	return printChecked(env, g, checked)
}

// printChecked lists what is not allowed, and fails if somebody may need it.
func printChecked(env *environment, g *global, checked []drift.Checked) error {
	count := map[drift.Verdict]int{}
	for _, c := range checked {
		count[c.Verdict]++
	}
	if g.format == "json" {
		if checked == nil {
			checked = []drift.Checked{}
		}
		if err := env.printJSON(map[string]any{"connections": checked, "count": count}); err != nil {
			return err
		}
	} else {
		var b strings.Builder
		for _, c := range checked {
			if c.Verdict != drift.Allowed {
				fmt.Fprintf(&b, "%-18s %s %s%s\n", c.Verdict, c.Direction, c.Text, by(c.Executables))
			}
		}
		fmt.Fprintf(&b, "%d allowed, %d blocked on purpose, %d blocked by an option, %d blocked", count[drift.Allowed], count[drift.Meant], count[drift.LeftOut], count[drift.Blocked])
		if n := count[drift.Unjudged]; n > 0 {
			fmt.Fprintf(&b, ", %d not judged: too little is known of the peer", n)
		}
		if err := writeResult(env, "", []byte(b.String()+"\n"), false, true); err != nil {
			return err
		}
	}
	if n := count[drift.Blocked]; n > 0 {
		return gate("%d connections would be blocked", n)
	}
	return nil
}

func by(executables []string) string {
	if len(executables) == 0 {
		return ""
	}
	return " by " + strings.Join(executables, ", ")
}

// Bounds of the manifests that are read.
const maxManifests = 10_000

// readPolicies reads the network policies below a directory that are about a
// workload. Other objects are passed over, other kinds of policies with a note.
func readPolicies(ctx context.Context, env *environment, dir string, w netpolicy.Workload) (*drift.Policies, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Type().IsRegular() && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name))) {
			names = append(names, name)
		}
		if len(names) > maxManifests {
			return fmt.Errorf("there are more than %d files", maxManifests)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("reading the manifests in %s: %w", dir, err)
	}
	policies := &drift.Policies{}
	for _, name := range names {
		if err := addPolicies(ctx, env, policies, name, w); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return policies, nil
}

func addPolicies(ctx context.Context, env *environment, policies *drift.Policies, name string, w netpolicy.Workload) error {
	inputs, closeAll, err := openInputs(env, []string{name})
	defer closeAll()
	if err != nil {
		return err
	}
	log := foreign.NewLog("manifests", inputs, foreign.Options{})
	err = log.Objects(ctx, func(o foreign.Object) error {
		switch {
		case o.Kind == "NetworkPolicy" && strings.HasPrefix(o.APIVersion, "networking.k8s.io/"):
			return foreign.Fatal(policies.Add(o.Data, w))
		case strings.HasSuffix(o.Kind, "NetworkPolicy"):
			env.say("%s: %s %q is not asked: only NetworkPolicy of networking.k8s.io is", name, o.Kind, o.Name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := log.Skipped(); n > 0 {
		return fmt.Errorf("%d documents are no objects", n)
	}
	return nil
}
