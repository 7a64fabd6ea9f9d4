package netpolicy

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// timeLayout is RFC 3339 in UTC, to the second.
const timeLayout = "2006-01-02T15:04:05Z"

// tally gathers evidence; the zero value is empty.
type tally struct {
	observed []string
	sources  []string
	names    []string
	keys     []string
	outcome  []string
	reasons  []string
	notes    []string
	runs     []string
	count    int64
	first    string
	last     string
}

// add gathers what others gathered.
func (t *tally) add(o *tally) {
	t.observed = append(t.observed, o.observed...)
	t.sources = append(t.sources, o.sources...)
	t.names = append(t.names, o.names...)
	t.keys = append(t.keys, o.keys...)
	t.outcome = append(t.outcome, o.outcome...)
	t.reasons = append(t.reasons, o.reasons...)
	t.notes = append(t.notes, o.notes...)
	t.runs = append(t.runs, o.runs...)
	t.counted(o.count)
	t.between(o.first, o.last)
}

// counted adds n; a sum too large to hold stays at the largest number.
func (t *tally) counted(n int64) {
	if n = max(n, 0); t.count > math.MaxInt64-n {
		n = math.MaxInt64 - t.count
	}
	t.count += n
}

// between widens the time span; RFC 3339 in UTC sorts as text.
func (t *tally) between(first, last string) {
	if first != "" && (t.first == "" || first < t.first) {
		t.first = first
	}
	if last > t.last {
		t.last = last
	}
}

// sawn is the tally of what sources counted; runs maps sources to runs.
func (t *tally) sawn(seen profile.Seen, runs map[string]string) {
	for id, c := range seen {
		t.counted(c.N)
		t.runs = append(t.runs, runs[id])
		if !c.First.IsZero() {
			t.between(c.First.UTC().Format(timeLayout), "")
		}
		if !c.Last.IsZero() {
			t.between("", c.Last.UTC().Format(timeLayout))
		}
	}
}

// evidence is the sorted form. Executables are shown as kept when kept says so.
func (t *tally) evidence(kept func(string) bool, unknown bool) Evidence {
	ev := Evidence{
		Observed:    sorted(t.observed),
		Sources:     sorted(t.sources),
		Attribution: profile.AttributionProcess,
		Count:       t.count,
		Runs:        len(sorted(slices.DeleteFunc(t.runs, func(s string) bool { return s == "" }))),
		First:       t.first,
		Last:        t.last,
		Outcome:     sorted(t.outcome),
	}
	for _, key := range sorted(t.keys) {
		ev.Executables = append(ev.Executables, Executable{Key: key, Kept: kept(key)})
	}
	if unknown {
		ev.Attribution = "unknown"
	}
	return ev
}

// sources answers what the entries of a profile say by source id.
type sources struct {
	runs     map[string]string // source id → run
	observed map[string]bool   // ids of observed sources
	listens  map[string]bool   // ids of those that see listeners
}

func newSources(p *profile.Profile) sources {
	s := sources{runs: map[string]string{}, observed: map[string]bool{}, listens: map[string]bool{}}
	for _, src := range p.Sources {
		s.runs[src.ID] = cmp.Or(src.Run, src.ID)
		s.observed[src.ID] = src.Kind == profile.KindObserved
		s.listens[src.ID] = src.Kind == profile.KindObserved && slices.Contains(src.Observes, profile.ObservesListen)
	}
	return s
}

// declaredOnly reports whether no recording saw what seen is about. What names
// no source was written by hand and is believed.
func (s sources) declaredOnly(ids []string) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool {
		observed, known := s.observed[id]
		return observed || !known
	})
}

// info describes the evidence as a whole.
func info(p *profile.Profile, digest string) ProfileInfo {
	inf := ProfileInfo{Digest: digest, Complete: p.Complete(), Observes: []string{}}
	runs := map[string]bool{}
	var span tally
	for _, src := range p.Sources {
		if src.Kind != profile.KindObserved {
			continue
		}
		runs[cmp.Or(src.Run, src.ID)] = true
		if !src.Window.Start.IsZero() {
			span.between(src.Window.Start.UTC().Format(timeLayout), "")
		}
		if !src.Window.End.IsZero() {
			span.between("", src.Window.End.UTC().Format(timeLayout))
		}
	}
	inf.From, inf.To, inf.Runs = span.first, span.last, len(runs)
	if seen := p.Observes(); len(seen) > 0 {
		inf.Observes = slices.Sorted(maps.Keys(seen))
	}
	return inf
}
