package report

import (
	"cmp"
	"slices"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// view answers questions about one plan.
type view struct {
	plan      *harden.Plan
	profile   *profile.Profile
	decisions map[string]harden.Decision
	packRoot  map[string]string   // path → pack that it hangs on, "" for none
	applets   map[string][]string // multi-call binary → names of tools that stay, sorted
	index     *toolIndex
}

func newView(in *Input) *view {
	v := &view{plan: in.Plan, profile: in.Profile, decisions: map[string]harden.Decision{}, packRoot: map[string]string{}, applets: map[string][]string{}, index: newToolIndex(in.Plan, in.Profile)}
	for _, r := range in.Plan.Records.All() {
		if !hidden(&r) && r.Reason.Kind != harden.HidesNone {
			v.decisions[r.Path] = harden.Decision{Path: r.Path, Keep: r.Action != harden.ActDrop, Reason: r.Reason}
		}
	}
	for d := range in.Plan.Decisions() {
		v.decisions[d.Path] = d
	}
	for i := range in.Plan.Tools {
		if t := &in.Plan.Tools[i]; t.Box != "" && t.Kept {
			v.applets[t.Box] = append(v.applets[t.Box], t.Path)
		}
	}
	for _, names := range v.applets {
		slices.Sort(names)
	}
	return v
}

// groups sums up the records of an action by the kind of their reason, hidden
// entries left out.
func (v *view) groups(action harden.Action) []Group {
	sums := map[harden.Kind]*Amount{}
	for _, r := range v.plan.Records.All() {
		if r.Action != action || hidden(&r) {
			continue
		}
		if sums[r.Reason.Kind] == nil {
			sums[r.Reason.Kind] = &Amount{}
		}
		sums[r.Reason.Kind].add(r.Size)
	}
	list := make([]Group, 0, len(sums))
	for kind, a := range sums {
		list = append(list, Group{Kind: kind, Text: kindText(kind), Amount: *a})
	}
	slices.SortFunc(list, bySize)
	return list
}

// bySize orders groups: most bytes first, then most entries, then by name.
func bySize(a, b Group) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(b.Entries, a.Entries), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
}

// packs gives each knowledge pack with what it costs: its files, and what stays
// for their sake alone.
func (v *view) packs() []Group {
	sums := map[string]*Amount{}
	for _, r := range v.plan.Records.All() {
		if r.Action == harden.ActDrop || r.Class == "dir" || r.Reason.Kind == harden.HidesNone {
			continue
		}
		name := v.packOf(r.Path)
		if name == "" {
			continue
		}
		if sums[name] == nil {
			sums[name] = &Amount{}
		}
		sums[name].add(r.Size)
	}
	list := make([]Group, 0, len(sums))
	for name, a := range sums {
		list = append(list, Group{Kind: harden.Pack, Text: name, Amount: *a})
	}
	slices.SortFunc(list, bySize)
	return list
}

// packOf gives the pack at the end of a path's chain of reasons. Chains share
// their ends, so each path is followed once.
func (v *view) packOf(name string) string {
	var chain []string
	pack := ""
	for name != "" {
		if known, ok := v.packRoot[name]; ok {
			pack = known
			break
		}
		v.packRoot[name] = "" // ends circles
		chain = append(chain, name)
		reason := v.decisions[name].Reason
		if reason.Kind == harden.Pack {
			pack = reason.Note
			break
		}
		if reason.Kind == harden.Copyright {
			pack = "licence texts"
			break
		}
		name = reason.From
	}
	for _, n := range chain {
		v.packRoot[n] = pack
	}
	return pack
}

// biggest lists the n largest files that stay.
func (v *view) biggest(n int) []Chain {
	type sized struct {
		path string
		size int64
	}
	order := func(a, b sized) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.path, b.path)) }
	var kept []sized // the n largest so far, in order
	for _, r := range v.plan.Records.All() {
		f := sized{r.Path, outSize(&r)}
		if r.Action == harden.ActDrop || r.Size == 0 || len(kept) == n && (n == 0 || order(f, kept[n-1]) >= 0) {
			continue
		}
		at, _ := slices.BinarySearchFunc(kept, f, order)
		kept = slices.Insert(kept, at, f)
		kept = kept[:min(n, len(kept))]
	}
	list := make([]Chain, 0, n)
	for _, f := range kept {
		list = append(list, Chain{Location: locate(f.path), Bytes: f.size, Steps: steps(v.explain(f.path))})
	}
	return list
}

func outSize(r *harden.Record) int64 {
	if r.Action == harden.ActRewrite {
		return r.NewSize
	}
	return r.Size
}

// explain gives the decisions from a path to its root reason, as
// [harden.Plan.Explain] does, also of a plan that was not made here.
func (v *view) explain(name string) []harden.Decision {
	var chain []harden.Decision
	seen := map[string]bool{}
	for name != "" && !seen[name] {
		d, ok := v.decisions[name]
		if !ok {
			break
		}
		seen[name] = true
		chain = append(chain, d)
		name = d.Reason.From
	}
	return chain
}

// packages lists what goes and what stays, by size.
func packages(pl *harden.Plan) Packages {
	list := Packages{Dropped: []Package{}, Kept: []Package{}}
	for i := range pl.Packages {
		g := &pl.Packages[i]
		p := Package{Manager: g.Manager, Name: g.Name, Version: g.Version, Bytes: g.Bytes, DroppedBytes: g.Dropped}
		if !g.Kept {
			list.Dropped = append(list.Dropped, p)
			continue
		}
		if g.From != "" {
			at := locate(g.From)
			p.Because = &at
		}
		list.Kept = append(list.Kept, p)
	}
	slices.SortStableFunc(list.Dropped, func(a, b Package) int {
		return cmp.Or(cmp.Compare(b.DroppedBytes, a.DroppedBytes), comparePackages(a, b))
	})
	slices.SortStableFunc(list.Kept, func(a, b Package) int {
		return cmp.Or(cmp.Compare(b.Bytes-b.DroppedBytes, a.Bytes-a.DroppedBytes), comparePackages(a, b))
	})
	return list
}

func comparePackages(a, b Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Manager, b.Manager))
}
