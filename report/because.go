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
	default:
		return noted("", r.Note, kindText(r.Kind))
	}
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
		return from + " needs it as its interpreter" + note, true
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
	default:
		return "", false
	}
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
	case r.Kind == harden.DenyRule:
		return noted("the policy denies it: ", r.Note, "the policy denies it")
	case r.Kind == harden.DropRule:
		return noted("the policy drops it: ", r.Note, "the policy drops it")
	case r.Note != "":
		return r.Note
	}
	return kindText(r.Kind)
}

// kindText names a group of entries with the same kind of reason.
func kindText(k harden.Kind) string {
	if text, ok := kindTexts()[k]; ok {
		return text
	}
	return string(k)
}

func kindTexts() map[harden.Kind]string {
	return map[harden.Kind]string{
		harden.Executed:     "ran",
		harden.Declared:     "declared to run",
		harden.Opened:       "opened by what ran",
		harden.ReadAsData:   "programs read as data",
		harden.LookedUp:     "looked up by what ran",
		harden.Config:       "named by the image's config",
		harden.KeepRule:     "kept by the policy",
		harden.Pack:         "knowledge packs",
		harden.Database:     "package databases",
		harden.BasePackage:  "the system's layout",
		harden.Unowned:      "owned by no package, no tool",
		harden.NothingDoes:  "no tool",
		harden.HidesNone:    "whiteouts that hide nothing",
		harden.Gated:        "not seen, but nobody could have seen it",
		harden.Link:         "links from or to what stays",
		harden.Interpreter:  "interpreters",
		harden.Library:      "libraries of what stays",
		harden.LoadedByName: "loaded by name",
		harden.Helper:       "executed by a library or runtime",
		harden.Parent:       "directories of what stays",
		harden.PackageFile:  "other files of used packages",
		harden.PackageData:  "data of packages that served data",
		harden.Dependency:   "packages that used ones depend on",
		harden.Follows:      "compiled from what stays",
		harden.Copyright:    "licence texts",

		harden.UnusedProgram:  "programs that never ran",
		harden.UnusedScript:   "scripts that never ran",
		harden.UnusedApplet:   "applets that never ran",
		harden.LinkToDropped:  "links to what goes",
		harden.UnusedLibrary:  "libraries that only what goes needed",
		harden.UnusedPackage:  "other files of unused packages",
		harden.ManagerState:   "package manager's caches and state",
		harden.Documentation:  "documentation and translations",
		harden.Unobserved:     "neither observed nor needed",
		harden.UnloadedPlugin: "plugins that were never loaded",
		harden.SourceDropped:  "compiled from what goes",
		harden.LeftOver:       "left over by packages that go",
		harden.EmptyOfPackage: "directories with nothing left",
		harden.DropRule:       "the policy drops it",
		harden.DenyRule:       "the policy denies it",
		harden.Shadowed:       "hidden by a later layer",
		harden.Marker:         "whiteouts whose work is done",
	}
}

// steps makes the steps of a chain of decisions.
func steps(chain []harden.Decision) []Step {
	list := make([]Step, 0, len(chain))
	for _, d := range chain {
		list = append(list, Step{Location: locate(d.Path), Keep: d.Keep, Kind: d.Reason.Kind, Because: because(d.Reason, d.Keep)})
	}
	return list
}
