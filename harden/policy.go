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
	Files    Level = "files"    // also every file that was neither observed nor reached from what was
)

// ParseLevel reads a level's name.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case Binaries, Packages, Files:
		return l, nil
	}
	return "", fmt.Errorf("unknown level %q: levels are binaries, packages and files", s)
}

// Next gives the level that drops more, "" of the last.
func (l Level) Next() Level {
	switch l {
	case Binaries:
		return Packages
	case Packages:
		return Files
	case Files:
	}
	return ""
}

// Plugins says what becomes of libraries that nothing needs by linking and that
// the profile never saw loaded.
type Plugins string

// What becomes of plugins. By default they stay with their package.
const (
	// DropUnloaded drops plugins that only keep further packages, together with
	// these packages: rule R9. It matters at the level packages.
	DropUnloaded Plugins = "dropUnloaded"
)

// Policy is what the user wants.
type Policy struct {
	Level           Level    `json:"level"`
	Keep            []string `json:"keep"` // paths or globs; of a directory everything below it
	Drop            []string `json:"drop"`
	Rebase          bool     `json:"rebase"`
	AllowIncomplete bool     `json:"allowIncomplete"`
	AllowStaleRPMDB bool     `json:"allowStaleRPMDB"`
	Plugins         Plugins  `json:"plugins,omitempty"`
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
	if p.Plugins != "" && p.Plugins != DropUnloaded {
		return p, fmt.Errorf("unknown rule for plugins %q: the only one is %s", p.Plugins, DropUnloaded)
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

// spelling is a rule as the user wrote it and with the links above its last
// component, or above its first star, followed: /bin/sh means usr/bin/sh.
type spelling struct {
	rule      string
	canonical string
}

// spellings reads rules in an image.
func (p *planner) spellings(rules []string) []spelling {
	var list []spelling
	for _, r := range rules {
		segs := strings.Split(r, "/")
		n := 0
		for n < len(segs)-1 && !strings.ContainsAny(segs[n], `*?[\`) {
			n++
		}
		s := spelling{r, r}
		if target, _, err := p.tree.Resolve(path.Join(segs[:n]...)); err == nil && n > 0 {
			s.canonical = path.Join(append([]string{target}, segs[n:]...)...)
		}
		list = append(list, s)
	}
	return list
}

func (s spelling) match(name string) bool {
	return matchRule(s.rule, name) || s.canonical != s.rule && matchRule(s.canonical, name)
}

// matchAny gives the first rule that a path falls under.
func matchAny(rules []spelling, name string) (string, bool) {
	for _, s := range rules {
		if s.match(name) {
			return s.rule, true
		}
	}
	return "", false
}
