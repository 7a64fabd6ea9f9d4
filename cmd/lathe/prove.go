package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
	"github.com/lathe-build/lathe/report"
)

// proof is a run of a hardened image, judged.
type proof struct {
	Scenarios []string         `json:"scenarios"` // that passed
	Failed    []string         `json:"failed,omitempty"`
	Findings  []record.Finding `json:"findings"`
	profile   *profile.Profile
}

// prove runs a hardened image the way its original was recorded, and looks for
// what it misses.
func prove(ctx context.Context, env *environment, p *runPlan, tree *layers.Tree, about profile.Image, pl *harden.Plan, original *profile.Profile) (*proof, error) {
	show := newRunProgress(env)
	result, err := record.Run(ctx, p.options(env, tree, about, "", show))
	show.clear()
	if err != nil {
		return nil, err
	}
	noteLeftovers(env, result)
	out := &proof{}
	var seen []*profile.Profile
	for _, run := range result.Runs {
		if run.Profile != nil {
			seen = append(seen, run.Profile)
		}
		if run.Err == nil {
			out.Scenarios = append(out.Scenarios, run.Scenario)
			continue
		}
		out.Failed = append(out.Failed, fmt.Sprintf("%s: %v%s", run.Scenario, run.Err, lastWords(run.Logs)))
	}
	if out.profile, err = profile.Merge(seen...); err != nil {
		return nil, fmt.Errorf("merging the runs: %w", err)
	}
	out.Findings = record.Examine(out.profile, original, newFates(pl).look)
	return out, nil
}

// err says what is wrong with a run, or nil.
func (p *proof) err() error {
	reasons := slices.Clone(p.Failed)
	for _, f := range p.Findings {
		if f.Fails {
			reasons = append(reasons, fmt.Sprintf("%q is not there: %s asked for it with %s", f.Path, f.Who(), strings.Join(f.Ops, ", ")))
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return gate("%s", strings.Join(reasons, "; "))
}

// say prints the findings for people, and what would keep the paths.
func (p *proof) say(w io.Writer) error {
	var b strings.Builder
	for _, f := range p.Findings {
		word := "looked for"
		if f.Fails {
			word = "missing"
		}
		fmt.Fprintf(&b, "%-10s  %q: %s, by %s; %s\n", word, f.Path, strings.Join(f.Ops, ", "), f.Who(), f.Why)
	}
	repair := record.RepairOf(p.Findings, func(string) bool { return false })
	if len(repair.Keep) > 0 {
		b.WriteString("\nThese rules of a policy would keep what is missing, as would --keep PATH:\n\nkeep:\n")
		for _, name := range repair.Keep {
			fmt.Fprintf(&b, "  - path: %q\n    reason: a run of the hardened image needed it\n", name)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

// fates looks paths up in a plan, as a container of the original image would
// resolve them.
type fates struct {
	plan  *harden.Plan
	links map[string]string // path → target, of links
	tools map[string]string // path → class
}

func newFates(pl *harden.Plan) *fates {
	f := &fates{plan: pl, links: map[string]string{}, tools: map[string]string{}}
	for _, rec := range pl.Records.All() {
		if rec.Type == layers.Symlink.String() && rec.Reason.Kind != harden.Shadowed {
			f.links[path.Join("/", rec.Path)] = rec.Meta.Link
		}
	}
	for _, t := range pl.Tools {
		f.tools[path.Join("/", t.Path)] = t.Class
	}
	return f
}

// maxLinks is how many symbolic links one lookup follows, as Linux does.
const maxLinks = 40

// look follows links until something is dropped, or is no link.
func (f *fates) look(name string) (record.Fate, bool) {
	var last record.Fate
	for range maxLinks {
		chain := f.plan.Explain(name)
		if len(chain) == 0 {
			return last, last.Path != "" && !last.Kept
		}
		d := chain[0]
		at := path.Join("/", d.Path)
		last = record.Fate{Path: at, Kept: d.Keep, Class: f.tools[at], Why: why(d)}
		target, isLink := f.links[at]
		if !isLink {
			return last, true
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(at), target)
		}
		if !d.Keep { // where the link leads counts, too: it may be a tool
			if class := f.tools[path.Clean(target)]; last.Class == "" {
				last.Class = class
			}
			return last, true
		}
		name = target
	}
	return record.Fate{}, false
}

// why is a decision's reason in words.
func why(d harden.Decision) string {
	words := strings.ReplaceAll(string(d.Reason.Kind), "-", " ")
	if d.Reason.Note != "" {
		words += ": " + d.Reason.Note
	}
	return words
}

// deniedClasses are those that a policy denies.
func deniedClasses(pol harden.Policy) func(string) bool {
	denied := map[string]bool{}
	for _, r := range pol.Rules {
		if r.Do == harden.DoDeny && r.Class != "" {
			denied[r.Class] = true
		}
	}
	return func(class string) bool { return denied[class] }
}

// repairRounds bounds --repair: each round runs all tests.
const repairRounds = 5

// proveAll runs the hardened image of this machine's platform.
func (r *hardening) proveAll(ctx context.Context, env *environment, g *global, j *hardenJob) error {
	t, err := r.runnable()
	if err != nil {
		return err
	}
	tree, err := layers.Open(ctx, t.result.Image, r.spool, layers.WithLimits(g.limits.limits()))
	if err != nil {
		return fmt.Errorf("reading the hardened image: %w", err)
	}
	defer tree.Close() //nolint:errcheck // unlinked temporary files
	about := profile.Image{Digest: t.digest.String(), Platform: t.name}
	j.run.passed(r.profile)
	if r.proof, err = prove(ctx, env, j.run, tree, about, t.plan, r.profile); err != nil {
		return fmt.Errorf("running the hardened image: %w", err)
	}
	return nil
}

// runnable is the target of this machine's platform.
func (r *hardening) runnable() (*target, error) {
	for _, t := range r.targets {
		if t.name == hostPlatform() || strings.HasPrefix(t.name, hostPlatform()+"/") {
			return t, nil
		}
	}
	return nil, fmt.Errorf("no image is for %s, so that none can be run here", hostPlatform())
}

// planProved plans and applies, runs the result and, with --repair, keeps what
// was missing and starts again.
func planProved(ctx context.Context, env *environment, g *global, o hardenOptions, j *hardenJob) (_ *hardening, err error) {
	if o.verify {
		if err := canRun(ctx, o.run.runtime); err != nil {
			return nil, err
		}
		if err := j.run.join(ctx); err != nil {
			return nil, err
		}
	}
	var repaired []harden.Rule
	for round := 1; ; round++ {
		r, err := planApplied(ctx, env, g, o, j)
		if err != nil || !o.verify {
			return r, err
		}
		if err := r.proveAll(ctx, env, g, j); err != nil {
			r.close()
			return nil, err
		}
		failed := r.proof.err()
		r.repaired = repaired
		if failed == nil {
			return r, nil
		}
		rules, refused := r.repair(j)
		r.close()
		env.note("round %d: %s", round, oneLine(failed.Error()))
		for _, name := range refused {
			env.say("not repaired: %q is of a class that the policy denies", name)
		}
		if !o.repair || len(rules) == 0 || round == repairRounds {
			if err := r.proof.say(env.stderr); err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("the hardened image does not pass: %w", failed)
		}
		for _, rule := range rules {
			env.note("round %d: keeping %q: %s", round, rule.Path, rule.Reason)
		}
		repaired = append(repaired, rules...)
		j.policy.Rules = append(j.policy.Rules, rules...)
	}
}

// planApplied is one round.
func planApplied(ctx context.Context, env *environment, g *global, o hardenOptions, j *hardenJob) (*hardening, error) {
	r, err := plan(ctx, env, g, o, j)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(r.fitsPlaces(j), r.apply(ctx, env, j)); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// repair gives the rules that keep what the run failed on, as far as they are
// new.
func (r *hardening) repair(j *hardenJob) (rules []harden.Rule, refused []string) {
	repair := record.RepairOf(r.proof.Findings, deniedClasses(j.policy))
	have := map[string]bool{}
	for _, rule := range j.policy.Rules {
		have[rule.Path] = true
	}
	reasons := map[string]string{}
	for _, f := range r.proof.Findings {
		reasons[f.Path] = fmt.Sprintf("a run of the hardened image asked for it: %s by %s", strings.Join(f.Ops, ", "), f.Who())
	}
	for _, name := range repair.Keep {
		if !have[name] {
			rules = append(rules, harden.Rule{Do: harden.DoKeep, Path: name, Reason: reasons[name], From: "--repair"})
		}
	}
	return rules, repair.Refused
}

// runSummary is what the report says of the run, nil without one.
func (r *hardening) runSummary() *report.Run {
	if r.proof == nil {
		return nil
	}
	run := &report.Run{Scenarios: r.proof.Scenarios}
	for _, rule := range r.repaired {
		run.Repaired = append(run.Repaired, report.Missed{Path: rule.Path, Why: rule.Reason})
	}
	for _, f := range r.proof.Findings {
		run.LookedFor = append(run.LookedFor, report.Missed{Path: f.Path, Why: strings.Join(f.Ops, ", ") + " by " + f.Who()})
	}
	return run
}
