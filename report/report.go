package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/plainjson"
)

// The version and kind of the JSON document.
const (
	APIVersion = "lathe.dev/v1alpha1"
	Kind       = "HardeningReport"
)

// Report says what hardening does, or did, to an image.
type Report struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Job
	Platforms []Platform `json:"platforms"` // in the order of the inputs
}

// Job is what the caller knows about the whole run.
type Job struct {
	Tool      string     `json:"tool,omitempty"`    // name and version of the program
	Image     string     `json:"image"`             // as the user typed it
	Level     string     `json:"level"`             // filled in from the plans when empty
	DryRun    bool       `json:"dryRun"`            // nothing was written
	Source    string     `json:"source,omitempty"`  // digest of the image or index that was read
	Result    string     `json:"result,omitempty"`  // digest of the image or index that was made
	LeftOut   []LeftOut  `json:"leftOut,omitempty"` // platforms that are not in the result
	Hint      *Hint      `json:"networkHint,omitempty"`
	Run       *Run       `json:"run,omitempty"`
	Signature *Signature `json:"signature,omitempty"`
	Outputs   []Output   `json:"outputs,omitempty"`
}

// LeftOut is a platform of an index that was not hardened and is not in the result.
type LeftOut struct {
	Platform string `json:"platform"`
	Why      string `json:"why"`
}

// Run is what a run of the hardened image under a recorder showed. It passed, or
// there would be no result.
type Run struct {
	Scenarios []string `json:"scenarios"`           // tests and start scenarios
	Repaired  []Missed `json:"repaired,omitempty"`  // kept because an earlier run missed it
	LookedFor []Missed `json:"lookedFor,omitempty"` // dropped, and only looked for
}

// Missed is a path that a run of the hardened image asked for in vain.
type Missed struct {
	Path string `json:"path"`
	Why  string `json:"why"` // who asked for it, and how
}

// Hint sums up the network-policy hint. The texts are one line each.
type Hint struct {
	Workload   string   `json:"workload,omitempty"` // such as deployment shop/web
	Restricts  []string `json:"restricts"`          // ingress, egress
	Ingress    []string `json:"ingress"`            // what the rules allow: "TCP/8080 from anywhere"
	Egress     []string `json:"egress"`             // "TCP/5432 to 10.0.0.7/32"
	Tightened  []string `json:"tightened"`          // was seen and is denied, since only dropped executables did it
	Warnings   []string `json:"warnings"`
	NotWritten string   `json:"notWritten,omitempty"` // why there is no networkpolicy.yaml
}

// Signature says whether the result is signed and how to check it.
type Signature struct {
	Signed   bool   `json:"signed"`
	Attested bool   `json:"attested"`
	Key      string `json:"key,omitempty"`  // what identifies the public key
	Note     string `json:"note,omitempty"` // such as why it is not signed
	Verify   string `json:"verify,omitempty"`
}

// Output is something that was written.
type Output struct {
	What  string `json:"what"`  // image, plan, report, network policy ...
	Where string `json:"where"` // a path or a reference
}

// Platform is what happens to the image of one platform.
type Platform struct {
	Platform string   `json:"platform"` // such as linux/amd64
	Before   Counts   `json:"before"`
	After    Counts   `json:"after"`
	Totals   Totals   `json:"totals"`
	Evidence Evidence `json:"evidence"`
	Encoded  Encoded  `json:"encodedAnew"`

	Gates     []harden.Gate    `json:"gates"`   // what stays for lack of evidence
	Answers   []harden.Settled `json:"answers"` // of the policy to conflicts of rules and evidence
	Scorecard []Class          `json:"scorecard"`
	Startup   []Location       `json:"startupOnly"` // programs that stay, and that only the entrypoint used
	Serving   []Location       `json:"serving"`     // programs that stay, and that ran while the workload served
	Boxes     []Box            `json:"multiCallBinaries,omitempty"`
	KeptBy    []Group          `json:"keptBy"`    // adds up to Totals.Kept
	DroppedBy []Group          `json:"droppedBy"` // adds up to Totals.Dropped
	Packs     []Group          `json:"knowledgePacks"`
	Biggest   []Chain          `json:"biggest"` // regular files that stay, by size
	Packages  Packages         `json:"packages"`

	Findings []Finding  `json:"findings"`
	Missing  []Location `json:"missing"` // what the profile names and the image does not have
	Next     *Gain      `json:"nextLevel,omitempty"`
}

// Counts measure an image before or after.
type Counts struct {
	Digest      string `json:"digest,omitempty"` // of the manifest
	Download    int64  `json:"download"`         // bytes of all layer blobs, 0 when not known
	Bytes       int64  `json:"bytes"`            // of content in all layers
	Layers      int    `json:"layers"`           // 0 when not known
	Entries     int    `json:"entries"`          // of all layers
	Files       int    `json:"files"`            // regular files and hard links of the root filesystem
	Executables int    `json:"executables"`      // programs, scripts and applets
	Packages    int    `json:"packages"`         // that the package databases list
	Tools       int    `json:"tools"`            // executables that the catalogue of attack tools names
}

// Amount is a number of entries and the bytes of their content.
type Amount struct {
	Entries int   `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

func (a *Amount) add(bytes int64) {
	a.Entries++
	a.Bytes += bytes
}

// Totals account for every entry and byte: Input is Kept and Dropped and
// Rewritten and Shadowed. Output.Bytes is Kept.Bytes, RewrittenTo and Carried.
type Totals struct {
	Input       Amount `json:"input"`
	Kept        Amount `json:"kept"`
	Dropped     Amount `json:"dropped"`
	Rewritten   Amount `json:"rewritten"` // with the size before
	Shadowed    Amount `json:"shadowed"`  // hidden entries, and markers that have nothing left to hide
	RewrittenTo int64  `json:"rewrittenTo"`
	Carried     int64  `json:"carried"`
	Output      Amount `json:"output"`
}

// Evidence is what the decisions rest on.
type Evidence struct {
	Complete  bool     `json:"complete"`
	Vouched   bool     `json:"vouched"` // complete because a person says so
	Rebased   bool     `json:"rebased"` // recorded on another image
	Runs      int      `json:"runs"`
	Recorders []string `json:"recorders"`
	Scenarios []string `json:"scenarios"`
	Sources   []Source `json:"sources"`
}

// Source says what a source of the profile is worth.
type Source struct {
	ID       string   `json:"id"`
	Recorder string   `json:"recorder,omitempty"`
	Kind     string   `json:"kind"`              // observed, declared or static
	Complete bool     `json:"complete"`          // from start to end, and nothing lost
	Vouched  bool     `json:"vouched"`           // complete because a person says so
	Lost     *int64   `json:"lost,omitempty"`    // events; absent where the recorder cannot tell
	Observes []string `json:"observes"`          // what it could see
	Trusted  []string `json:"trusted,omitempty"` // what the policy trusts it to have seen all of
}

// Encoded counts entries that are not the same bytes as in the input, see
// [layers.Stats].
type Encoded struct {
	Promoted int `json:"promoted"`
	Relinked int `json:"relinked"`
	Replaced int `json:"replaced"`
	Folded   int `json:"folded"`
	Moved    int `json:"moved"`
}

// Class is a line of the scorecard: one class of attack tools.
type Class struct {
	Name      string `json:"name"`
	Technique string `json:"technique"`        // MITRE ATT&CK technique id
	Use       string `json:"use"`              // in an attacker's hands
	Denied    bool   `json:"denied,omitempty"` // by the policy
	Before    int    `json:"before"`
	After     int    `json:"after"`
	Stays     []Stay `json:"stays"`
}

// Stay is a tool that stays.
type Stay struct {
	Location
	Use  string      `json:"use"`           // a Use... constant
	For  []Location  `json:"for"`           // what needs it
	Kind harden.Kind `json:"kind"`          // of the plan's reason
	Why  string      `json:"why"`           // the plan's reason, a sentence
	Box  *Location   `json:"box,omitempty"` // of an applet: the multi-call binary
}

// What a tool that stays was used for.
const (
	UseServing  = "serving"       // ran while the workload served
	UseStartup  = "startup only"  // ran only before the long-running program did
	UseShutdown = "shutdown only" // ran only while the workload stopped
	UseStarting = "start and stop"
	UseApplets  = "its applets" // a multi-call binary: by the names that stay
	UseRan      = "ran"         // the profile does not say when
	UseConfig   = "config"
	UseRule     = "policy"
	UseNeeded   = "needed" // nothing saw it run, but what stays needs it
	UseOther    = "other"
)

// Box is a multi-call binary that stays.
type Box struct {
	Location
	Kept    []Location `json:"kept"`    // names of tools by which it is still called
	Dropped int        `json:"dropped"` // names that are gone
}

// Group is what has one reason in common.
type Group struct {
	Kind harden.Kind `json:"kind"`
	Text string      `json:"text"`
	Amount
}

// Chain is a path with the reasons for it, up to a root.
type Chain struct {
	Location
	Bytes int64  `json:"bytes"`
	Steps []Step `json:"because"`
}

// Packages are the packages that are gone and those that stay, biggest first.
type Packages struct {
	Dropped []Package `json:"dropped"`
	Kept    []Package `json:"kept"`
}

// Package is a package of the image's databases.
type Package struct {
	Manager      string    `json:"manager"`
	Name         string    `json:"name"`
	Version      string    `json:"version"`
	Bytes        int64     `json:"bytes"`        // of its files before
	DroppedBytes int64     `json:"droppedBytes"` // of these, that go
	Because      *Location `json:"because,omitempty"`
}

// Kinds of findings that the report adds to the plan's.
const (
	ToolKept         = "tool-kept"
	AppletsReachable = "applets-reachable"
)

// Finding is something that a person should know.
type Finding struct {
	Kind string `json:"kind"`
	Location
	Text string `json:"text"`
}

// Gain is what the next level would drop more.
type Gain struct {
	Level       string `json:"level"`
	Bytes       int64  `json:"bytes"` // of content
	Files       int    `json:"files"`
	Packages    int    `json:"packages"`
	Executables int    `json:"executables"`
}

// others are the findings that the scorecard does not show.
func (p *Platform) others() []Finding {
	var list []Finding
	for _, f := range p.Findings {
		if f.Kind != ToolKept && f.Kind != AppletsReachable {
			list = append(list, f)
		}
	}
	return list
}

// Location is a path in an image.
type Location struct {
	Path    string `json:"path"`              // absolute; bytes that are not UTF-8 are replaced
	PathB64 []byte `json:"pathB64,omitempty"` // the path's own bytes, where they are not UTF-8
}

// locate makes the absolute path of a canonical one.
func locate(name string) Location {
	if name == "" {
		return Location{}
	}
	if name == "." {
		return Location{Path: "/"}
	}
	name = "/" + strings.TrimPrefix(name, "/")
	if utf8.ValidString(name) {
		return Location{Path: name}
	}
	return Location{Path: strings.ToValidUTF8(name, "\ufffd"), PathB64: []byte(name)}
}

// raw gives the path's own bytes.
func (l Location) raw() string {
	if l.PathB64 != nil {
		return string(l.PathB64)
	}
	return l.Path
}

// JSON is the canonical form: fields in the order of the format, sorted lists,
// two spaces of indent, a newline at the end.
func (r *Report) JSON() ([]byte, error) {
	return encode(r)
}

func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding the report: %w", err)
	}
	return plainjson.Escape(buf.Bytes()), nil
}

// Step is one decision of a chain of reasons.
type Step struct {
	Location
	Keep    bool        `json:"keep"`
	Kind    harden.Kind `json:"kind"`
	Because string      `json:"because"` // a sentence
}
