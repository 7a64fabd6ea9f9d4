package harden

// decideAll decides every path at the policy's level. At the level files the
// rules of the level packages decide first: a directory without files goes only
// where that level drops it, too, so that each level drops what the one before
// drops.
func (p *planner) decideAll() error {
	p.early = len(p.findings)
	if p.pol.Level == Binaries {
		return p.decide(Binaries)
	}
	if err := p.decidePackages(); err != nil || p.pol.Level == Packages {
		return err
	}
	return p.decideFiles()
}

// decideFiles decides at the level files, after the level packages.
func (p *planner) decideFiles() error {
	for _, f := range p.order {
		f.above, f.spare = f.kept, false
	}
	return p.decide(Files)
}

// decide applies the rules of a level from the start.
func (p *planner) decide(level Level) error {
	p.begin()
	p.level = level
	p.bar()
	p.barSBOMs()
	p.readAnswers()
	p.rootsOfRules()
	p.rootsOfConfig()
	p.rootsOfProfile()
	p.drain()
	if err := p.spread(); err != nil || !p.rootsOfGates() {
		return err
	}
	p.drain()
	return p.spread()
}

// begin forgets what was decided before, and nothing of what the survey found.
func (p *planner) begin() {
	for _, f := range p.order {
		f.verdict = verdict{}
	}
	for _, g := range p.pkgs {
		g.usage = usage{}
	}
	p.barredBy, p.answers, p.settled, p.commandRules = nil, nil, nil, nil
	p.queue, p.missing, p.stateDirs, p.leftOver = nil, nil, nil, nil
	p.inherited, p.evidence, p.phases = map[string][]string{}, map[string][]string{}, map[string][]string{}
	p.origins, p.brought = map[string][]string{}, map[string]int{}
	p.followed, p.leftIn, p.waiting = map[string]follows{}, map[*file][]*file{}, nil
	p.findings = p.findings[:p.early]
}
