package profile

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// maxArgv is how many command lines an executable keeps: the smallest ones, so
// that the choice does not depend on the order of merging.
const maxArgv = 8

// ErrMixed is returned by [Merge] for profiles of which some are bound to an
// image and some are not.
var ErrMixed = errors.New("bound and unbound profiles do not merge: bind all of them first")

// Merge is the least upper bound of profiles: sets are united, counters are
// merged per source, and entries with equal keys become one. Its result is
// sorted and shares no memory with its arguments; nil profiles are skipped. It
// returns [ErrMixed] where [Bind] was used on some entries only.
func Merge(ps ...*Profile) (*Profile, error) {
	ps = slices.DeleteFunc(slices.Clone(ps), func(p *Profile) bool { return p == nil })
	if err := sameBinding(ps); err != nil {
		return nil, err
	}
	out := &Profile{
		Images:       mergeBy(ps, func(p *Profile) []Image { return p.Images }, imageKey, joinImage),
		Sources:      mergeBy(ps, func(p *Profile) []Source { return p.Sources }, sourceKey, joinSource),
		Executables:  mergeBy(ps, func(p *Profile) []Executable { return p.Executables }, executableKey, joinExecutable),
		Files:        mergeBy(ps, func(p *Profile) []File { return p.Files }, func(f File) string { return string(f.Path) }, joinFile),
		Patterns:     mergeBy(ps, func(p *Profile) []Pattern { return p.Patterns }, func(x Pattern) string { return x.Glob }, joinPattern),
		Missing:      mergeBy(ps, func(p *Profile) []Missing { return p.Missing }, func(m Missing) string { return string(m.Path) }, joinMissing),
		Syscalls:     mergeBy(ps, func(p *Profile) []Syscall { return p.Syscalls }, func(s Syscall) string { return s.Name }, joinSyscall),
		Capabilities: mergeBy(ps, func(p *Profile) []Capability { return p.Capabilities }, func(c Capability) string { return c.Name }, joinCapability),
		Outside:      mergeBy(ps, func(p *Profile) []Outside { return p.Outside }, func(o Outside) string { return o.Prefix }, joinOutside),
		Network: Network{
			Listen:  mergeBy(ps, func(p *Profile) []Listen { return p.Network.Listen }, listenKey, joinListen),
			Accept:  mergeBy(ps, func(p *Profile) []Accept { return p.Network.Accept }, acceptKey, joinAccept),
			Connect: mergeBy(ps, func(p *Profile) []Connect { return p.Network.Connect }, connectKey, joinConnect),
			DNS:     mergeBy(ps, func(p *Profile) []DNS { return p.Network.DNS }, func(d DNS) string { return joinKey(d.Name, d.Type) }, joinDNS),
		},
	}
	for _, p := range ps {
		out.Metadata.Name = least(out.Metadata.Name, p.Metadata.Name)
		out.Metadata.Annotations = joinLabels(out.Metadata.Annotations, p.Metadata.Annotations)
	}
	return out, nil
}

// IsBound reports whether the paths of p were resolved in an image. A profile
// without executables and files is not bound.
func (p *Profile) IsBound() bool {
	for _, x := range p.Executables {
		return x.Bound
	}
	for _, f := range p.Files {
		return f.Bound
	}
	return false
}

func sameBinding(ps []*Profile) error {
	var bound, unbound bool
	for _, p := range ps {
		for i := range p.Executables {
			bound, unbound = bound || p.Executables[i].Bound, unbound || !p.Executables[i].Bound
		}
		for i := range p.Files {
			bound, unbound = bound || p.Files[i].Bound, unbound || !p.Files[i].Bound
		}
	}
	if bound && unbound {
		return ErrMixed
	}
	return nil
}

// mergeBy joins the entries of a section by key and sorts them by it. The join
// must copy what it takes: every entry is joined to a zero one.
func mergeBy[T any](ps []*Profile, section func(*Profile) []T, key func(T) string, join func(*T, T)) []T {
	total := 0
	for _, p := range ps {
		total += len(section(p))
	}
	if total == 0 {
		return nil
	}
	type place struct {
		key string
		at  int
	}
	entries, order := make([]T, total), make([]place, 0, total)
	for _, p := range ps {
		for _, x := range section(p) {
			own := &entries[len(order)]
			join(own, x)
			order = append(order, place{key(*own), len(order)})
		}
	}
	byKey := func(a, b place) int { return strings.Compare(a.key, b.key) }
	if isSetFunc(order, byKey) { // as what was merged before
		return entries
	}
	slices.SortStableFunc(order, byKey)
	out := make([]T, 0, total)
	for len(order) > 0 {
		same := 1
		for same < len(order) && order[same].key == order[0].key {
			same++
		}
		if same == 1 {
			out, order = append(out, entries[order[0].at]), order[1:]
			continue
		}
		group := make([]T, same)
		for i, p := range order[:same] {
			group[i] = entries[p.at]
		}
		out, order = append(out, joinAll(group, join)), order[same:]
	}
	return slices.Clip(out)
}

// joinAll joins entries pairwise, so that n sets that grow together cost
// n log n and not n squared.
func joinAll[T any](group []T, join func(*T, T)) T {
	for len(group) > 1 {
		half := (len(group) + 1) / 2
		for i := half; i < len(group); i++ {
			join(&group[i-half], group[i])
		}
		group = group[:half]
	}
	return group[0]
}

// joinKey makes one key of several parts, none of which can hold a NUL.
func joinKey(parts ...string) string { return strings.Join(parts, "\x00") }

// union is the sorted union of two sets; nil when empty.
func union[T cmp.Ordered](a, b []T) []T {
	if len(a)+len(b) == 0 {
		return nil
	}
	if len(a) == 0 && isSet(b) {
		return slices.Clip(slices.Clone(b))
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Clip(slices.Compact(all))
}

// isSet reports whether a list is sorted and has nothing twice.
func isSet[T cmp.Ordered](list []T) bool { return isSetFunc(list, cmp.Compare[T]) }

func isSetFunc[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

// least is the smaller of two strings, where "" is no string.
func least(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// joinLabels unites two maps; of two values for a key the smaller one stays.
func joinLabels(a, b map[string]string) map[string]string {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := make(map[string]string, len(a)+len(b))
	maps.Copy(out, a)
	for key, value := range b {
		if old, ok := out[key]; !ok || value < old {
			out[key] = value
		}
	}
	return out
}

func joinSeen(a, b Seen) Seen {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := make(Seen, len(a)+len(b))
	for _, side := range []Seen{a, b} {
		for id, c := range side {
			old := out[id]
			out[id] = Count{max(old.N, c.N), earlier(old.First, c.First), later(old.Last, c.Last)}
		}
	}
	return out
}

// earlier is the earlier of two times, where the zero time is no time.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return utc(b)
	}
	return utc(a)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return utc(b)
	}
	return utc(a)
}

// utc is t without zone and monotonic clock, so that equal times are equal
// bytes.
func utc(t time.Time) time.Time { return t.UTC().Round(0) }

func imageKey(i Image) string {
	switch {
	case i.Digest != "":
		return joinKey("1", i.Digest)
	case len(i.ConfigDigest) > 0:
		return joinKey("2", slices.Min(i.ConfigDigest))
	case len(i.Refs) > 0:
		return joinKey("3", slices.Min(i.Refs))
	default:
		return ""
	}
}

func joinImage(dst *Image, src Image) {
	dst.Digest = src.Digest
	dst.IndexDigest = union(dst.IndexDigest, src.IndexDigest)
	dst.ConfigDigest = union(dst.ConfigDigest, src.ConfigDigest)
	dst.Refs = union(dst.Refs, src.Refs)
	dst.Platform = least(dst.Platform, src.Platform)
	if slices.Compare(src.DiffIDs, dst.DiffIDs) > 0 {
		dst.DiffIDs = slices.Clone(src.DiffIDs)
	}
}

// sourceKey sorts by the id that a source has, or has to have.
func sourceKey(s Source) string {
	if s.ID != "" {
		return s.ID
	}
	return SourceID(s)
}

// joinSource keeps one of two sources that claim the same id, which the id's
// definition allows for equal ones only.
func joinSource(dst *Source, src Source) {
	src = sortedSource(src)
	src.ID = sourceKey(src)
	if dst.ID == "" || sourceBytes(src) < sourceBytes(*dst) {
		*dst = src
	}
}

func sourceBytes(s Source) string {
	e := encoder{}
	if err := e.value(reflect.ValueOf(s)); err != nil {
		return string(bytes.ToValidUTF8(e.out, nil))
	}
	return string(e.out)
}

func sortedSource(s Source) Source {
	s.Scenarios = union(s.Scenarios, nil)
	s.Observes = union(s.Observes, nil)
	s.Notes = union(s.Notes, nil)
	s.Window = Window{utc(s.Window.Start), utc(s.Window.End)}
	s.Subject.Workload.Labels = joinLabels(s.Subject.Workload.Labels, nil)
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
