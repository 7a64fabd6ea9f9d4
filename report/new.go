package report

import (
	"errors"
	"fmt"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// ErrTotals says that the numbers do not add up: the plan is not about this
// image, or the image that was made is not what the plan says. It is a defect of
// the program, never of the user's.
var ErrTotals = errors.New("the report's totals do not add up")

// biggest is how many of the files that stay are listed with their reasons.
const biggest = 20

// Input is what there is to say about one platform.
type Input struct {
	Platform string // such as linux/amd64
	Plan     *harden.Plan
	Profile  *profile.Profile // that the plan was made with
	Before   Image
	After    *Image       // nil when nothing was written
	Stats    layers.Stats // of the rewrite
}

// Image is what the caller knows about an image.
type Image struct {
	Digest   string // of the manifest
	Download int64  // bytes of all layer blobs
	Layers   int
	Contents Contents
}

// Contents is what [Measure] counts in an image's layers.
type Contents struct {
	Entries int   // of all layers, whiteouts too
	Bytes   int64 // of content; a hard link has none
	// Carried are the bytes of entries that a plan drops while a hard link to
	// them stays and carries them on. Without a plan 0.
	Carried int64
}

// Measure counts the contents of an image. The plan is that of the tree; nil is
// for an image that nothing is planned for, such as the result.
func Measure(t *layers.Tree, plan *harden.Plan) Contents {
	var c Contents
	carried := map[int]bool{}
	for e := range t.Entries() {
		c.Entries++
		c.Bytes += e.Size
		if plan == nil || e.Type != layers.HardLink || e.Data < 0 || carried[e.Data] || max(e.ID, e.Data) >= plan.Records.Len() {
			continue
		}
		if plan.Records.At(e.ID).Action != harden.ActDrop && plan.Records.At(e.Data).Action == harden.ActDrop {
			carried[e.Data] = true
			c.Carried += t.Entry(e.Data).Size
		}
	}
	return c
}

// New makes a report. It gives ErrTotals when a plan and its image disagree.
func New(job Job, inputs ...Input) (*Report, error) {
	r := &Report{APIVersion: APIVersion, Kind: Kind, Job: job.normal(), Platforms: []Platform{}}
	for i := range inputs {
		in := &inputs[i]
		if in.Plan == nil || in.Profile == nil {
			return nil, fmt.Errorf("reporting %q: the plan or the profile is missing", in.Platform)
		}
		p, err := platform(in)
		if err != nil {
			return nil, fmt.Errorf("reporting %q: %w", in.Platform, err)
		}
		r.Platforms = append(r.Platforms, *p)
		if r.Level == "" {
			r.Level = string(in.Plan.Policy.Level)
		}
	}
	return r, nil
}

// normal makes lists that are empty lists, so that programs need not tell them
// from absent ones.
func (j Job) normal() Job {
	if j.Hint != nil {
		h := *j.Hint
		for _, l := range []*[]string{&h.Restricts, &h.Ingress, &h.Egress, &h.Tightened, &h.Warnings} {
			*l = append([]string{}, *l...)
		}
		j.Hint = &h
	}
	return j
}

func platform(in *Input) (*Platform, error) {
	pl := in.Plan
	t, err := newTotals(in)
	if err != nil {
		return nil, err
	}
	v := newView(in)
	p := &Platform{
		Platform: in.Platform,
		Totals:   t,
		Evidence: newEvidence(in),
		Encoded:  Encoded(in.Stats),
		KeptBy:   v.groups(harden.ActKeep), DroppedBy: v.groups(harden.ActDrop),
		Packs:   v.packs(),
		Biggest: v.biggest(biggest),
		Boxes:   v.boxes(),
		Missing: locateAll(pl.Missing),
		Gates:   append([]harden.Gate{}, pl.Gates...), Answers: append([]harden.Settled{}, pl.Settled...),
	}
	p.Scorecard = v.scorecard()
	p.Startup, p.Serving = v.used(UseStartup), v.used(UseServing)
	p.Packages = packages(pl)
	p.Findings = v.findings(p.Scorecard, p.Boxes)
	p.Before, p.After = counts(pl)
	p.Before.measured(&in.Before, t.Input)
	p.After.measured(in.After, t.Output)
	if pl.Next != nil {
		p.Next = gain(pl.Next, p.After)
	}
	return p, nil
}

// measured fills in what only the caller can know.
func (c *Counts) measured(img *Image, a Amount) {
	c.Entries, c.Bytes = a.Entries, a.Bytes
	if img != nil {
		c.Digest, c.Download, c.Layers = img.Digest, img.Download, img.Layers
	}
}

// newTotals puts every record on its heap and compares with what was measured.
func newTotals(in *Input) (Totals, error) {
	var t Totals
	for _, r := range in.Plan.Records.All() {
		t.Input.add(r.Size)
		switch {
		case r.Action == harden.ActDrop && hidden(&r):
			t.Shadowed.add(r.Size)
		case r.Action == harden.ActDrop:
			t.Dropped.add(r.Size)
		case r.Action == harden.ActRewrite:
			t.Rewritten.add(r.Size)
			t.RewrittenTo += r.NewSize
		case r.Action == harden.ActKeep:
			t.Kept.add(r.Size)
		default:
			return t, fmt.Errorf("%w: %q has the unknown action %q", ErrTotals, r.Path, r.Action)
		}
	}
	t.Carried = in.Before.Contents.Carried
	t.Output = Amount{
		Entries: t.Kept.Entries + t.Rewritten.Entries,
		Bytes:   t.Kept.Bytes + t.RewrittenTo + t.Carried,
	}
	if err := t.check(); err != nil {
		return t, err
	}
	if err := agree("the input", t.Input, in.Before.Contents); err != nil {
		return t, err
	}
	if in.After == nil {
		return t, nil
	}
	return t, agree("the output", t.Output, in.After.Contents)
}

// check is the invariant of every report.
func (t *Totals) check() error {
	sum := Amount{
		Entries: t.Kept.Entries + t.Dropped.Entries + t.Rewritten.Entries + t.Shadowed.Entries,
		Bytes:   t.Kept.Bytes + t.Dropped.Bytes + t.Rewritten.Bytes + t.Shadowed.Bytes,
	}
	if sum != t.Input {
		return fmt.Errorf("%w: input %d bytes in %d entries, accounted for %d in %d", ErrTotals, t.Input.Bytes, t.Input.Entries, sum.Bytes, sum.Entries)
	}
	if t.Carried < 0 || t.Carried > t.Dropped.Bytes+t.Shadowed.Bytes {
		return fmt.Errorf("%w: hard links carry %d bytes, more than go", ErrTotals, t.Carried)
	}
	return nil
}

func agree(what string, a Amount, c Contents) error {
	if a.Entries != c.Entries || a.Bytes != c.Bytes {
		return fmt.Errorf("%w: by the plan %s has %d bytes in %d entries, by the image %d in %d", ErrTotals, what, a.Bytes, a.Entries, c.Bytes, c.Entries)
	}
	return nil
}

// hidden tells whether an entry was no part of the root filesystem.
func hidden(r *harden.Record) bool {
	return r.Reason.Kind == harden.Shadowed || r.Reason.Kind == harden.Marker
}

// counts measures the root filesystem before and after.
func counts(pl *harden.Plan) (before, after Counts) {
	for _, r := range pl.Records.All() {
		if hidden(&r) || r.Reason.Kind == harden.HidesNone {
			continue
		}
		kept := r.Action != harden.ActDrop
		if r.Type == layers.Regular.String() || r.Type == layers.HardLink.String() {
			tally(&before.Files, &after.Files, kept)
		}
		if r.Class == "program" || r.Class == "script" || r.Class == "applet" {
			tally(&before.Executables, &after.Executables, kept)
		}
	}
	for i := range pl.Packages {
		tally(&before.Packages, &after.Packages, pl.Packages[i].Kept)
	}
	for i := range pl.Tools {
		tally(&before.Tools, &after.Tools, pl.Tools[i].Kept)
	}
	return before, after
}

func tally(before, after *int, kept bool) {
	*before++
	if kept {
		*after++
	}
}

// gain is what the next level would drop beyond this one.
func gain(next *harden.Outlook, now Counts) *Gain {
	return &Gain{
		Level:       string(next.Level),
		Bytes:       now.Bytes - next.Bytes,
		Files:       now.Files - next.Files,
		Packages:    now.Packages - next.Packages,
		Executables: now.Executables - next.Executables,
	}
}

func locateAll(names []string) []Location {
	list := make([]Location, 0, len(names))
	for _, n := range names {
		list = append(list, locate(n))
	}
	return list
}
