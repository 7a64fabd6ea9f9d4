package profile

import "slices"

// SameImage reports whether two profiles can be about one image, or about the
// platforms of one index: false only where an image of the one and an image of
// the other are known to differ and nothing connects the profiles. Names of
// images say nothing, since they move.
func SameImage(a, b *Profile) bool {
	differ := false
	for _, x := range a.Images {
		for _, y := range b.Images {
			switch {
			case !x.isKnown() || !y.isKnown():
			case x.sharesIdentity(y):
				return true
			case x.Platform == "" || y.Platform == "" || x.Platform == y.Platform:
				differ = true
			}
		}
	}
	return !differ
}

// isKnown reports whether there is more than names.
func (i Image) isKnown() bool {
	return i.Digest != "" || len(i.IndexDigest)+len(i.ConfigDigest)+len(i.DiffIDs) > 0
}

// sharesIdentity reports whether a digest of two images is the same. Where the
// kinds of digest are different ones, nothing tells them apart.
func (i Image) sharesIdentity(other Image) bool {
	overlap := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(d string) bool { return slices.Contains(b, d) })
	}
	manifests := func(x Image) []string {
		list := slices.Clone(x.IndexDigest)
		if x.Digest != "" {
			list = append(list, x.Digest)
		}
		return list
	}
	a, b := manifests(i), manifests(other)
	compared := false
	for _, pair := range [][2][]string{{a, b}, {i.ConfigDigest, other.ConfigDigest}} {
		if overlap(pair[0], pair[1]) {
			return true
		}
		compared = compared || len(pair[0]) > 0 && len(pair[1]) > 0
	}
	if len(i.DiffIDs) > 0 && len(other.DiffIDs) > 0 {
		return slices.Equal(i.DiffIDs, other.DiffIDs)
	}
	return !compared
}
