package profile

import (
	"slices"
	"strings"
)

// SameImage reports whether two profiles can be about one image, or about the
// platforms of one index: false only where an image of the one and an image of
// the other are known to differ and nothing connects the profiles. Names of
// images say nothing, since they move.
func SameImage(a, b *Profile) bool {
	other := identitiesOf(b)
	differ := false
	for i := range a.Images {
		x := &a.Images[i]
		switch {
		case !x.isKnown():
		case other.have(x):
			return true
		default:
			differ = differ || x.Platform == "" && len(other.platforms) > 0 || other.platforms[""] || other.platforms[x.Platform]
		}
	}
	return !differ
}

// isKnown reports whether there is more than names.
func (i *Image) isKnown() bool { return i.Digest != "" || i.kinds() != digestKinds{} }

// digestKinds says which kinds of digests are known of an image.
type digestKinds struct{ manifest, config, diffIDs bool }

func (i *Image) kinds() digestKinds {
	return digestKinds{i.Digest != "" || len(i.IndexDigest) > 0, len(i.ConfigDigest) > 0, len(i.DiffIDs) > 0}
}

// identities are those of all images of a profile of which more than names is
// known.
type identities struct {
	manifests, configs, diffIDs map[string]bool
	kinds                       map[digestKinds]bool
	platforms                   map[string]bool
}

func identitiesOf(p *Profile) *identities {
	s := &identities{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[digestKinds]bool{}, map[string]bool{}}
	for n := range p.Images {
		i := &p.Images[n]
		if !i.isKnown() {
			continue
		}
		s.kinds[i.kinds()], s.platforms[i.Platform] = true, true
		for _, d := range i.IndexDigest {
			s.manifests[d] = true
		}
		if i.Digest != "" {
			s.manifests[i.Digest] = true
		}
		for _, d := range i.ConfigDigest {
			s.configs[d] = true
		}
		if len(i.DiffIDs) > 0 {
			s.diffIDs[strings.Join(i.DiffIDs, "\n")] = true
		}
	}
	return s
}

// have reports whether one of the images has a digest of x, or only digests of
// kinds that x has none of, which nothing tells apart.
func (s *identities) have(x *Image) bool {
	in := func(set map[string]bool) func(string) bool { return func(d string) bool { return set[d] } }
	if s.manifests[x.Digest] || slices.ContainsFunc(x.IndexDigest, in(s.manifests)) || slices.ContainsFunc(x.ConfigDigest, in(s.configs)) {
		return true
	}
	if len(x.DiffIDs) > 0 && s.diffIDs[strings.Join(x.DiffIDs, "\n")] {
		return true
	}
	mine := x.kinds()
	for k := range s.kinds {
		if (!mine.manifest || !k.manifest) && (!mine.config || !k.config) && (!mine.diffIDs || !k.diffIDs) {
			return true
		}
	}
	return false
}
