package record

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// Fate is what hardening did with a path of the original image.
type Fate struct {
	Path  string // canonical, with a leading slash
	Kept  bool
	Class string // of a program that the catalogue of tools names; "" otherwise
	Why   string // the plan's reason
}

// Lookup tells the fate of a path as a container would resolve it; false: the
// original image has nothing there.
type Lookup func(name string) (Fate, bool)

// Finding is a path that a run of the hardened image asked for in vain,
// although the original image has it.
type Finding struct {
	Path  string   `json:"path"`            // in the image, links resolved
	Asked []string `json:"asked,omitempty"` // other names by which it was asked for
	Ops   []string `json:"ops"`             // the calls that failed
	By    []string `json:"by,omitempty"`    // executables that asked
	Class string   `json:"class,omitempty"` // of a program that the catalogue names
	Why   string   `json:"why"`             // why it is not there
	Fails bool     `json:"fails"`           // else it is only worth knowing
	Kept  bool     `json:"kept,omitempty"`  // it stays, and still could not be executed
}

// use is what a call wants of a path.
type use int

const (
	useLook use = iota // to know whether it is there
	useRead
	useExec
)

// useOf sorts system calls, and the words of importers, into uses. Opening and
// reading a link need what is there; looking does not.
func useOf(op string) use {
	switch op {
	case "execve", "execveat", profile.AccessExec:
		return useExec
	case "open", "openat", "openat2", "creat", "readlink", "readlinkat", "uselib", "open_by_handle_at", "io_uring", profile.AccessRead,
		profile.AccessWrite, profile.AccessMmap, profile.AccessMmapExec, profile.AccessList:
		return useRead
	}
	return useLook
}

// Examine compares a run of the hardened image with what hardening dropped. An
// exec, open or readlink that found nothing is a failure where the original
// image has the path, unless the original's own profile shows that it was not
// found there either, as below a mount. A path that was only looked for is
// listed. Findings are sorted by path.
func Examine(run, original *profile.Profile, look Lookup) []Finding {
	absent := absentBefore(original)
	found := map[string]*Finding{}
	for _, m := range run.Missing {
		if !slices.ContainsFunc(m.Errno, means) {
			continue
		}
		name := path.Join("/", string(m.Path))
		fate, ok := look(name)
		if !ok || absent[name] {
			continue
		}
		wants := useLook
		for _, op := range m.Ops {
			wants = max(wants, useOf(op))
		}
		if fate.Kept && wants != useExec {
			continue // created and removed, or seen before it was there
		}
		f := found[fate.Path]
		if f == nil {
			f = &Finding{Path: fate.Path, Class: fate.Class, Why: fate.Why, Kept: fate.Kept}
			found[fate.Path] = f
		}
		f.Fails = f.Fails || wants != useLook
		f.Ops = union(f.Ops, m.Ops)
		f.By = union(f.By, m.By)
		if name != fate.Path {
			f.Asked = union(f.Asked, []string{name})
		}
	}
	list := make([]Finding, 0, len(found))
	for _, f := range found {
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b Finding) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// means tells which errors say that nothing is there.
func means(errno string) bool { return errno == "ENOENT" || errno == "ENOTDIR" || errno == "ELOOP" }

// absentBefore are the paths that a run of the original asked for in vain and
// never found.
func absentBefore(p *profile.Profile) map[string]bool {
	absent := map[string]bool{}
	if p == nil {
		return absent
	}
	for _, m := range p.Missing {
		absent[path.Join("/", string(m.Path))] = true
	}
	there := func(list ...profile.Path) {
		for _, name := range list {
			delete(absent, path.Join("/", string(name)))
		}
	}
	for _, f := range p.Files {
		there(f.Path)
		there(f.Via...)
	}
	for _, e := range p.Executables {
		there(e.Path)
		there(e.Via...)
		there(e.Scripts...)
	}
	return absent
}

func union(a, b []string) []string {
	a = append(slices.Clone(a), b...)
	slices.Sort(a)
	return slices.Compact(a)
}

// Repair is what would make the findings go away.
type Repair struct {
	Keep    []string // paths to keep, sorted
	Refused []string // paths that nothing may keep: their class is denied
}

// RepairOf gives the rules that keep what a run failed on: nothing that was only
// looked for, and nothing of a denied class.
func RepairOf(findings []Finding, denied func(class string) bool) Repair {
	var r Repair
	for _, f := range findings {
		switch {
		case !f.Fails || f.Kept:
		case f.Class != "" && denied(f.Class):
			r.Refused = append(r.Refused, f.Path)
		default:
			r.Keep = append(r.Keep, f.Path)
		}
	}
	return r
}

// Who names those who asked, for people.
func (f Finding) Who() string {
	if len(f.By) == 0 {
		return "somebody"
	}
	names := make([]string, 0, len(f.By))
	for _, key := range f.By {
		file, applet := profile.SplitKey(key)
		name := string(file)
		if applet != "" {
			name += " (as " + applet + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
