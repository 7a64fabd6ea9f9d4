package fold

import (
	"cmp"
	"slices"
	"time"

	"github.com/lathe-build/lathe/profile"
)

// maxScan is how many members of a set are searched one by one.
const maxScan = 12

// set is a set that is small in most cases.
type set[T cmp.Ordered] struct {
	list  []T
	index map[T]struct{} // once there are many
}

// has reports whether v is a member.
func (s *set[T]) has(v T) bool {
	if s.index != nil {
		_, ok := s.index[v]
		return ok
	}
	return slices.Contains(s.list, v)
}

// add adds v, which must not be a member.
func (s *set[T]) add(v T) {
	s.list = append(s.list, v)
	switch {
	case s.index != nil:
		s.index[v] = struct{}{}
	case len(s.list) > maxScan:
		s.index = make(map[T]struct{}, 2*len(s.list))
		for _, member := range s.list {
			s.index[member] = struct{}{}
		}
	}
}

// mask is a set of words of a vocabulary, by their positions.
type mask uint32

// words is the members of m.
func (m mask) words(vocabulary []string) []string {
	var out []string
	for i, word := range vocabulary {
		if m&(1<<i) != 0 {
			out = append(out, word)
		}
	}
	return out
}

// count is how often and when.
type count struct {
	n           int64
	first, last time.Time
}

func (c *count) add(at time.Time) {
	c.n++
	c.see(at)
}

func (c *count) see(at time.Time) {
	if at.IsZero() {
		return
	}
	if c.first.IsZero() || at.Before(c.first) {
		c.first = at
	}
	if at.After(c.last) {
		c.last = at
	}
}

func (c count) seen(id string) profile.Seen {
	return profile.Seen{id: {N: c.n, First: c.first, Last: c.last}}
}

// vocabularies are the words that a profile knows, in the order of the masks.
type vocabularies struct {
	access, origin, phase, layer, result, attribution, nameSource, capabilityPhase, capabilityResult []string
}

func newVocabularies() vocabularies {
	return vocabularies{
		access: []string{
			profile.AccessExec, profile.AccessOpen, profile.AccessRead, profile.AccessWrite, profile.AccessCreate,
			profile.AccessMmap, profile.AccessMmapExec, profile.AccessStat, profile.AccessReadlink, profile.AccessList,
			profile.AccessListed, profile.AccessUnlink, profile.AccessRename, profile.AccessChmod,
		},
		origin: []string{
			profile.OriginEntrypoint, profile.OriginChild, profile.OriginProbe, profile.OriginAttach,
			profile.OriginRuntime, profile.OriginUnknown,
		},
		phase: []string{profile.PhaseStartup, profile.PhaseServing, profile.PhaseShutdown},
		layer: []string{profile.LayerImage, profile.LayerUpper, profile.LayerVolume, profile.LayerMemfd, profile.LayerUnknown},
		result: []string{
			profile.ResultEstablished, profile.ResultRefused, profile.ResultTimeout, profile.ResultUnreachable,
			profile.ResultInProgress, profile.ResultSent, profile.ResultProbeOnly, profile.ResultDenied, profile.ResultAlreadyOpen,
		},
		attribution: []string{
			profile.AttributionProcess, profile.AttributionContainer, profile.AttributionPod, profile.AttributionNone,
		},
		nameSource: []string{
			profile.NameDNSOfProcess, profile.NameDNSOfPod, profile.NameNodeCache, profile.NameSNI, profile.NameHubble,
			profile.NameUser,
		},
		capabilityPhase:  []string{profile.PhaseRuntime, profile.PhaseApp},
		capabilityResult: []string{"granted", "denied"},
	}
}
