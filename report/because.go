package report

import "github.com/lathe-build/lathe/harden"

// because makes a sentence of a reason, to stand after "because". Names in it
// are as the image has them, not escaped.
func because(r harden.Reason, keep bool) string {
	if !keep {
		return whyDropped(r)
	}
	if text, ok := byPath(r); ok {
		return text
	}
	switch r.Kind {
	case harden.Config:
		return noted("it is named by ", r.Note, "the image's config")
	case harden.KeepRule:
		return noted("the policy keeps it: ", r.Note, "a keep rule")
	case harden.Pack:
		return noted("of the knowledge pack ", r.Note, "of a knowledge pack")
	case harden.Database:
		return "it is a package database: scanners must see what is there"
	case harden.BasePackage:
		return noted("it makes the layout of the system, package ", r.Note, "it makes the layout of the system")
	case harden.PackageFile, harden.PackageData:
		return noted("it is part of a used package: ", r.Note, "its package is used")
	case harden.Dependency:
		return noted("it is part of package ", r.Note, "a used package depends on it")
	case harden.Copyright:
		return noted("it is the licence text of package ", r.Note, "it is a licence text")
	case harden.HidesNone:
		return "it is a whiteout that hides nothing, kept as it was"
	}
	if r.Note != "" {
		return r.Note
	}
	return kindText(r.Kind)
}

func noted(before, note, otherwise string) string {
	if note == "" {
		return otherwise
	}
	return before + note
}

// byPath is the sentence of a reason that another path gives.
func byPath(r harden.Reason) (string, bool) {
	if r.From == "" {
		return "", false
	}
	from := locate(r.From).Path
	note := ""
	if r.Note != "" {
		note = " (" + r.Note + ")"
	}
	switch r.Kind {
	case harden.Link:
		return "a link joins it to " + from + note, true
	case harden.Interpreter:
		return from + " is run by it" + note, true
	case harden.Library:
		return from + " needs it as a library" + note, true
	case harden.LoadedByName:
		return from + " loads it by name" + note, true
	case harden.Helper:
		return from + " executes it" + note, true
	case harden.Parent:
		return from + " is in it", true
	case harden.PackageFile:
		return "its package" + note + " is used: " + from, true
	case harden.PackageData:
		return "its package" + note + " serves data: " + from, true
	case harden.Dependency:
		return "it is part of " + r.Note + ", which is used: " + from, true
	case harden.Follows:
		return "it is compiled from " + from, true
	}
	return "", false
}

func whyDropped(r harden.Reason) string {
	from := locate(r.From).Path
	switch {
	case r.Kind == harden.UnusedApplet && from != "":
		return "it is an applet of " + from + " that never ran by this name"
	case r.Kind == harden.LinkToDropped && from != "":
		return "it leads to " + from + ", which goes"
	case r.Kind == harden.SourceDropped && from != "":
		return "it is compiled from " + from + ", which goes"
	case r.Kind == harden.DropRule:
		return noted("the policy drops it: ", r.Note, "the policy drops it")
	case r.Note != "":
		return r.Note
	}
	return kindText(r.Kind)
}

// kindText names a group of entries with the same kind of reason.
func kindText(k harden.Kind) string {
	if text := keptText(k); text != "" {
		return text
	}
	switch k {
	case harden.UnusedProgram:
		return "programs that never ran"
	case harden.UnusedScript:
		return "scripts that never ran"
	case harden.UnusedApplet:
		return "applets that never ran"
	case harden.LinkToDropped:
		return "links to what goes"
	case harden.UnusedLibrary:
		return "libraries that only what goes needed"
	case harden.UnusedPackage:
		return "other files of unused packages"
	case harden.ManagerState:
		return "package manager's caches and state"
	case harden.Documentation:
		return "documentation and translations"
	case harden.SourceDropped:
		return "compiled from what goes"
	case harden.LeftOver:
		return "left over by packages that go"
	case harden.EmptyOfPackage:
		return "directories with nothing left"
	case harden.DropRule:
		return "the policy drops it"
	case harden.Shadowed:
		return "hidden by a later layer"
	case harden.Marker:
		return "whiteouts whose work is done"
	}
	return string(k)
}

func keptText(k harden.Kind) string {
	switch k {
	case harden.Executed:
		return "ran"
	case harden.Opened:
		return "opened by what ran"
	case harden.ReadAsData:
		return "programs read as data"
	case harden.LookedUp:
		return "looked up by what ran"
	case harden.Config:
		return "named by the image's config"
	case harden.KeepRule:
		return "kept by the policy"
	case harden.Pack:
		return "knowledge packs"
	case harden.Database:
		return "package databases"
	case harden.BasePackage:
		return "the system's layout"
	case harden.Unowned:
		return "owned by no package, no tool"
	case harden.NothingDoes:
		return "no tool"
	case harden.HidesNone:
		return "whiteouts that hide nothing"
	case harden.Link:
		return "links from or to what stays"
	case harden.Interpreter:
		return "interpreters"
	case harden.Library:
		return "libraries of what stays"
	case harden.LoadedByName:
		return "loaded by name"
	case harden.Helper:
		return "executed by a library or runtime"
	case harden.Parent:
		return "directories of what stays"
	case harden.PackageFile:
		return "other files of used packages"
	case harden.PackageData:
		return "data of packages that served data"
	case harden.Dependency:
		return "packages that used ones depend on"
	case harden.Follows:
		return "compiled from what stays"
	case harden.Copyright:
		return "licence texts"
	}
	return ""
}

// steps makes the steps of a chain of decisions.
func steps(chain []harden.Decision) []Step {
	list := make([]Step, 0, len(chain))
	for _, d := range chain {
		list = append(list, Step{Location: locate(d.Path), Keep: d.Keep, Kind: d.Reason.Kind, Because: because(d.Reason, d.Keep)})
	}
	return list
}
