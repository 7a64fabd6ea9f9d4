package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/internal/plainjson"
	"github.com/lathe-build/lathe/netpolicy/drift"
)

type netpolAuditOptions struct {
	evidence evidenceFlags
	follow   string
	all      bool
}

func newNetpolAudit(env *environment, g *global) *cobra.Command {
	var o netpolAuditOptions
	cmd := &cobra.Command{
		Use: "audit --hint FILE --profile FILE|--hubble FILE|--ig FILE", Short: "Compare later connections with a hint",
		Long: `Compare connections of later evidence with a hint. Each is

  expected            a rule is for it and for who made it
  new-peer            no rule is for the peer
  new-port            a rule is for the peer, not for the port
  new-executable      a rule is for it, and another executable made it
  removed-executable  a dropped executable made it: a tool is back
  foreign             an executable that the image does not hold made it
  metadata            it goes to a cloud's metadata service

Peers are compared by name, then by labels (--inventory), then by address.
Attempts that were denied count. --follow hubble|ig reads a running stream from
standard input and shows each kind of drift once, as it comes:

  lathe netpol audit --hint out --profile later.json
  hubble observe --follow -o jsonpb --pod shop/web-0 | lathe netpol audit --hint out --follow hubble --pod web-0

Drift is exit code 3. --format json prints a line for each, and one for the sums.`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runNetpolAudit(cmd.Context(), env, g, o) },
	}
	o.evidence.add(cmd)
	cmd.Flags().StringVar(&o.follow, "follow", "", "follow a stream of this `format` on standard input: hubble or ig")
	cmd.Flags().BoolVar(&o.all, "all", false, "show expected connections, too")
	return cmd
}

func runNetpolAudit(ctx context.Context, env *environment, g *global, o netpolAuditOptions) error {
	if o.evidence.none() == (o.follow == "") {
		return usage("audit needs either evidence (--profile, --hubble, --ig) or --follow hubble|ig")
	}
	h, fate, err := o.evidence.judge(env)
	if err != nil {
		return err
	}
	opts, err := o.evidence.options()
	if err != nil {
		return err
	}
	a := newAuditor(env, drift.NewJudge(h, fate))
	a.json, a.all = g.format == "json", o.all
	if o.follow != "" {
		err = a.follow(ctx, o, opts)
	} else {
		list, lerr := o.evidence.connections(ctx, env, opts)
		if lerr != nil {
			return lerr
		}
		err = a.show(list, false)
	}
	if ctx.Err() != nil && o.follow != "" {
		_ = a.finish() // what was seen until the signal
	}
	if err != nil {
		return err
	}
	return a.finish()
}

// maxShown bounds the findings that are remembered to be shown once.
const maxShown = 100_000

// auditor prints findings as they are made.
type auditor struct {
	env   *environment
	json  bool
	all   bool
	judge *drift.Judge
	count map[drift.Class]int
	shown map[[sha256.Size]byte]bool
}

func newAuditor(env *environment, judge *drift.Judge) *auditor {
	return &auditor{env: env, judge: judge, count: map[drift.Class]int{}, shown: map[[sha256.Size]byte]bool{}}
}

func (a *auditor) print(f *drift.Finding) error {
	line := []byte(fmt.Sprintf("%-18s %s %s%s\n", f.Class, f.Direction, f.Text, by(f.Executables)))
	if a.json {
		raw, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("encoding a finding: %w", err)
		}
		line = append(plainjson.Escape(raw), '\n')
	}
	return writeResult(a.env, "", line, false, true)
}

// finish prints the sums and fails on drift.
func (a *auditor) finish() error {
	found := 0
	var parts []string
	for _, class := range drift.Classes() {
		if n := a.count[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
			if class != drift.Expected {
				found += n
			}
		}
	}
	if len(parts) == 0 {
		parts = []string{"no connections"}
	}
	line := []byte(strings.Join(parts, ", ") + "\n")
	if a.json {
		raw, err := json.Marshal(map[string]any{"summary": a.count})
		if err != nil {
			return fmt.Errorf("encoding the sums: %w", err)
		}
		line = append(raw, '\n')
	}
	if err := writeResult(a.env, "", line, false, true); err != nil {
		return err
	}
	if found > 0 {
		return gate("%d connections are not what the hint says", found)
	}
	return nil
}
