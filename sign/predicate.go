package sign

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// PredicateType is the type URI of [Predicate].
const PredicateType = "https://lathe.dev/hardening/v1alpha1"

// Limits on a predicate.
const (
	// MaxPredicate is the largest predicate, in bytes.
	MaxPredicate = 2 << 20
	// MaxPlatforms is the number of platforms it may list.
	MaxPlatforms = 256
)

// Predicate is what lathe attests about an image that it has hardened: what
// went in, what was decided, what came out, what was checked. It is small and
// stable; the details are in the plan, which it names by digest.
type Predicate struct {
	// Tool made the image.
	Tool Tool `json:"tool"`
	// Source is the digest of the image or index that was hardened.
	Source v1.Hash `json:"source"`
	// Profiles are the digests of the profile files, sorted.
	Profiles []v1.Hash `json:"profiles"`
	// Policy is the digest of the policy file, if there was one.
	Policy *v1.Hash `json:"policy,omitempty"`
	// Plan is the digest of plan.json.
	Plan v1.Hash `json:"plan"`
	// Hint is the digest of hint.json, if it was written.
	Hint *v1.Hash `json:"hint,omitempty"`
	// Level is "binaries", "packages" or "files".
	Level string `json:"level"`
	// Overrides are the safeguards that the user switched off, as flags without
	// dashes ("allow-incomplete", "allow-stale-rpmdb", "trust strace=exec,open"),
	// sorted.
	Overrides []string `json:"overrides,omitempty"`
	// Vouched are the digests of the profiles of which only the user says that
	// they are complete, sorted.
	Vouched []v1.Hash `json:"vouched,omitempty"`
	// Platforms are the images, one for a single image, sorted by name.
	Platforms []Platform `json:"platforms"`
	// Verified are the names of the checks that the result passed, sorted.
	Verified []string `json:"verified"`
	// Run is the run of the result under a recorder, if there was one.
	Run *Run `json:"run,omitempty"`
}

// Run is a run of the hardened image that passed: every scenario succeeded, and
// nothing that was dropped was asked for other than to see whether it is there.
type Run struct {
	// Scenarios are the names of the tests and start scenarios, sorted.
	Scenarios []string `json:"scenarios"`
	// Repaired are the paths that an earlier run missed and that are kept for
	// it, sorted.
	Repaired []string `json:"repaired,omitempty"`
}

// Tool is a program and its version.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Platform is what happened to the image of one platform.
type Platform struct {
	// Platform is written as "linux/amd64" or "linux/arm/v7".
	Platform string `json:"platform"`
	// Source and Image are the digests of the manifests before and after.
	Source v1.Hash `json:"source"`
	Image  v1.Hash `json:"image"`
	// Rebased says that the profile was recorded on another image.
	Rebased bool `json:"rebased,omitempty"`
	// DroppedClasses are the classes of attack tools of which nothing is left, sorted.
	DroppedClasses []string `json:"droppedClasses,omitempty"`
	// DroppedPackages are the names of the packages that are gone, sorted.
	DroppedPackages []string `json:"droppedPackages,omitempty"`
	// Before and After are what the image held and holds.
	Before Counts `json:"before"`
	After  Counts `json:"after"`
}

// Counts measure an image.
type Counts struct {
	// Bytes is the sum of the sizes of the files, uncompressed.
	Bytes int64 `json:"bytes"`
	// Files counts regular files, Executables those that are programs.
	Files       int64 `json:"files"`
	Executables int64 `json:"executables"`
	// Packages counts the entries of the package database.
	Packages int64 `json:"packages"`
}

// Marshal returns the predicate as JSON: lists sorted, the same bytes for the
// same content.
func (p Predicate) Marshal() ([]byte, error) {
	p = p.sorted()
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("encoding the predicate: %w", err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the predicate: %w", err)
	}
	if len(b) > MaxPredicate {
		return nil, fmt.Errorf("encoding the predicate: larger than %d bytes", MaxPredicate)
	}
	return b, nil
}

// ParsePredicate reads a predicate of type [PredicateType]. Unknown fields,
// missing digests and trailing data are refused.
func ParsePredicate(b []byte) (*Predicate, error) {
	if len(b) > MaxPredicate {
		return nil, fmt.Errorf("reading the predicate: larger than %d bytes", MaxPredicate)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var p Predicate
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("reading the predicate: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading the predicate: data after the document")
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("reading the predicate: %w", err)
	}
	return &p, nil
}

// sorted returns p with sorted copies of its lists.
func (p Predicate) sorted() Predicate {
	p.Profiles = sortedHashes(p.Profiles)
	p.Vouched = sortedHashes(p.Vouched)
	p.Overrides = sortedStrings(p.Overrides)
	p.Verified = sortedStrings(p.Verified)
	if p.Run != nil {
		p.Run = &Run{Scenarios: sortedStrings(p.Run.Scenarios), Repaired: sortedStrings(p.Run.Repaired)}
	}
	p.Platforms = slices.Clone(p.Platforms)
	for i, pl := range p.Platforms {
		p.Platforms[i].DroppedClasses = sortedStrings(pl.DroppedClasses)
		p.Platforms[i].DroppedPackages = sortedStrings(pl.DroppedPackages)
	}
	slices.SortStableFunc(p.Platforms, func(a, b Platform) int {
		if a.Platform != b.Platform {
			return cmp.Compare(a.Platform, b.Platform)
		}
		return compareHashes(a.Image, b.Image)
	})
	return p
}

func sortedStrings(in []string) []string {
	if in == nil {
		return []string{}
	}
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}

func sortedHashes(in []v1.Hash) []v1.Hash {
	if in == nil {
		return []v1.Hash{}
	}
	out := slices.Clone(in)
	slices.SortFunc(out, compareHashes)
	return slices.Compact(out)
}

func compareHashes(a, b v1.Hash) int { return cmp.Compare(a.String(), b.String()) }

// check reports what is missing. Names and versions are free text.
func (p Predicate) check() error {
	if p.Tool.Name == "" {
		return errors.New("tool.name is missing")
	}
	if p.Level == "" {
		return errors.New("level is missing")
	}
	if len(p.Profiles) == 0 {
		return errors.New("profiles is empty")
	}
	if n := len(p.Platforms); n == 0 || n > MaxPlatforms {
		return fmt.Errorf("%d platforms; 1 to %d are accepted", n, MaxPlatforms)
	}
	digests := map[string]*v1.Hash{"source": &p.Source, "plan": &p.Plan, "policy": p.Policy, "hint": p.Hint}
	for _, field := range []string{"source", "plan", "policy", "hint"} {
		if err := checkDigest(field, digests[field]); err != nil {
			return err
		}
	}
	for i := range p.Profiles {
		if err := checkDigest("profiles", &p.Profiles[i]); err != nil {
			return err
		}
	}
	for i := range p.Vouched {
		if err := checkDigest("vouched", &p.Vouched[i]); err != nil {
			return err
		}
	}
	for i := range p.Platforms {
		if err := p.Platforms[i].check(); err != nil {
			return fmt.Errorf("platforms[%d]: %w", i, err)
		}
	}
	return nil
}

func (p *Platform) check() error {
	if p.Platform == "" {
		return errors.New("platform is missing")
	}
	if err := checkDigest("source", &p.Source); err != nil {
		return err
	}
	if err := checkDigest("image", &p.Image); err != nil {
		return err
	}
	for _, c := range []Counts{p.Before, p.After} {
		if c.Bytes < 0 || c.Files < 0 || c.Executables < 0 || c.Packages < 0 {
			return errors.New("a count is negative")
		}
	}
	return nil
}

// checkDigest refuses anything but SHA-256; nil stands for an absent field.
func checkDigest(field string, h *v1.Hash) error {
	if h != nil && (h.Algorithm != "sha256" || len(h.Hex) != 64) {
		return fmt.Errorf("%s: %q is not a SHA-256 digest", field, h.String())
	}
	return nil
}
