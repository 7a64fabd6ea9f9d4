package profile

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// IsComplete reports whether it means anything that s did not see something:
// it observed from start to end, and either knows that it lost nothing or a
// person vouches for it.
func (s Source) IsComplete() bool {
	return s.Kind == KindObserved && s.Complete && (s.Vouched || s.Lost.Known && s.Lost.Events == 0)
}

// Complete reports whether some source of p is complete.
func (p *Profile) Complete() bool {
	return slices.ContainsFunc(p.Sources, Source.IsComplete)
}

// Observes is what at least one complete source was able to see: Observes...
// constants. The absence of anything else from p means nothing.
func (p *Profile) Observes() map[string]bool {
	set := map[string]bool{}
	for _, s := range p.Sources {
		if s.IsComplete() {
			for _, o := range s.Observes {
				set[o] = true
			}
		}
	}
	return set
}

// Coverage is a summary of what a profile is worth.
type Coverage struct {
	Runs       int      `json:"runs"`                 // distinct runs; sources that name none count as one each
	Sources    int      `json:"sources"`              // of all kinds
	Observed   int      `json:"observed"`             // sources that are recordings
	Complete   int      `json:"complete"`             // of these, those that are complete
	Vouched    int      `json:"vouched"`              // of these, those that are complete because a person says so
	Recorders  []string `json:"recorders,omitempty"`  // names and versions
	Hosts      []string `json:"hosts,omitempty"`      // kernel and architecture
	Scenarios  []string `json:"scenarios,omitempty"`  // of all sources
	Observes   []string `json:"observes,omitempty"`   // what some complete source could see
	Always     []string `json:"always,omitempty"`     // what every complete source could see
	Incomplete []string `json:"incomplete,omitempty"` // what only sources that are not complete could see
	Lost       int64    `json:"lost"`                 // events that are known to be lost
	LostKnown  bool     `json:"lostKnown"`            // every recording knows what it lost

	Start   *time.Time `json:"start,omitempty"`   // of the earliest recording
	End     *time.Time `json:"end,omitempty"`     // of the latest recording
	Seconds float64    `json:"seconds,omitempty"` // recorded time of all sources together, in whole microseconds

	Counts Counts   `json:"counts"`
	Bound  bool     `json:"bound"`
	Notes  []string `json:"notes,omitempty"` // of all sources

	// NewFiles is how many files each run, in the order of their start, saw
	// that no run before it had seen. Unseen estimates by Chao's second
	// estimator, f1²/(2·f2), how many files all of them missed, where f1 and f2
	// are the files that exactly one and exactly two runs saw; where f2 is zero,
	// by its bias-corrected form, f1·(f1-1)/2. It needs three runs and is nil
	// where there are fewer.
	NewFiles []int `json:"newFiles,omitempty"`
	Unseen   *int  `json:"unseen,omitempty"`
}

// Counts is the number of entries in each section.
type Counts struct {
	Images       int `json:"images"`
	Executables  int `json:"executables"`
	Files        int `json:"files"`
	Patterns     int `json:"patterns"`
	Missing      int `json:"missing"`
	Listen       int `json:"listen"`
	Accept       int `json:"accept"`
	Connect      int `json:"connect"`
	Unattributed int `json:"unattributed"` // connections of no known executable
	DNS          int `json:"dns"`
	Syscalls     int `json:"syscalls"`
	Capabilities int `json:"capabilities"`
	Outside      int `json:"outside"` // uses of paths that are in no image
}

// Coverage summarizes p.
func (p *Profile) Coverage() Coverage {
	c := Coverage{Sources: len(p.Sources), Counts: p.counts(), Bound: p.IsBound(), LostKnown: true}
	for _, s := range p.Sources {
		c.addSource(s)
	}
	c.Runs = len(p.runs())
	c.Observes = sortedKeys(p.Observes())
	c.Incomplete = slices.DeleteFunc(c.Incomplete, func(o string) bool { return slices.Contains(c.Observes, o) })
	if len(c.Incomplete) == 0 {
		c.Incomplete = nil
	}
	c.LostKnown = c.LostKnown && c.Observed > 0
	c.NewFiles, c.Unseen = p.saturation()
	return c
}

func (c *Coverage) addSource(s Source) {
	c.Scenarios = union(c.Scenarios, s.Scenarios)
	c.Notes = union(c.Notes, s.Notes)
	if s.Kind != KindObserved {
		return
	}
	c.Observed++
	c.Recorders = union(c.Recorders, words(s.Recorder.Name, s.Recorder.Version))
	c.Hosts = union(c.Hosts, words(s.Host.Kernel, s.Host.Arch))
	c.Lost += s.Lost.Events
	c.LostKnown = c.LostKnown && s.Lost.Known
	c.Incomplete = union(c.Incomplete, s.Observes)
	if s.IsComplete() {
		if c.Complete == 0 {
			c.Always = union(s.Observes, nil)
		}
		c.Always = slices.DeleteFunc(c.Always, func(o string) bool { return !slices.Contains(s.Observes, o) })
		c.Complete++
		if !s.Lost.Known {
			c.Vouched++
		}
	}
	from, to := s.Window.Start, s.Window.End
	if from.IsZero() || to.IsZero() {
		return
	}
	c.Seconds = (lasted(c.Seconds) + to.Sub(from)).Round(time.Microsecond).Seconds()
	if c.Start == nil || from.Before(*c.Start) {
		c.Start = &from
	}
	if c.End == nil || to.After(*c.End) {
		c.End = &to
	}
}

// lasted is a number of seconds as a duration, to the microsecond.
func lasted(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second)).Round(time.Microsecond)
}

// lastedText is a duration in three or four figures: "12m31s", "3.43s", "740ms".
func lastedText(seconds float64) string {
	d := lasted(seconds)
	switch {
	case d >= 10*time.Second:
		return d.Truncate(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.String()
}

// words is one string of a name and what belongs to it, in a list, or nothing.
func words(name, more string) []string {
	switch {
	case name == "" && more == "":
		return nil
	case name == "" || more == "":
		return []string{name + more}
	default:
		return []string{name + " " + more}
	}
}

func (p *Profile) counts() Counts {
	n := Counts{
		Images: len(p.Images), Executables: len(p.Executables), Files: len(p.Files), Patterns: len(p.Patterns),
		Missing: len(p.Missing), Listen: len(p.Network.Listen), Accept: len(p.Network.Accept),
		Connect: len(p.Network.Connect), DNS: len(p.Network.DNS), Syscalls: len(p.Syscalls),
		Capabilities: len(p.Capabilities),
	}
	for _, c := range p.Network.Connect {
		if len(c.By) == 0 {
			n.Unattributed++
		}
	}
	for _, o := range p.Outside {
		for _, count := range o.Seen {
			n.Outside += int(count.N)
		}
	}
	return n
}

// run is the recordings of one run.
type run struct {
	name  string
	start time.Time
	ids   []string
}

// runs is the runs of p, the earliest first.
func (p *Profile) runs() []run {
	var list []run
	index := map[string]int{}
	for _, s := range p.Sources {
		if s.Kind != KindObserved {
			continue
		}
		id := sourceKey(s)
		name := s.Run
		if name == "" {
			name = "\x00" + id
		}
		i, ok := index[name]
		if !ok {
			i = len(list)
			index[name] = i
			list = append(list, run{name: name})
		}
		list[i].start = earlier(list[i].start, s.Window.Start)
		list[i].ids = append(list[i].ids, id)
	}
	slices.SortFunc(list, func(a, b run) int {
		return cmp.Or(a.start.Compare(b.start), strings.Compare(a.name, b.name))
	})
	return list
}

// saturation tells how much each run added, and estimates what all missed.
func (p *Profile) saturation() (added []int, unseen *int) {
	runs := p.runs()
	if len(runs) < 2 {
		return nil, nil
	}
	of := map[string]int{} // source id to run
	for i, r := range runs {
		for _, id := range r.ids {
			of[id] = i
		}
	}
	added = make([]int, len(runs))
	var once, twice int
	for _, f := range p.Files {
		in := map[int]bool{}
		for _, id := range f.Seen {
			if i, ok := of[id]; ok {
				in[i] = true
			}
		}
		switch len(in) {
		case 0:
			continue
		case 1:
			once++
		case 2:
			twice++
		}
		first := len(runs)
		for i := range in {
			first = min(first, i)
		}
		added[first]++
	}
	if len(runs) < 3 {
		return added, nil
	}
	estimate := once * (once - 1) / 2
	if twice > 0 {
		estimate = once * once / (2 * twice)
	}
	return added, &estimate
}
