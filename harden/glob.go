package harden

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxStars bounds the work of matching one glob.
const maxStars = 16

var errGlob = errors.New("not a glob")

func checkGlob(glob string) error {
	if strings.Count(glob, "*") > maxStars {
		return fmt.Errorf("%w: more than %d stars", errGlob, maxStars)
	}
	for seg := range strings.SplitSeq(glob, "/") {
		if _, err := path.Match(seg, ""); err != nil {
			return fmt.Errorf("%w: %w", errGlob, err)
		}
	}
	return nil
}

// widened cuts a glob of too many stars off where they begin to be too many: a
// glob names what is below its matches, too, so that nothing is lost.
func widened(glob string) string {
	segs := strings.Split(glob, "/")
	stars := 0
	for i, seg := range segs {
		if stars += strings.Count(seg, "*"); stars > maxStars {
			if i == 0 {
				return "**"
			}
			return strings.Join(segs[:i], "/")
		}
	}
	return glob
}

// cleanGlob gives a path or glob without a slash at its ends.
func cleanGlob(r string) (string, error) {
	c := strings.Trim(path.Clean("/"+r), "/")
	if c == "" {
		return "", fmt.Errorf("the rule %q means the whole image", r)
	}
	if err := checkGlob(c); err != nil {
		return "", fmt.Errorf("the rule %q: %w", r, err)
	}
	return c, nil
}

// hasMeta tells globs from paths.
func hasMeta(glob string) bool { return strings.ContainsAny(glob, `*?[\`) }

// pattern is a glob that is taken apart once.
type pattern struct {
	segs  []string
	plain string // the components in front of the first with a star
	part  string // a text without stars that every match has
}

func newPattern(glob string) pattern {
	g := pattern{segs: strings.Split(glob, "/")}
	n := 0
	for n < len(g.segs) && !hasMeta(g.segs[n]) {
		n++
	}
	g.plain = strings.Join(g.segs[:n], "/")
	for _, seg := range g.segs[n:] {
		if strings.ContainsAny(seg, `[\`) {
			continue
		}
		for part := range strings.FieldsFuncSeq(seg, func(r rune) bool { return r == '*' || r == '?' }) {
			if len(part) > len(g.part) {
				g.part = part
			}
		}
	}
	return g
}

// match tells whether a path is named by a glob or lies below what it names.
func (g pattern) match(p string) bool {
	if !strings.HasPrefix(p, g.plain) || !strings.Contains(p[len(g.plain):], g.part) {
		return false
	}
	return matchSegments(g.segs, strings.Split(p, "/"))
}

// matchSegments matches with ** for any number of segments, remembering for
// each segment of the glob how far it can be reached: time is the product of
// the lengths. What is left of the path is below the match.
func matchSegments(glob, segs []string) bool {
	reach := make([]bool, len(glob)+1)
	reach[0] = true
	skip := func() {
		for i, g := range glob {
			if g == "**" && reach[i] {
				reach[i+1] = true
			}
		}
	}
	skip()
	for _, s := range segs {
		if reach[len(glob)] {
			return true
		}
		next := make([]bool, len(glob)+1)
		for i, g := range glob {
			if !reach[i] {
				continue
			}
			if g == "**" {
				next[i] = true
			} else if ok, err := path.Match(g, s); err == nil && ok {
				next[i+1] = true
			}
		}
		reach = next
		skip()
	}
	return reach[len(glob)]
}
