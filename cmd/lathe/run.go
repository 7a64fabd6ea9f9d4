package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/report"
)

// hardening is one run on its way from profile and image to outputs.
type hardening struct {
	opts     hardenOptions
	source   *image.Source
	profile  *profile.Profile
	profiles []*profile.Profile
	spool    string
	targets  []*target
	top      image.Entry // what is delivered: an image, or an index of the targets
	digest   v1.Hash

	planFile   string // plan.json in the spool: of a large image it is large
	planHash   v1.Hash
	hint       *netpolicy.Hint
	hintJSON   []byte
	hintYAML   []byte
	hintCilium []byte // nil when no external peer has a name and nobody asked
	noYAML     string // why there is no policy
	report     *report.Report
	predicate  []byte
	signed     []signedEntry
	leftOut    []string // platforms
	proof      *proof   // with --verify
	repaired   []harden.Rule
}

// target is one platform.
type target struct {
	platform *v1.Platform
	name     string
	source   image.PlatformImage
	tree     *layers.Tree
	plan     *harden.Plan
	result   *layers.Result
	digest   v1.Hash
	before   report.Image // measured before the entries are forgotten
	after    report.Image // measured where the result was read back
	bound    *profile.Profile
}

func (r *hardening) close() {
	for _, t := range r.targets {
		_ = t.tree.Close() // unlinked temporary files
	}
	_ = r.source.Close()
	_ = os.RemoveAll(r.spool)
}

// plan reads image and profiles and decides what stays.
func plan(ctx context.Context, env *environment, g *global, o hardenOptions, j *hardenJob) (_ *hardening, err error) {
	o.rebase = j.policy.Rebase
	r := &hardening{opts: o}
	if r.profile, r.profiles, err = readProfiles(ctx, env, o.profiles); err != nil {
		return nil, err
	}
	if r.source, err = image.Read(ctx, j.source, g.sourceOptions()); err != nil {
		return nil, err
	}
	if r.spool, err = os.MkdirTemp("", "lathe-"); err != nil {
		return nil, errors.Join(fmt.Errorf("making a temporary directory: %w", err), r.source.Close())
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	list, err := choose(r.source, o.platforms)
	if err != nil {
		return nil, err
	}
	if list, r.leftOut, err = covered(env, r.source, list, r.profile, o); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no image that can be hardened", o.image)
	}
	if err := r.checkFits(); err != nil {
		return nil, err
	}
	if err := r.declare(ctx, env, j, list); err != nil {
		return nil, err
	}
	for _, img := range list {
		t, err := r.planOne(ctx, env, g, j, img)
		if err != nil {
			return nil, err
		}
		r.targets = append(r.targets, t)
	}
	return r, nil
}

func (r *hardening) planOne(ctx context.Context, env *environment, g *global, j *hardenJob, img image.PlatformImage) (*target, error) {
	t := &target{platform: img.Platform, name: platformName(img.Platform), source: img}
	id, err := identity(r.source, img)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	progress := newProgress(env, "reading "+t.name)
	t.tree, err = layers.Open(ctx, img.Image, r.spool, layers.WithLimits(g.limits.limits()), layers.WithProgress(progress.event))
	progress.done()
	if err != nil {
		return nil, fmt.Errorf("reading %s (%s): %w", r.opts.image, t.name, err)
	}
	entries := t.tree.Len()
	for _, before := range r.targets {
		entries += before.tree.Len()
	}
	holdMemory(entries)
	if t.plan, err = harden.NewPlan(ctx, t.tree, id, r.profile, j.policy); err != nil {
		_ = t.tree.Close() // unlinked temporary files
		return nil, fmt.Errorf("planning %s (%s): %w", r.opts.image, t.name, err)
	}
	if t.bound, err = bind(t.tree, r.profile); err != nil {
		_ = t.tree.Close() // unlinked temporary files
		return nil, fmt.Errorf("binding the profile to %s (%s): %w", r.opts.image, t.name, err)
	}
	return t, nil
}

// bind gives the profile with its names resolved in the image, so that a report
// can say by which script or program something was used.
func bind(tree *layers.Tree, prof *profile.Profile) (*profile.Profile, error) {
	if prof.IsBound() {
		return prof, nil
	}
	bound, _, err := profile.Bind(prof, harden.Root(tree))
	return bound, err
}

// apply makes the hardened image of each platform, and of several an index.
func (r *hardening) apply(ctx context.Context, env *environment, j *hardenJob) error {
	note := map[string]string{"dev.lathe.source.digest": r.source.Digest.String()}
	opts := []layers.Option{layers.WithCompression(j.compression), layers.WithAnnotations(note)}
	for _, t := range r.targets {
		progress := newProgress(env, "writing "+t.name)
		res, err := harden.Apply(ctx, t.tree, t.plan, append(opts, layers.WithProgress(progress.event))...)
		progress.done()
		if err != nil {
			return fmt.Errorf("writing %s: %w", t.name, err)
		}
		t.result = res
		t.before = measure(t.source.Descriptor.Digest, t.tree, t.plan)
		if t.digest, err = res.Image.Digest(); err != nil {
			return fmt.Errorf("writing %s: %w", t.name, err)
		}
	}
	if r.source.Index == nil {
		r.top = image.Entry{Image: r.targets[0].result.Image, Platform: r.targets[0].platform}
		r.digest = r.targets[0].digest
		return nil
	}
	var members []image.Member
	for _, t := range r.targets {
		members = append(members, image.Member{Old: t.source.Descriptor, Image: t.result.Image, Platform: t.platform})
	}
	index, err := image.Rebuild(r.source.Index, members, note)
	if err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	r.top = image.Entry{Index: index}
	if r.digest, err = index.Digest(); err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	return nil
}

// describe makes plan.json, the hint, the report and the predicate.
func (r *hardening) describe(env *environment, o hardenOptions, j *hardenJob) error {
	doc := &harden.Document{}
	for _, t := range r.targets {
		doc.Platforms = append(doc.Platforms, harden.Section{Platform: t.name, Plan: t.plan})
	}
	if err := r.writePlan(doc); err != nil {
		return err
	}
	if err := r.makeHint(env, o, j); err != nil {
		return err
	}
	return r.makePredicate(j)
}

// writePlan writes plan.json to the spool and remembers its digest.
func (r *hardening) writePlan(doc *harden.Document) error {
	r.planFile = filepath.Join(r.spool, planFile)
	f, err := os.Create(r.planFile)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	sum := sha256.New()
	if err := errors.Join(doc.Write(io.MultiWriter(f, sum)), f.Close()); err != nil {
		return err
	}
	r.planHash = v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}
	return nil
}

// copyPlan copies plan.json from the spool.
func (r *hardening) copyPlan(w io.Writer) error {
	f, err := os.Open(r.planFile)
	if err != nil {
		return fmt.Errorf("reading the plan back: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("copying the plan: %w", err)
	}
	return nil
}

// fate is what hardening does with an executable: kept if any platform keeps it.
func (r *hardening) fate(key string) netpolicy.Fate {
	best := netpolicy.Unknown
	for _, t := range r.targets {
		switch fate := fateOf(t.plan, key); {
		case fate == netpolicy.Kept:
			return fate
		case fate == netpolicy.Dropped, best == netpolicy.Unknown:
			best = fate
		}
	}
	return best
}

// fateOf is what a plan does with an executable, in netpolicy's words.
func fateOf(pl *harden.Plan, key string) netpolicy.Fate {
	switch pl.Fate(key) {
	case harden.FateKept:
		return netpolicy.Kept
	case harden.FateDropped:
		return netpolicy.Dropped
	case harden.FateNotInImage:
		return netpolicy.NotInImage
	case harden.FateUnknown:
	}
	return netpolicy.Unknown
}

func (r *hardening) makeHint(env *environment, o hardenOptions, j *hardenJob) error {
	profileDigest, err := digestOf(r.profile)
	if err != nil {
		return err
	}
	opts := j.hint
	opts.Selector, opts.Namespace, opts.Name, opts.AllowMetadata, opts.Strict = j.selector, o.namespace, o.policyName, o.allowMetadata, o.strict
	opts.KeepAttached = j.policy.KeepAttached
	opts.ImageDigest, opts.SourceDigest, opts.ProfileDigest = r.digest.String(), r.source.Digest.String(), profileDigest.String()
	opts.Template, opts.Partial = j.template, o.partial
	if err := o.hint.read(&opts); err != nil {
		return err
	}
	r.hint, err = netpolicy.New(r.profile, r.fate, opts)
	if err != nil {
		return fmt.Errorf("making the network-policy hint: %w", err)
	}
	if r.hintJSON, err = r.hint.JSON(); err != nil {
		return fmt.Errorf("making the network-policy hint: %w", err)
	}
	r.hintYAML, err = r.hint.YAML()
	if r.noYAML = noPolicy(err); err != nil && r.noYAML == "" {
		return fmt.Errorf("making the network policy: %w", err)
	}
	if r.noYAML == "" && (o.hint.cilium || r.hint.HasNames()) {
		if r.hintCilium, err = netpolicy.Render(r.hint, netpolicy.Cilium); err != nil {
			return fmt.Errorf("making the network policy: %w", err)
		}
	}
	if r.noYAML != "" && !o.dryRun {
		env.note("no networkpolicy.yaml: %s", r.noYAML)
	}
	return nil
}

func digestOf(p *profile.Profile) (v1.Hash, error) {
	raw, err := p.Canonical()
	if err != nil {
		return v1.Hash{}, fmt.Errorf("writing the profile: %w", err)
	}
	return hashOf(raw), nil
}

func hashOf(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// tagOf is the tag that a layout's image entry gets.
func (r *hardening) tagOf() string {
	if r.source.Tag != "" && !strings.ContainsAny(r.source.Tag, ":/") {
		return r.source.Tag
	}
	if _, tag, ok := strings.Cut(r.source.Tag, ":"); ok && tag != "" && !strings.Contains(tag, "/") {
		return tag
	}
	return "latest"
}
