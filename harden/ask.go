package harden

import (
	"iter"
	"path"
	"slices"
	"strings"
)

// Decisions yields the decision for every path of the root filesystem, parents
// first.
func (pl *Plan) Decisions() iter.Seq[Decision] {
	return slices.Values(pl.decisions)
}

// decision looks up the decision for a canonical path.
func (pl *Plan) decision(name string) (Decision, bool) {
	i, found := slices.BinarySearchFunc(pl.decisions, name, func(d Decision, name string) int { return comparePaths(d.Path, name) })
	if !found {
		return Decision{}, false
	}
	return pl.decisions[i], true
}

// Keeps reports whether a canonical path stays.
func (pl *Plan) Keeps(name string) bool {
	d, _ := pl.decision(cleanPath(name))
	return d.Keep
}

func cleanPath(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// Explain gives the decisions that lead from a path to its root reason, the
// path's own first. It is empty when the image has no such path. Paths are
// canonical, or as a container would resolve them.
func (pl *Plan) Explain(name string) []Decision {
	name = cleanPath(name)
	name = pl.canonical(name)
	var chain []Decision
	seen := map[string]bool{}
	for name != "" && !seen[name] {
		d, ok := pl.decision(name)
		if !ok {
			break
		}
		seen[name] = true
		chain = append(chain, d)
		name = d.Reason.From
	}
	return chain
}

// canonical resolves the directories above a path, not the path itself: a link
// explains itself.
func (pl *Plan) canonical(name string) string {
	if _, ok := pl.decision(name); ok || pl.resolve == nil {
		return name
	}
	dirName, base := path.Split(name)
	target, err := pl.resolve(strings.TrimSuffix(dirName, "/"))
	if err != nil {
		return name
	}
	return path.Join(target, base)
}
