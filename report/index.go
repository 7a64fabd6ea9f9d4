package report

import (
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/profile"
)

// toolIndex finds which executables of a profile are which tools of a plan. The names
// of a multi-call binary are tools of their own.
type toolIndex struct {
	executables map[string][]int  // by their paths
	applets     map[string][]int  // by their paths and the names that they ran as
	tools       map[string][]int  // by their paths
	boxed       map[string][]int  // by their binaries and names
	script      map[string]string // the one script of an interpreter, by its key
}

func newToolIndex(pl *harden.Plan, p *profile.Profile) *toolIndex {
	r := &toolIndex{map[string][]int{}, map[string][]int{}, map[string][]int{}, map[string][]int{}, map[string]string{}}
	var executables []profile.Executable
	if p != nil {
		executables = p.Executables
	}
	for i := range executables {
		x := &executables[i]
		for _, name := range namesOf(x) {
			r.executables[name] = append(r.executables[name], i)
			r.applets[applet(name, x.As)] = append(r.applets[applet(name, x.As)], i)
		}
		if _, ok := r.script[x.Key]; !ok && len(x.Scripts) == 1 {
			r.script[x.Key] = string(x.Scripts[0])
		}
	}
	for i := range pl.Tools {
		t := &pl.Tools[i]
		r.tools[t.Path] = append(r.tools[t.Path], i)
		if t.Box != "" {
			r.boxed[applet(t.Box, path.Base(t.Path))] = append(r.boxed[applet(t.Box, path.Base(t.Path))], i)
		}
	}
	return r
}

func applet(box, name string) string { return box + "\x00" + name }

// namesOf are the paths of an executable, without a leading slash.
func namesOf(x *profile.Executable) []string {
	names := []string{strings.TrimPrefix(string(x.Path), "/")}
	for _, via := range x.Via {
		names = append(names, strings.TrimPrefix(string(via), "/"))
	}
	return names
}

// as are the executables that are a tool, in their order.
func (r *toolIndex) as(t *harden.Tool) []int {
	list := slices.Clone(r.executables[t.Path])
	if t.Box != "" {
		list = append(list, r.applets[applet(t.Box, path.Base(t.Path))]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// toolsOf are the tools that an executable is, in their order.
func (r *toolIndex) toolsOf(x *profile.Executable) []int {
	var list []int
	for _, name := range namesOf(x) {
		list = append(list, r.tools[name]...)
		list = append(list, r.boxed[applet(name, x.As)]...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
