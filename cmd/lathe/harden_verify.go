package main

import (
	"slices"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record"
)

// split tells the image from the tests after "--".
func (o *hardenOptions) split(a []string, dash int) ([]string, error) {
	before, line := a, []string(nil)
	if dash >= 0 {
		before, line = a[:dash], a[dash:]
	}
	switch {
	case len(before) != 1:
		return nil, usage("accepts 1 arg(s), received %d; see lathe harden --help", len(before))
	case !o.verify && (len(line) > 0 || len(o.run.tests) > 0):
		return nil, usage("tests are for --verify")
	case o.repair && !o.verify:
		return nil, usage("--repair needs --verify")
	case o.verify && o.dryRun:
		return nil, usage("--verify runs the result, which --dry-run does not make")
	}
	o.image = before[0]
	return line, nil
}

// runPlan checks the run flags. Without --scenarios the start scenarios are
// those that the profile has, which the original passed.
func (o *hardenOptions) runPlan(line []string, chosen bool) (*runPlan, error) {
	if !chosen {
		o.run.scenarios = []string{"none"}
	}
	p, err := o.run.plan(line)
	if err != nil {
		return nil, err
	}
	p.recorded = !chosen
	return p, nil
}

// passed takes the start scenarios that the original passed.
func (p *runPlan) passed(prof *profile.Profile) {
	if p == nil || !p.recorded || prof == nil {
		return
	}
	p.scenarios = nil
	for _, name := range []string{record.ScenarioRestart, record.ScenarioOwner, record.ScenarioTmpfs} {
		if slices.ContainsFunc(prof.Sources, func(s profile.Source) bool { return slices.Contains(s.Scenarios, name) }) {
			p.scenarios = append(p.scenarios, name)
		}
	}
}
