package harden

// Kind is why a path stays or goes.
type Kind string

// Why a path stays. The first group are roots: they need no other path.
const (
	Executed    Kind = "executed"     // a program or script that ran
	Declared    Kind = "declared"     // a program or script that the workload declares to run
	Opened      Kind = "opened"       // a file whose content was read, written or mapped
	ReadAsData  Kind = "read-as-data" // a program that something else read or mapped
	LookedUp    Kind = "looked-up"    // asked for by name, listed, or read as a link
	Config      Kind = "config"       // the image's config names it
	KeepRule    Kind = "keep-rule"    // the user keeps it
	Pack        Kind = "pack"         // knowledge: certificates, time zones, user database ...
	Database    Kind = "database"     // a package database
	BasePackage Kind = "base-package" // of a package that makes the layout of the system
	Unowned     Kind = "unowned"      // no package owns it and it is no tool
	NothingDoes Kind = "not-a-tool"   // at the level binaries everything but tools stays
	HidesNone   Kind = "hides-nothing"
	Gated       Kind = "gate" // no complete source could have seen it used

	Link         Kind = "link"        // a link that leads to, or away from, what stays
	Interpreter  Kind = "interpreter" // of a script or of an ELF file
	Library      Kind = "library"     // an ELF file that stays needs it
	LoadedByName Kind = "loaded-by-name"
	Helper       Kind = "helper" // a library or runtime executes it
	Parent       Kind = "parent" // a directory that holds what stays
	PackageFile  Kind = "package-file"
	PackageData  Kind = "package-data" // of a package that only served data
	Dependency   Kind = "dependency"   // of a package that a used package depends on
	Follows      Kind = "follows"      // compiled from a file that stays
	Copyright    Kind = "copyright"    // of a package of which something stays
)

// Why a path goes.
const (
	UnusedProgram  Kind = "unused-program"
	UnusedScript   Kind = "unused-script"
	UnusedApplet   Kind = "unused-applet"
	LinkToDropped  Kind = "link-to-dropped"
	UnusedLibrary  Kind = "unused-library"
	UnusedPackage  Kind = "unused-package"
	ManagerState   Kind = "package-manager-state"
	Documentation  Kind = "documentation"
	Unobserved     Kind = "unobserved"      // at the level files: neither seen nor needed
	UnloadedPlugin Kind = "unloaded-plugin" // the policy drops plugins that keep packages
	SourceDropped  Kind = "source-dropped"  // compiled from a file that goes
	LeftOver       Kind = "left-over"       // in a directory of packages that are gone
	EmptyOfPackage Kind = "empty-directory"
	DropRule       Kind = "drop-rule"
	DenyRule       Kind = "deny-rule"
	Shadowed       Kind = "shadowed" // a later layer hides it
	Marker         Kind = "marker"   // a whiteout whose work is done
)

// Reason says why, and which other path explains it.
type Reason struct {
	Kind Kind   `json:"kind"`
	From string `json:"from,omitempty"` // the path whose decision explains this one
	Note string `json:"note,omitempty"` // for people: evidence, package, rule
}

// Decision is what becomes of one path.
type Decision struct {
	Path   string `json:"path"`
	Keep   bool   `json:"keep"`
	Reason Reason `json:"reason"`
}
