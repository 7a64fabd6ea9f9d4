package netpolicy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// New makes the hint of p. It asks fate for the fate of every executable that
// is named by its key ([profile.Key]); a nil fate knows nothing. Entries that no
// profile may hold (a port of 70000, an address that is none) and options that
// cannot be used are errors that name them; a policy that does not do what its
// evidence says is [ErrSelfCheck].
func New(p *profile.Profile, fate func(executableKey string) Fate, opts Options) (*Hint, error) {
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("making hint: %w", err)
	}
	c := newCollector(p, fate, opts)
	wl := workload(p, opts, c.warnings)
	if c.namespace = wl.Namespace; c.namespace == "" && opts.IngressFrom == FromNamespace {
		return nil, fmt.Errorf("making hint: %w", ErrNamespace)
	}
	if err := c.collect(p.Network); err != nil {
		return nil, fmt.Errorf("making hint: %w", err)
	}
	b := newBuilder(c)
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("making hint: %w", err)
	}
	h := &Hint{
		Schema:      Schema,
		Image:       Image{Hardened: opts.ImageDigest, Source: opts.SourceDigest},
		Profile:     info(p, opts.ProfileDigest),
		Workload:    wl,
		PolicyTypes: b.directions(p),
		Rules:       list(b.rules),
		Tightened:   list(b.tightened),
		Foreign:     list(b.foreign),
		Omitted:     list(b.omitted),
		Ignored:     list(sortedIgnored(c.ignored)),
		Unresolved:  list(sortedUnresolved(b.unresolved)),
	}
	h.Warnings = c.warnings.list()
	if err := b.selfCheck(h); err != nil {
		return nil, fmt.Errorf("making hint: %w", err)
	}
	return h, nil
}

// list is never null in JSON.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// views are the kinds of evidence about each direction.
func views(d Direction) []string {
	if d == Ingress {
		return []string{profile.ObservesListen, profile.ObservesAccept}
	}
	return []string{profile.ObservesConnectTCP, profile.ObservesConnectUDP}
}

// directions decides which directions the policy restricts, and warns of what
// that rests on.
func (b *builder) directions(p *profile.Profile) []Direction {
	complete, partly := p.Observes(), map[string]bool{}
	for _, s := range p.Sources {
		for _, o := range s.Observes {
			partly[o] = partly[o] || s.Kind == profile.KindObserved
		}
	}
	types := []Direction{}
	for _, d := range []Direction{Ingress, Egress} {
		sees := slices.ContainsFunc(views(d), func(o string) bool { return complete[o] })
		rules := slices.ContainsFunc(b.rules, func(r Rule) bool { return r.Direction == d })
		switch {
		case !rules && !sees:
			b.warnings.add(WarnDirectionUnseen, string(d))
			continue
		case !rules:
			b.warnings.add(WarnNothingObserved, string(d))
		case !sees:
			b.warnings.add(WarnIncomplete, string(d))
		}
		types = append(types, d)
		for _, blind := range blindSpots(d, partly) {
			b.warnings.add(WarnPartlyUnseen, fmt.Sprintf("%s: %s", d, blind))
		}
	}
	return types
}

// blindSpots is what no source could see of a direction.
func blindSpots(d Direction, observes map[string]bool) []string {
	var blind []string
	miss := func(word, what string) {
		if !observes[word] {
			blind = append(blind, what)
		}
	}
	if d == Ingress {
		miss(profile.ObservesListen, "listeners that nobody connected to")
		return blind
	}
	miss(profile.ObservesConnectTCP, "TCP")
	miss(profile.ObservesConnectUDP, "UDP")
	miss(profile.ObservesIPv6, "IPv6")
	return blind
}

func sortedIgnored(s []Ignored) []Ignored {
	slices.SortFunc(s, func(a, b Ignored) int {
		return cmp.Or(-cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.What, b.What), cmp.Compare(a.Reason, b.Reason))
	})
	return slices.Compact(s)
}

func sortedUnresolved(s []Unresolved) []Unresolved {
	slices.SortFunc(s, func(a, b Unresolved) int {
		return cmp.Or(-cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.What, b.What), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Action, b.Action))
	})
	return slices.Compact(s)
}
