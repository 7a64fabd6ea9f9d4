package harden

import (
	"strings"

	"github.com/lathe-build/lathe/internal/cmdline"
	"github.com/lathe-build/lathe/profile"
)

// replacement is what makes a tool unnecessary that runs for probes only.
const replacement = "a probe of the kind httpGet, grpc or tcpSocket, or preStop.sleep, needs no program in the image"

// inPlace says what can take the place of a probe's program, exactly where that
// is known.
func inPlace(instead []string) string {
	if len(instead) == 0 {
		return replacement
	}
	return strings.Join(instead, " and ") + " needs no program in the image"
}

// byHand tells what people ran in the container, unless that counts.
func (p *planner) byHand(x *profile.Executable) bool {
	return !p.pol.KeepAttached && p.people(x)
}

// readOrigins finds out once what many executables are judged by: the sources,
// and what tells people's programs from the container's.
func (p *planner) readOrigins() {
	p.sources = make(map[string]*profile.Source, len(p.prof.Sources))
	for i := range p.prof.Sources {
		p.sources[p.prof.Sources[i].ID] = &p.prof.Sources[i]
	}
	p.people, p.instead = p.prof.ByHand(), map[string][]string{}
}

// declaredOnly tells what no recording saw.
func (p *planner) declaredOnly(x *profile.Executable) bool {
	for id := range x.Seen {
		if s := p.sources[id]; s == nil || s.Kind != profile.KindDeclared {
			return false
		}
	}
	return len(x.Seen) > 0
}

// tellProbes reports the tools that stay for probes, hooks and healthchecks
// alone, and what would replace them.
func (p *planner) tellProbes() {
	for _, f := range p.order {
		if !f.kept || !f.tool() && f.applet == "" {
			continue
		}
		from := p.origins[f.path]
		switch {
		case len(from) == 1 && from[0] == profile.OriginProbe:
			p.note("probe", f.path, "it stays for probes and hooks alone: "+inPlace(p.instead[f.path]))
		case !f.seen && f.reason.Kind == Config && strings.HasSuffix(f.reason.Note, "healthcheck"):
			p.note("probe", f.path, "it stays for the image's healthcheck alone, which Kubernetes does not run: there, "+inPlace(p.healthcheckInstead()))
		}
	}
}

// healthcheckInstead is what Kubernetes can do in place of the image's
// healthcheck.
func (p *planner) healthcheckInstead() []string {
	for _, c := range p.commands() {
		if text := cmdline.OneOf(cmdline.Replacements(c.argv)); c.name == "healthcheck" && text != "" {
			return []string{"livenessProbe: " + text}
		}
	}
	return nil
}
