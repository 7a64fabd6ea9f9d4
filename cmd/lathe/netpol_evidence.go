package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/formats"
)

// evidenceFlags name later evidence about a workload, and what tells its peers
// and executables.
type evidenceFlags struct {
	hint     string
	profiles []string
	hubble   []string
	gadget   []string
	plan     string
	peers    hintFlags
	foreign  foreign.Options
}

func (e *evidenceFlags) add(cmd *cobra.Command) {
	e.peers = defaultHintFlags()
	f := cmd.Flags()
	f.StringVar(&e.hint, "hint", "", "hint `file`, or the directory that has it")
	f.StringArrayVarP(&e.profiles, "profile", "p", nil, "profile `file`, or one of anything that profile import reads; repeatable")
	f.StringArrayVar(&e.hubble, "hubble", nil, "`file` with flows of Hubble as JSON lines; repeatable")
	f.StringArrayVar(&e.gadget, "ig", nil, "`file` with events of Inspektor Gadget as JSON lines; repeatable")
	f.StringVar(&e.plan, "plan", "", "plan `file`, to know executables that the hint does not name")
	f.StringArrayVar(&e.peers.inventories, "inventory", nil, "name peers from this `file` of kubectl get ... -A -o json; repeatable")
	f.StringVar(&e.peers.peers, "peers", "", "`file` that says by hand what addresses and names are")
	f.StringVar(&e.foreign.Container, "container", "", "`name` of the container, where events are of several")
	f.StringVar(&e.foreign.Pod, "pod", "", "`name` of the container's pod")
	f.StringVar(&e.foreign.Namespace, "namespace", "", "`namespace` of the container's pod")
}

// none reports whether no evidence is named.
func (e *evidenceFlags) none() bool { return len(e.profiles)+len(e.hubble)+len(e.gadget) == 0 }

// The formats of the flags.
const (
	formatHubble = "hubble"
	formatGadget = "inspektor-gadget"
)

// judge reads the hint and, where it is given, the plan.
func (e *evidenceFlags) judge(env *environment) (*netpolicy.Hint, func(string) netpolicy.Fate, error) {
	if e.hint == "" {
		return nil, nil, usage("no hint: give one with --hint FILE")
	}
	h, err := readHint(env, e.hint)
	if err != nil {
		return nil, nil, err
	}
	if e.plan == "" {
		return h, nil, nil
	}
	doc, err := readPlan(e.plan)
	if err != nil {
		return nil, nil, err
	}
	return h, func(key string) netpolicy.Fate { return fateIn(doc, key) }, nil
}

// fateIn is what the plans of all platforms did with an executable: kept if any
// of them keeps it.
func fateIn(doc *harden.Document, key string) netpolicy.Fate {
	best := netpolicy.Unknown
	for _, s := range doc.Platforms {
		switch fate := fateOf(s.Plan, key); {
		case fate == netpolicy.Kept:
			return fate
		case fate == netpolicy.Dropped, best == netpolicy.Unknown:
			best = fate
		}
	}
	return best
}

// options identify peers as harden did.
func (e *evidenceFlags) options() (netpolicy.Options, error) {
	opts, err := e.peers.check()
	if err != nil {
		return opts, err
	}
	return opts, e.peers.read(&opts)
}

// connections reads all evidence, each file on its own.
func (e *evidenceFlags) connections(ctx context.Context, env *environment, opts netpolicy.Options) ([]netpolicy.Connection, error) {
	var all []netpolicy.Connection
	for _, group := range []struct {
		format string
		files  []string
	}{{"", e.profiles}, {formatHubble, e.hubble}, {formatGadget, e.gadget}} {
		for _, name := range group.files {
			p, err := e.load(ctx, env, group.format, name)
			if err != nil {
				return nil, err
			}
			list, err := netpolicy.Observe(p, opts)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all = append(all, list...)
		}
	}
	return all, nil
}

// load reads a profile, or imports what is none.
func (e *evidenceFlags) load(ctx context.Context, env *environment, format, name string) (*profile.Profile, error) {
	if format == "" {
		p, err := readProfile(env, name)
		if name == "-" || err == nil || !errors.Is(err, profile.ErrForeign) {
			return p, err
		}
	}
	inputs, closeAll, err := openInputs(env, []string{name})
	defer closeAll()
	if err != nil {
		return nil, err
	}
	p, _, err := formats.Import(ctx, format, inputs, e.foreign)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}
