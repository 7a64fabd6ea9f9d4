package report

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// scorecard counts tools by class, in the order of the catalogue; classes that
// the image has nothing of are left out.
func (v *view) scorecard() []Class {
	index := map[string]int{}
	list := []Class{}
	for _, c := range harden.Classes() {
		index[c.Name] = len(list)
		list = append(list, Class{Name: c.Name, Technique: c.Technique, Use: c.Use, Stays: []Stay{}})
	}
	for i := range v.plan.Tools {
		t := &v.plan.Tools[i]
		at, ok := index[t.Class]
		if !ok {
			at = len(list)
			index[t.Class] = at
			list = append(list, Class{Name: t.Class, Technique: t.Technique, Stays: []Stay{}})
		}
		c := &list[at]
		tally(&c.Before, &c.After, t.Kept)
		if t.Kept {
			c.Stays = append(c.Stays, v.stay(t))
		}
	}
	list = slices.DeleteFunc(list, func(c Class) bool { return c.Before == 0 })
	for i := range list {
		list[i].Denied = v.denied(list[i].Name)
	}
	for i := range list {
		slices.SortStableFunc(list[i].Stays, func(a, b Stay) int { return cmp.Compare(a.raw(), b.raw()) })
	}
	return list
}

// denied tells whether the policy denies a class.
func (v *view) denied(class string) bool {
	return slices.ContainsFunc(v.plan.Policy.Rules, func(r harden.Rule) bool { return r.Do == harden.DoDeny && r.Class == class })
}

// stay says why a tool is still there.
func (v *view) stay(t *harden.Tool) Stay {
	s := Stay{Location: locate(t.Path), Kind: t.Reason.Kind, Why: because(t.Reason, true), Use: useOf(t), For: v.neededBy(t)}
	if t.Box != "" {
		at := locate(t.Box)
		s.Box = &at
	}
	if names := v.applets[t.Path]; len(names) > 0 {
		s.Use, s.For = UseApplets, locateAll(names)
	}
	return s
}

// useIn is what something was used for that ran in these phases, "" where the
// profile does not tell.
func useIn(phases []string) string {
	has := func(phase string) bool { return slices.Contains(phases, phase) }
	switch {
	case has(profile.PhaseServing):
		return UseServing
	case has(profile.PhaseStartup) && has(profile.PhaseShutdown):
		return UseStarting
	case has(profile.PhaseStartup):
		return UseStartup
	case has(profile.PhaseShutdown):
		return UseShutdown
	}
	return ""
}

// used lists the programs that stay and that the profile saw used for this.
func (v *view) used(use string) []Location {
	phases := map[string][]string{}
	for i := range v.plan.Tools {
		if t := &v.plan.Tools[i]; t.Kept && len(v.applets[t.Path]) == 0 {
			phases[t.Path] = slices.Clone(t.Phases)
		}
	}
	for i := range v.profile.Executables {
		x := &v.profile.Executables[i]
		at := strings.TrimPrefix(string(x.Path), "/")
		for _, j := range v.index.toolsOf(x) {
			if t := &v.plan.Tools[j]; t.Box != "" || t.Path == at {
				at = t.Path
			}
		}
		if v.decisions[at].Keep {
			phases[at] = append(phases[at], x.Phase...)
		}
	}
	list := []Location{}
	for at, in := range phases {
		if useIn(in) == use {
			list = append(list, locate(at))
		}
	}
	slices.SortFunc(list, func(a, b Location) int { return cmp.Compare(a.raw(), b.raw()) })
	return list
}

// useOf tells apart what ran to serve from what only ran before or after.
func useOf(t *harden.Tool) string {
	if use := useIn(t.Phases); use != "" {
		return use
	}
	switch t.Reason.Kind {
	case harden.Executed:
		return UseRan
	case harden.Config:
		return UseConfig
	case harden.KeepRule:
		return UseRule
	default:
		if t.Reason.From != "" {
			return UseNeeded
		}
		return UseOther
	}
}

// neededBy gives what a tool is needed for: the scripts that it ran as an
// interpreter, else the programs that ran it, else what the plan names.
func (v *view) neededBy(t *harden.Tool) []Location {
	var scripts, parents []string
	for _, i := range v.index.as(t) {
		x := &v.profile.Executables[i]
		for _, s := range x.Scripts {
			scripts = append(scripts, string(s))
		}
		for _, key := range x.Parents {
			parents = append(parents, v.caller(key))
		}
	}
	own := locate(t.Path).raw()
	for _, names := range [][]string{scripts, parents, {t.Reason.From}} {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "" || locate(n).raw() == own })
		if len(names) > 0 {
			slices.Sort(names)
			return locateAll(slices.Compact(names))
		}
	}
	return []Location{}
}

// caller names the executable that ran another one: of an interpreter that ran
// one script only the script, of an applet its own name.
func (v *view) caller(key string) string {
	if script, ok := v.index.script[key]; ok {
		return script
	}
	file, applet := profile.SplitKey(key)
	if applet != "" {
		return path.Join(path.Dir(string(file)), applet)
	}
	return string(file)
}

// boxes lists the multi-call binaries that stay.
func (v *view) boxes() []Box {
	dropped := map[string]int{}
	names := map[string]bool{}
	for name, d := range v.decisions {
		if !d.Keep && d.Reason.Kind == harden.UnusedApplet && d.Reason.From != "" && v.decisions[d.Reason.From].Keep {
			dropped[d.Reason.From]++
			names[d.Reason.From] = true
		}
		if d.Keep && len(v.applets[name]) > 0 {
			names[name] = true
		}
	}
	list := []Box{}
	for name := range names {
		list = append(list, Box{Location: locate(name), Kept: locateAll(v.applets[name]), Dropped: dropped[name]})
	}
	slices.SortFunc(list, func(a, b Box) int { return cmp.Compare(a.raw(), b.raw()) })
	return list
}

// findings are the plan's, and one for every tool and multi-call binary that
// stays.
func (v *view) findings(card []Class, boxes []Box) []Finding {
	list := []Finding{}
	for i := range card {
		c := &card[i]
		for j := range c.Stays {
			s := &c.Stays[j]
			list = append(list, Finding{Kind: ToolKept, Location: s.Location, Text: s.sentence(c)})
		}
	}
	for i := range boxes {
		b := &boxes[i]
		list = append(list, Finding{Kind: AppletsReachable, Location: b.Location, Text: b.sentence()})
	}
	for _, f := range v.plan.Findings {
		list = append(list, Finding{Kind: f.Kind, Location: locate(f.Path), Text: f.Text})
	}
	return list
}

// sentence is such as "kept although it is a shell, because
// /docker-entrypoint.sh needs it; it ran at startup only".
func (s *Stay) sentence(c *Class) string {
	text := "kept although it is " + noun(c.Name) + ", because "
	if len(s.For) > 0 {
		text += list(s.For, 3) + needs(len(s.For)) + " it"
	} else {
		text += s.Why
	}
	switch s.Use {
	case UseStartup:
		text += "; only the entrypoint used it, before the long-running program was exec'ed"
	case UseShutdown:
		text += "; it ran at shutdown only"
	case UseStarting:
		text += "; it ran at startup and shutdown only"
	case UseServing:
		text += "; it ran while serving"
	}
	return text
}

// noun makes a class's name something that a tool can be.
func noun(class string) string {
	switch class {
	case "remote access", "escape", "privilege", "recon", "process":
		class += " tool"
	case "files":
		class = "file tool"
	case "setuid":
		class += " program"
	}
	if class != "" && strings.IndexByte("aeiou", class[0]) >= 0 {
		return "an " + class
	}
	return "a " + class
}

func needs(n int) string {
	if n == 1 {
		return " needs"
	}
	return " need"
}

// list joins at most n paths.
func list(all []Location, n int) string {
	var names []string
	for _, l := range all[:min(n, len(all))] {
		names = append(names, l.Path)
	}
	text := strings.Join(names, ", ")
	if more := len(all) - n; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (b *Box) sentence() string {
	text := "all its applets remain reachable through it"
	if b.Dropped > 0 {
		text += fmt.Sprintf(", also those of the %d names that are gone", b.Dropped)
	}
	return text
}
