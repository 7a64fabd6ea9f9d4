package harden

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/elfdeps"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/pkgdb"
	"github.com/lathe-build/lathe/profile"
)

// planner is the state of one NewPlan.
type planner struct {
	tree   *layers.Tree
	root   fs.FS
	config v1.Config
	prof   *profile.Profile
	pol    Policy
	loader *elfdeps.Loader
	db     *pkgdb.DB

	files     map[string]*file
	order     []*file
	pkgs      []*pkg
	onPath    map[string]bool // directories that commands are looked up in
	path      []string        // the same in order, canonical
	queue     []*file
	inherited map[string][]string // RPATH directories that a file's loaders pass on
	evidence  map[string][]string // canonical path → what of the profile is about it
	phases    map[string][]string // canonical path → phases in which it ran
	using     map[string][]string // key of an executable → phases in which it did something
	dbPaths   map[string]bool     // files of the package databases
	copied    map[int]bool        // layers of COPY and ADD without a package database
	missing   []string            // of the profile: what the image does not have
	findings  []Finding
	refusals  []string
	refusedOf map[string]bool // of these
	rebased   bool
	preload   []string                       // libraries that every program loads
	stateDirs map[*file]bool                 // listed directories with files of nobody's that the profile saw
	byKey     map[string]*profile.Executable // of the profile
	origins   map[string][]string            // canonical path → where what ran there came from
	named     map[string][]*pkg              // packages by name and by what they provide
	followed  map[string]follows             // names of packages whose dependencies were followed
	leftOver  map[*file]bool                 // directories that only unused packages list, since the last change
	leftIn    map[*file][]*file              // what nobody owns in these directories
	waiting   []*pkg                         // for the rules about packages
	level     Level                          // that is being decided
	early     int                            // findings from before the first decision
	names     map[int][]string               // content entry → library names in it
	unread    []Finding                      // about content that could not be read for them
	pam       map[string]bool                // base names of the modules that its configuration names

	barriers     *barriers
	barredBy     map[*file]*matcher // the rules that name barred files
	answers      map[*file]*answer
	settled      []Settled
	commandRules []*commandRule
	sources      map[string]*profile.Source     // of the profile, by id
	people       func(*profile.Executable) bool // a person ran it
	instead      map[string][]string            // canonical path → what Kubernetes can do in its place
	lookup       *profile.Lookup
	relative     []string // recorded paths that are below the working directory
	gates        *gates
	catalogue    *catalogue
	services     []string       // that name service modules are for
	brought      map[string]int // see again
	compared     int            // paths with patterns of the profile
}

// NewPlan decides every path of an image. The identity says which image it is,
// to see whether the profile is about it. It gives a [*Refusal] when the plan
// would not be safe, and a [*Conflict] when rules and evidence disagree.
func NewPlan(ctx context.Context, t *layers.Tree, id profile.Identity, prof *profile.Profile, pol Policy) (*Plan, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	pl, err := decided(t, id, prof, pol)
	if err != nil {
		return nil, err
	}
	if err := digest(ctx, t, pl); err != nil {
		return nil, err
	}
	return pl, nil
}

// decided is the plan without the digests of what stays.
func decided(t *layers.Tree, id profile.Identity, prof *profile.Profile, pol Policy) (*Plan, error) {
	pol, err := pol.normal()
	if err != nil {
		return nil, err
	}
	p, err := newPlanner(t, prof, pol)
	if err != nil {
		return nil, err
	}
	p.readOrigins()
	p.setGates()
	if err := p.checkFit(id); err != nil {
		return nil, err
	}
	if err := p.survey(); err != nil {
		return nil, err
	}
	p.findNeeded()
	if err := p.decideAll(); err != nil {
		return nil, err
	}
	p.matchlessCommands()
	p.tellBlindSpots()
	if err := p.conflicts(); err != nil {
		return nil, err
	}
	p.checkStarts()
	if len(p.refusals) > 0 {
		return nil, &Refusal{Reasons: p.refusals}
	}
	return p.plan(id)
}

func newPlanner(t *layers.Tree, prof *profile.Profile, pol Policy) (*planner, error) {
	p := &planner{
		tree: t, root: t.FS(), config: t.Config().Config, prof: prof, pol: pol,
		files: make(map[string]*file, t.Len()), order: make([]*file, 0, t.Len()), onPath: map[string]bool{},
		using: phasesOfUse(prof), lookup: profile.NewLookup(Root(t), prof.Sources),
	}
	var err error
	if p.loader, err = elfdeps.New(p.root, p.libraryPath()...); err != nil {
		return nil, fmt.Errorf("reading the loader's configuration: %w", err)
	}
	if p.db, err = pkgdb.Read(p.root, pkgdb.Limits{}); err != nil {
		return nil, fmt.Errorf("reading the package databases: %w", err)
	}
	p.dbPaths = map[string]bool{}
	for _, name := range p.db.Paths() {
		p.dbPaths[name] = true
	}
	p.findCopied()
	p.setPath()
	p.setPreload()
	return p, nil
}

func (p *planner) env(name string) string {
	for _, kv := range p.config.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// libraryPath is LD_LIBRARY_PATH of the image's environment.
func (p *planner) libraryPath() []string {
	var dirs []string
	for d := range strings.SplitSeq(p.env("LD_LIBRARY_PATH"), ":") {
		if strings.HasPrefix(d, "/") {
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// defaultPath is what a shell searches when the environment says nothing.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (p *planner) setPath() {
	envPath := p.env("PATH")
	for i, list := range []string{envPath, defaultPath} {
		for d := range strings.SplitSeq(list, ":") {
			target, _, err := p.tree.Resolve(d)
			if d == "" || err != nil {
				continue
			}
			if !p.onPath[target] && (i == 0 || envPath == "") {
				p.path = append(p.path, d)
			}
			p.onPath[target] = true
		}
	}
}

// find gives the file at a canonical path.
func (p *planner) find(name string) *file { return p.files[name] }

// keep marks a path as kept, once, and queues it for its edges. A file that was
// kept weakly and is now used gets its edges again, but keeps its first reason.
func (p *planner) keep(f *file, strong bool, why Reason) {
	switch {
	case f == nil:
		return
	case f.barred && !p.overrule(f, strong, why):
		return
	}
	runs := strong && isRun(f, why.Kind)
	switch {
	case !f.kept:
		f.kept, f.strong, f.reason = true, strong, why
	case strong && !f.strong:
		f.strong = true
	case runs && !f.runs:
	default:
		return
	}
	f.runs = f.runs || runs
	p.queue = append(p.queue, f)
}

// isRun tells reasons that mean that a file is run, so that what its first line
// names is needed.
func isRun(f *file, kind Kind) bool {
	return kind == Executed || kind == Declared || kind == Config || kind == KeepRule && f.entry.Mode&0o111 != 0
}

// drain follows the edges of everything that is queued.
func (p *planner) drain() {
	for len(p.queue) > 0 {
		f := p.queue[0]
		p.queue = p.queue[1:]
		p.edgeParents(f)
		p.edgeLinks(f)
		p.edgeScript(f)
		p.edgeScriptCommands(f)
		p.edgeELF(f)
		p.edgePreload(f)
		p.edgeLoadedByName(f)
		p.edgeHelpers(f)
		p.edgePackage(f)
	}
}

// spread applies the rules about packages and unowned files until nothing
// changes, then the packs, which make nothing used, then the rules again.
func (p *planner) spread() error {
	switch p.level {
	case Binaries:
		p.ruleBinaries()
		p.drain()
		return nil
	case Files:
		p.findStateDirs()
		p.rulePacks()
		p.drain()
		p.untilStable(p.ruleLinks)
		p.ruleEveryDirectory()
	case Packages:
		p.findStateDirs()
		p.untilStable(p.rulePackages, p.ruleUnowned, p.ruleLinks, p.ruleCompiled)
		p.rulePacks()
		p.ruleEmptyDirs()
		p.drain()
		p.untilStable(p.rulePackages, p.ruleUnowned, p.ruleLinks, p.ruleCompiled)
	}
	p.ruleCopyright()
	p.drain()
	if err := p.ruleDatabase(); err != nil {
		return err
	}
	p.drain()
	p.ruleDirectories()
	p.drain()
	return nil
}

// untilStable applies rules until they change nothing.
func (p *planner) untilStable(rules ...func()) {
	for before := -1; before != p.count(); {
		before = p.count()
		for _, rule := range rules {
			rule()
		}
		p.drain()
	}
}

func (p *planner) count() int {
	n := 0
	for _, f := range p.order {
		if f.kept {
			n++
		}
		if f.strong {
			n++
		}
	}
	return n
}

// resolve follows a path of the profile or the config to a file and keeps the
// links on the way in mind.
func (p *planner) resolve(name string) (f *file, links []string) {
	target, links, err := p.tree.Resolve(name)
	if err != nil {
		return nil, links
	}
	return p.find(target), links
}

// keepVia keeps a file and the links that led to it.
func (p *planner) keepVia(f *file, links []string, strong bool, why Reason) {
	if p.keep(f, strong, why); f == nil || f.barred {
		return
	}
	for _, l := range links {
		p.keep(p.find(l), strong, Reason{Kind: Link, From: f.path, Note: "the name by which it was reached"})
	}
}

// lookPath finds a command as a shell would.
func (p *planner) lookPath(command string) (f *file, links []string) {
	if strings.Contains(command, "/") {
		if !strings.HasPrefix(command, "/") {
			command = path.Join("/", p.config.WorkingDir, command)
		}
		return p.resolve(command)
	}
	for _, d := range p.path {
		f, links := p.resolve(d + "/" + command)
		if f != nil && f.class != dir {
			return f, links
		}
	}
	return nil, nil
}

func sortedSet(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
