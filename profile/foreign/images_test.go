package foreign

import (
	"errors"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// TestAnotherImage refuses records of another image only where every digest is
// known that they could mean.
func TestAnotherImage(t *testing.T) {
	t.Parallel()
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	whole := profile.Image{Digest: digest("a"), IndexDigest: []string{digest("b")}, ConfigDigest: []string{digest("c")}}
	single := whole
	single.IndexDigest = nil
	named := func(c string) string { return "registry.example.com/web@" + digest(c) }
	for name, test := range map[string]struct {
		image   profile.Image
		rebase  bool
		records []string
		note    bool
		refused bool
	}{
		"manifest":                    {image: whole, records: []string{named("a")}},
		"index":                       {image: whole, records: []string{named("b")}},
		"config":                      {image: whole, records: []string{digest("c")}},
		"config beside another name":  {image: whole, records: []string{named("e"), digest("c")}},
		"another":                     {image: whole, records: []string{named("e")}, refused: true},
		"another config":              {image: whole, records: []string{digest("e")}, refused: true},
		"another, by the user's word": {image: whole, rebase: true, records: []string{named("e")}, note: true},
		"the index is not known":      {image: single, records: []string{named("e")}, note: true},
		"a tag":                       {image: whole, records: []string{"registry.example.com/web:1"}},
		"a digest that is not whole":  {image: whole, records: []string{"web@sha256:eeee"}},
		"no image is named":           {records: []string{named("e")}},
	} {
		names := ImageNames{}
		names.Add(test.records...)
		note, err := names.Check(Options{Image: test.image, Rebase: test.rebase})
		if errors.Is(err, ErrImage) != test.refused || (note != "") != test.note {
			t.Errorf("%s: %q, %v", name, note, err)
		}
		if test.refused && (!strings.Contains(err.Error(), digest("e")) || !strings.Contains(err.Error(), digest("a"))) {
			t.Errorf("%s: the error does not name both: %v", name, err)
		}
	}
	names := ImageNames{}
	names.Add(named("a"))
	names.Add(named("f"))
	names.Add(named("e"))
	if _, err := names.Check(Options{Image: whole}); err == nil || !strings.Contains(err.Error(), digest("e")) {
		t.Errorf("of several: %v", err)
	}
}
