package harden

import (
	"fmt"
	"path"
	"slices"
	"strconv"
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

// Policy is what the user wants: the flags of the command line and what
// [ReadPolicy] reads. Its zero value is the default.
type Policy struct {
	Level           Level    `json:"level"`
	Keep            []string `json:"keep"` // paths or globs; of a directory everything below it
	Drop            []string `json:"drop"`
	Rebase          bool     `json:"rebase"`
	AllowIncomplete bool     `json:"allowIncomplete"`
	AllowStaleRPMDB bool     `json:"allowStaleRPMDB"`
	KeepAttached    bool     `json:"keepAttached,omitempty"` // what people ran by hand is a reason to keep it

	Rules   []Rule      `json:"rules,omitempty"`   // of a policy file, in its order
	Answers []Answer    `json:"answers,omitempty"` // to conflicts of rules and evidence
	Plugins Plugins     `json:"plugins,omitempty"`
	SBOM    SBOM        `json:"sbom,omitempty"`
	Trust   []Trust     `json:"trust,omitempty"`
	File    *PolicyFile `json:"file,omitempty"` // where the rules come from
}

// PolicyFile names a policy file without saying where it lies.
type PolicyFile struct {
	Name   string `json:"name"`   // its base name
	SHA256 string `json:"sha256"` // of its bytes, hex
}

// Verb is what a rule does.
type Verb string

// The verbs of rules.
const (
	DoKeep Verb = "keep"
	DoDrop Verb = "drop"
	DoDeny Verb = "deny" // a class of tools: where one has to stay, there is no plan
)

// Rule is a rule of a policy file. It is about what all of its selectors that
// are not empty name.
type Rule struct {
	Do             Verb   `json:"do"`
	Path           string `json:"path,omitempty"`           // a path or glob; of a directory everything below it
	Package        string `json:"package,omitempty"`        // a package's name, with stars
	Class          string `json:"class,omitempty"`          // of tools, see [Classes]
	Layer          string `json:"layer,omitempty"`          // a position, the base is 0, or a digest or diff ID
	History        string `json:"history,omitempty"`        // a part of the command that made a layer
	ScriptCommands string `json:"scriptCommands,omitempty"` // a shell script, of which the commands are kept
	Reason         string `json:"reason,omitempty"`
	From           string `json:"from,omitempty"` // where it is written: policy.yaml:7
}

// Answer settles a conflict of a drop or deny rule and the evidence about one
// path.
type Answer struct {
	Path   string `json:"path"`
	Keep   bool   `json:"keep"`   // the rule gives way; else the evidence does
	Reason string `json:"reason"` // for people, never empty
	From   string `json:"from,omitempty"`
}

// Plugins says what becomes of libraries that a program can load, that nobody
// loaded, and that alone keep a package (rule R9).
type Plugins string

// What becomes of plugins. The zero value keeps them.
const (
	KeepPlugins  Plugins = "keep"
	DropUnloaded Plugins = "dropUnloaded"
)

// SBOM says what becomes of software bills of materials inside the image, which
// say what it held before.
type SBOM string

// What becomes of software bills of materials. The zero value keeps them: a
// scanner that reads one reports what is gone, rather than nothing of what it
// alone lists.
const (
	KeepSBOM SBOM = "keep"
	DropSBOM SBOM = "drop"
)

// Trust is a person's word that sources of a profile saw all there was to see of
// some kind.
type Trust struct {
	Source   string   `json:"source"`   // a source's id, recorder or format
	Observes []string `json:"observes"` // profile.Observes... words
	Reason   string   `json:"reason,omitempty"`
	From     string   `json:"from,omitempty"`
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
			c, err := cleanGlob(r)
			if err != nil {
				return p, err
			}
			clean = append(clean, c)
		}
		slices.Sort(clean)
		*rules = slices.Compact(clean)
	}
	if n := len(p.Keep) + len(p.Drop) + len(p.Rules) + len(p.Answers) + len(p.Trust); n > MaxRules {
		return p, fmt.Errorf("the policy has %d rules, more than %d", n, MaxRules)
	}
	if err := p.normalRules(); err != nil {
		return p, err
	}
	if p.Plugins != "" && p.Plugins != KeepPlugins && p.Plugins != DropUnloaded {
		return p, fmt.Errorf("plugins is %s or %s, not %q", KeepPlugins, DropUnloaded, p.Plugins)
	}
	if p.SBOM != "" && p.SBOM != KeepSBOM && p.SBOM != DropSBOM {
		return p, fmt.Errorf("sbom is %s or %s, not %q", KeepSBOM, DropSBOM, p.SBOM)
	}
	return p, p.normalTrust()
}

func (p *Policy) normalRules() error {
	p.Rules, p.Answers = slices.Clone(p.Rules), slices.Clone(p.Answers)
	for i := range p.Rules {
		if err := p.Rules[i].normal(); err != nil {
			return located(p.Rules[i].From, err)
		}
	}
	for i := range p.Answers {
		a := &p.Answers[i]
		c, err := cleanGlob(a.Path)
		switch {
		case err != nil:
			return located(a.From, err)
		case hasMeta(c):
			return located(a.From, fmt.Errorf("an answer is about one path, not about %q", a.Path))
		case strings.TrimSpace(a.Reason) == "":
			return located(a.From, fmt.Errorf("the answer about %q gives no reason", a.Path))
		}
		a.Path = c
		for _, b := range p.Answers[:i] {
			if b.Path == a.Path {
				return located(a.From, fmt.Errorf("%q is answered twice", a.Path))
			}
		}
	}
	return nil
}

func located(from string, err error) error {
	if from == "" {
		return err
	}
	return fmt.Errorf("%s: %w", from, err)
}

// normal checks a rule and cleans its globs.
func (r *Rule) normal() error {
	switch r.Do {
	case DoKeep, DoDrop, DoDeny:
	default:
		return fmt.Errorf("a rule keeps, drops or denies, not %q", r.Do)
	}
	selectors := r.selectors()
	switch {
	case len(selectors) == 0:
		return fmt.Errorf("the %s rule says of nothing what it is about", r.Do)
	case r.Do == DoDeny && (r.Class == "" || len(selectors) > 1):
		return fmt.Errorf("a deny rule is about a class and nothing else")
	case r.ScriptCommands != "" && (r.Do != DoKeep || len(selectors) > 1):
		return fmt.Errorf("scriptCommands is a keep rule of its own")
	}
	for _, glob := range []*string{&r.Path, &r.ScriptCommands} {
		if *glob == "" {
			continue
		}
		c, err := cleanGlob(*glob)
		if err != nil {
			return err
		}
		*glob = c
	}
	if _, err := path.Match(r.Package, ""); err != nil || strings.Count(r.Package, "*") > maxStars {
		return fmt.Errorf("the package %q is no name with stars", r.Package)
	}
	if r.Class != "" && !isToolClass(r.Class) {
		return fmt.Errorf("there is no class %q: classes are %s", r.Class, strings.Join(toolClasses(), ", "))
	}
	return checkLayer(r.Layer)
}

// checkLayer accepts a position or a digest.
func checkLayer(s string) error {
	if n, err := strconv.Atoi(s); s == "" || err == nil && n >= 0 && strconv.Itoa(n) == s {
		return nil
	}
	sum, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
		return fmt.Errorf("the layer %q is neither a position nor a sha256 digest", s)
	}
	return nil
}

// selectors are what a rule is about, in words.
func (r *Rule) selectors() []string {
	var list []string
	for _, s := range [][2]string{
		{"path", r.Path},
		{"package", r.Package},
		{"class", r.Class},
		{"layer", r.Layer},
		{"history", r.History},
		{"commands of", r.ScriptCommands},
	} {
		if s[1] != "" {
			list = append(list, s[0]+" "+s[1])
		}
	}
	return list
}

// String says where a rule is written, what it is about and why.
func (r Rule) String() string {
	text := r.From
	if text == "" {
		text = "a " + string(r.Do) + " rule"
	}
	text += " (" + strings.Join(r.selectors(), ", ") + ")"
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text
}

// Limits on a policy.
const (
	// MaxRules is how many rules, answers and words of trust a policy may have.
	MaxRules = 1000
	// MaxPolicyBytes is the largest policy file, in bytes.
	MaxPolicyBytes = 1 << 20
	// MaxPolicyText is the longest text in a policy file, in bytes.
	MaxPolicyText = 4 << 10
)
