package harden

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// Action is what happens to an entry of a layer.
type Action string

// The actions. A rewritten entry is a package database that lists less.
const (
	ActKeep    Action = "keep"
	ActDrop    Action = "drop"
	ActRewrite Action = "rewrite"
)

// Record is what becomes of one entry of one layer.
type Record struct {
	Layer   int
	Path    string // bytes as in the image; markers have the path that they hide
	Type    string // layers.Type's words
	Class   string // program, script, applet, library, module, data, dir, link; "" for shadowed entries and markers
	Action  Action
	Reason  Reason
	Size    int64  // bytes of content in the input; of hard links 0
	NewSize int64  // bytes of content after a rewrite
	SHA256  Digest // of kept regular files and hard links: of the content in the output
	Meta    Meta   // of what stays, as it is in the output, too; of links always
	content []byte // of a rewrite
}

// Meta is what a kept entry is besides its content. It must be the same in the
// output.
type Meta struct {
	Mode   uint32 `json:"mode"` // permission, setuid 04000, setgid 02000 and sticky 01000 bits
	UID    int    `json:"uid"`
	GID    int    `json:"gid"`
	MTime  string `json:"mtime"`            // RFC 3339 with nanoseconds, UTC
	Link   string `json:"link,omitempty"`   // of symbolic links, quoted as in Go when not UTF-8
	Dev    string `json:"dev,omitempty"`    // major:minor of devices
	Xattrs string `json:"xattrs,omitempty"` // SHA-256 of the extended attributes
}

// metaOf gives what an entry is; of a hard link, what its own header says.
func metaOf(e layers.Entry) Meta {
	m := Meta{
		Mode: unixMode(e.Mode), UID: e.UID, GID: e.GID, Xattrs: e.Xattrs,
		MTime: e.ModTime.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"),
	}
	switch e.Type {
	case layers.Symlink:
		if m.Link = e.Linkname; !utf8.ValidString(m.Link) {
			m.Link = strconv.Quote(m.Link)
		}
	case layers.CharDevice, layers.BlockDevice:
		m.Dev = fmt.Sprintf("%d:%d", e.Devmajor, e.Devminor)
	default:
	}
	return m
}

func unixMode(mode fs.FileMode) uint32 {
	m := uint32(mode.Perm())
	for bit, unix := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&bit != 0 {
			m |= unix
		}
	}
	return m
}

// Package is a package of the image's databases.
type Package struct {
	Manager string `json:"manager"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Kept    bool   `json:"kept"`
	Bytes   int64  `json:"bytes"`   // of its files in the input
	Dropped int64  `json:"dropped"` // of these, bytes that go
	From    string `json:"from,omitempty"`
}

// Plan is the decision for every path of an image, with reasons. It is a pure
// function of the image, its config, the profile and the policy.
type Plan struct {
	Source   profile.Identity
	Layers   int // of the source
	Policy   Policy
	Rebased  bool
	Vouched  bool    // the evidence is complete because a person says so
	Records  Records // one an entry, in the order of the layers and of the entries in them
	Packages []Package
	Tools    []Tool
	Findings []Finding
	Missing  []string  // what the profile names and the image does not have
	Gates    []Gate    // that are shut: what they keep, and what would release it
	Settled  []Settled // conflicts of rules and evidence that the policy answers
	Next     *Outlook  // of the level after this one; nil when there is none, or the plan was read

	decisions []Decision        // of every path of the root filesystem, as comparePaths orders them
	aliases   map[string]string // executable keys → path whose decision is theirs
	resolve   func(string) (string, error)
}

// plan turns the planner's files into decisions and records.
func (p *planner) plan(id profile.Identity) (*Plan, error) {
	tree := p.tree // so that a plan does not hold on to its planner
	pl := &Plan{
		Source: id, Layers: tree.Layers(), Policy: p.pol, Rebased: p.rebased, Vouched: p.vouched(),
		decisions: make([]Decision, 0, len(p.order)), aliases: map[string]string{},
		resolve: func(name string) (string, error) { t, _, err := tree.Resolve(name); return t, err },
	}
	edits, err := p.databaseEdits()
	if err != nil {
		return nil, err
	}
	for _, f := range p.order {
		if !f.kept {
			f.reason = p.whyDropped(f)
		}
		pl.decisions = append(pl.decisions, Decision{Path: f.path, Keep: f.kept, Reason: f.reason})
	}
	p.describe(pl)
	pl.Settled, pl.Gates = p.settled, p.shutGates()
	classes, of := p.classes()
	if pl.Next, err = p.outlook(of); err != nil {
		return nil, err
	}
	p.forget() // what follows needs the decisions only, and there are as many records
	pl.Records.grow(tree.Len())
	for e := range tree.Entries() {
		pl.Records.Append(record(tree, e, pl.decisions, classes, of[e.ID], edits))
	}
	pl.Records.settle()
	return pl, nil
}

// classes gives the class of each path in order, and for each entry the position
// of its path, or -1.
func (p *planner) classes() (classes []uint8, of []int32) {
	classes = make([]uint8, len(p.order))
	of = make([]int32, p.tree.Len())
	for i := range of {
		of[i] = -1
	}
	for i, f := range p.order {
		classes[i] = f.className()
		for _, id := range p.tree.Makers(f.path) {
			of[id] = int32(i)
		}
	}
	return classes, of
}

// forget lets go of what planning needed.
func (p *planner) forget() {
	p.files, p.order, p.pkgs, p.queue, p.db, p.loader, p.names = nil, nil, nil, nil, nil, nil, nil
}

// record is the record of one entry: shadowed entries and markers that have
// done their work go, the others follow their path's decision.
func record(t *layers.Tree, e layers.Entry, ds []Decision, classes []uint8, at int32, edits map[string][]byte) (r Record) {
	r = Record{Layer: e.Layer, Path: e.Path, Type: e.Type.String(), Action: ActDrop, Size: e.Size}
	defer func() {
		if r.Action != ActDrop || r.Class != "" && e.Type == layers.Symlink {
			r.Meta = metaOf(e) // of a dropped link so that paths through it can be explained
		}
	}()
	if why, stays := aside(t, e); why.Kind != "" {
		if r.Reason = why; stays {
			r.Action = ActKeep
		}
		if e.Path == "." && why.Kind == Parent {
			r.Class = "dir"
		}
		return r
	}
	d := ds[at]
	r.Path, r.Class, r.Reason = d.Path, classNames()[classes[at]], d.Reason
	if !d.Keep {
		return r
	}
	r.Action = ActKeep
	if content, ok := edits[e.Path]; ok {
		r.Action, r.content, r.NewSize = ActRewrite, content, int64(len(content))
	}
	return r
}

// aside tells what becomes of entries that no path's decision is about: those
// that a later layer hides, markers, the root. Others have no such reason.
func aside(t *layers.Tree, e layers.Entry) (why Reason, stays bool) {
	switch {
	case e.Shadowed:
		by := t.Entry(e.HiddenBy)
		return Reason{Kind: Shadowed, Note: "hidden by a " + by.Type.String() + " in layer " + itoa(by.Layer)}, false
	case e.Type == layers.Leftover:
		return Reason{Kind: Marker, Note: "bookkeeping that engines skip"}, false
	case e.Type.Marker() && (e.Hides() || e.Disputed()):
		return Reason{Kind: Marker, Note: "what it hides is gone"}, false
	case e.Type.Marker():
		return Reason{Kind: HidesNone}, true
	case e.Path == ".":
		return Reason{Kind: Parent, Note: "the root"}, true
	}
	return Reason{}, false
}

func itoa(n int) string { return strconv.Itoa(n) }

// className is the position of a file's class in classNames.
func (f *file) className() uint8 {
	if f.applet != "" {
		return uint8(module) + 1
	}
	return uint8(f.class)
}

// classNames are the words of plans for the classes; applets are one there.
func classNames() [8]string {
	return [...]string{"data", "dir", "link", "program", "script", "library", "module", "applet"}
}

// digest fills in the SHA-256 of everything that stays.
func digest(ctx context.Context, t *layers.Tree, pl *Plan) error {
	var ids, records []int
	for i, r := range pl.Records.All() {
		e := t.Entry(i)
		switch {
		case r.Action == ActRewrite:
			pl.Records.setSum(i, sha256.Sum256(r.content))
		case r.Action == ActKeep && (e.Type == layers.Regular || e.Type == layers.HardLink && t.Entry(e.Data).Type == layers.Regular):
			ids, records = append(ids, i), append(records, i)
		}
	}
	sums, err := t.Digests(ctx, ids)
	if err != nil {
		return err
	}
	for i, r := range records {
		pl.Records.setSum(r, sums[i])
	}
	return nil
}

// whyDropped says why a path goes.
func (p *planner) whyDropped(f *file) Reason {
	never := "it never ran, and nothing that stays needs it"
	switch {
	case f.barred && (f.reason.Kind == DropRule || f.wanted != nil):
		return f.reason
	case f.applet != "":
		return Reason{Kind: UnusedApplet, From: f.applet, Note: "never ran by this name"}
	case f.class == program:
		return Reason{Kind: UnusedProgram, Note: p.ofPackages(f, never)}
	case f.command:
		return Reason{Kind: UnusedScript, Note: "the name of a command that never ran"}
	case isLayerIndex(f.path):
		return Reason{Kind: LeftOver, Note: "it lists what the layer held"}
	case f.class == script:
		return Reason{Kind: UnusedScript, Note: p.ofPackages(f, never)}
	case f.class == link && p.find(f.target) != nil && !p.find(f.target).kept:
		return Reason{Kind: LinkToDropped, From: f.target}
	case p.level == Files && f.above:
		return Reason{Kind: Unobserved, Note: p.ofPackages(f, "the profile never saw it, and nothing observed needs it")}
	case p.droppableState(f):
		return Reason{Kind: ManagerState, Note: "only the package manager reads it"}
	case inDocs(f.path):
		return Reason{Kind: Documentation}
	case p.source(f) != nil:
		return Reason{Kind: SourceDropped, From: p.source(f).path}
	case p.dbPaths[f.path]:
		return Reason{Kind: UnusedPackage, Note: "it lists a package that is gone"}
	case f.class == dir:
		return Reason{Kind: EmptyOfPackage, Note: p.ofPackages(f, "nothing is left in it")}
	case f.class == library && f.needed:
		return Reason{Kind: UnusedLibrary, Note: p.ofPackages(f, "only what goes needed it")}
	case f.spare:
		return Reason{Kind: UnloadedPlugin, Note: p.ofPackages(f, "never loaded, and it alone needs other packages")}
	case len(f.owners) > 0:
		return Reason{Kind: UnusedPackage, Note: p.ofPackages(f, "nothing of the package that needs it was used")}
	}
	return Reason{Kind: LeftOver, Note: "in a directory that only packages which go have listed"}
}

// note is a note about a file of the package; the same note is the same string.
func (g *pkg) note(text string) string {
	if g.notes == nil {
		g.notes = map[string]string{}
	}
	full, ok := g.notes[text]
	if !ok {
		full = "package " + g.Name + ": " + text
		g.notes[text] = full
	}
	return full
}

func (p *planner) ofPackages(f *file, note string) string {
	if len(f.owners) == 1 { // nearly always, and then one string serves all files of the package
		return f.owners[0].note(note)
	}
	var names []string
	for _, g := range f.owners {
		names = append(names, g.Name)
	}
	if len(names) > 3 {
		names = append(names[:3], "...")
	}
	if len(names) == 0 {
		return note
	}
	return "package " + strings.Join(names, ", ") + ": " + note
}

// Fate tells what becomes of an executable of the profile.
type Fate int

// What becomes of an executable.
const (
	FateUnknown    Fate = iota // the profile does not say which file it was
	FateKept                   // it stays
	FateDropped                // it goes
	FateNotInImage             // the image never had it
)

// Fate looks an executable up by its key in the profile.
func (pl *Plan) Fate(key string) Fate {
	file, applet := profile.SplitKey(key)
	if file == "" {
		return FateUnknown
	}
	name, ok := pl.aliases[key]
	if !ok {
		if name = cleanPath(string(file)); pl.resolve != nil {
			if target, err := pl.resolve(string(file)); err == nil {
				name = target
			}
		}
	}
	d, known := pl.decision(name)
	switch {
	case !known:
		return FateNotInImage
	case !d.Keep:
		return FateDropped
	case applet != "" && !ok:
		return FateUnknown
	}
	return FateKept
}
