package profile

import "testing"

func TestSameImage(t *testing.T) {
	t.Parallel()
	a, b, index := digestOf('a'), digestOf('b'), digestOf('f')
	for name, test := range map[string]struct {
		one, two Image
		want     bool
	}{
		"one digest":              {Image{Digest: a}, Image{Digest: a}, true},
		"two digests":             {Image{Digest: a}, Image{Digest: b}, false},
		"two platforms":           {Image{Digest: a, Platform: "linux/amd64"}, Image{Digest: b, Platform: "linux/arm64"}, true},
		"the index of it":         {Image{Digest: index}, Image{Digest: a, IndexDigest: []string{index}}, true},
		"one config":              {Image{Digest: a, ConfigDigest: []string{b}}, Image{Digest: index, ConfigDigest: []string{b}}, true},
		"one list of layers":      {Image{Digest: a, DiffIDs: []string{a, b}}, Image{Digest: b, DiffIDs: []string{a, b}}, true},
		"other layers":            {Image{Digest: a, DiffIDs: []string{a, b}}, Image{Digest: b, DiffIDs: []string{b, a}}, false},
		"names only":              {Image{Refs: []string{"a"}}, Image{Refs: []string{"b"}}, true},
		"a name and a digest":     {Image{Refs: []string{"a"}}, Image{Digest: b}, true},
		"a digest and a config":   {Image{Digest: a}, Image{ConfigDigest: []string{b}}, true},
		"two config digests":      {Image{ConfigDigest: []string{a}}, Image{ConfigDigest: []string{b}}, false},
		"one of unknown platform": {Image{Digest: a}, Image{Digest: b, Platform: "linux/arm64"}, false},
	} {
		one, two := &Profile{Images: []Image{test.one}}, &Profile{Images: []Image{test.two}}
		if SameImage(one, two) != test.want || SameImage(two, one) != test.want {
			t.Errorf("%s: want %v", name, test.want)
		}
	}
	both := &Profile{Images: []Image{{Digest: a}, {Digest: b}}}
	if !SameImage(both, &Profile{Images: []Image{{Digest: b}}}) || !SameImage(both, &Profile{}) {
		t.Error("profiles that share an image, or have none, are refused")
	}
}
