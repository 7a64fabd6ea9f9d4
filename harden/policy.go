package harden

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Level says how much a plan drops. Each level drops what the one before drops.
type Level string

// The levels.
const (
	Binaries Level = "binaries" // unused programs, scripts, and links and applets that lead to them
	Packages Level = "packages" // also unused libraries and packages, package-manager state, documentation
)

// ParseLevel reads a level's name.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case Binaries, Packages:
		return l, nil
	}
	return "", fmt.Errorf("unknown level %q: levels are binaries and packages", s)
}

// Policy is what the user wants.
type Policy struct {
	Level           Level    `json:"level"`
	Keep            []string `json:"keep"` // paths or globs; of a directory everything below it
	Drop            []string `json:"drop"`
	Rebase          bool     `json:"rebase"`
	AllowIncomplete bool     `json:"allowIncomplete"`
	AllowStaleRPMDB bool     `json:"allowStaleRPMDB"`
}

// Validate reports a level or a rule that cannot be used.
func (p Policy) Validate() error {
	_, err := p.normal()
	return err
}

// normal gives the policy with sorted, clean rules, so that two ways to write
// the same policy make the same plan.
func (p Policy) normal() (Policy, error) {
	if p.Level == "" {
		p.Level = Packages
	}
	if _, err := ParseLevel(string(p.Level)); err != nil {
		return p, err
	}
	for _, rules := range []*[]string{&p.Keep, &p.Drop} {
		clean := make([]string, 0, len(*rules))
		for _, r := range *rules {
			c := strings.Trim(path.Clean("/"+r), "/")
			if c == "" {
				return p, fmt.Errorf("the rule %q means the whole image", r)
			}
			if err := checkGlob(c); err != nil {
				return p, fmt.Errorf("the rule %q: %w", r, err)
			}
			clean = append(clean, c)
		}
		slices.Sort(clean)
		*rules = slices.Compact(clean)
	}
	return p, nil
}

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

// matchRule tells whether a path is named by a rule or lies below what it names.
func matchRule(rule, p string) bool {
	return matchSegments(strings.Split(rule, "/"), strings.Split(p, "/"))
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

// matchAny gives the first rule that a path falls under.
func matchAny(rules []string, p string) (string, bool) {
	for _, r := range rules {
		if matchRule(r, p) {
			return r, true
		}
	}
	return "", false
}
