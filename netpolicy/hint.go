package netpolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lathe-build/lathe/internal/plainjson"
	"github.com/lathe-build/lathe/netpolicy/evaluate"
)

// Schema names the version of hint.json.
const Schema = "lathe.dev/hint/v1"

// Hint is what a workload needs of the network, with the evidence. It is plain
// data: its JSON form is hint.json, and every policy is rendered from it. All
// lists are sorted.
type Hint struct {
	Schema   string      `json:"schema"`
	Image    Image       `json:"image"` // empty in a merged hint: see Parts
	Parts    []Part      `json:"parts,omitempty"`
	Profile  ProfileInfo `json:"profile"`
	Workload Workload    `json:"workload"`
	// PolicyTypes are the directions that the policy restricts.
	PolicyTypes []Direction  `json:"policyTypes"`
	Rules       []Rule       `json:"rules"`
	Tightened   []Omission   `json:"tightened"`  // made by dropped executables only
	Foreign     []Omission   `json:"foreign"`    // made by executables that the image does not hold
	Omitted     []Omission   `json:"omitted"`    // left out because an option or a mapping says so
	Ignored     []Ignored    `json:"ignored"`    // noise, failures and what no policy can express
	Unresolved  []Unresolved `json:"unresolved"` // what an inventory would answer
	Warnings    []Warning    `json:"warnings"`
}

// Image binds a hint to images by their manifest digests.
type Image struct {
	Hardened string `json:"hardened,omitempty"`
	Source   string `json:"source,omitempty"`
}

// ProfileInfo says how good the evidence is.
type ProfileInfo struct {
	Digest   string   `json:"digest,omitempty"` // of the profile's canonical form
	From     string   `json:"from,omitempty"`   // RFC 3339, UTC
	To       string   `json:"to,omitempty"`
	Runs     int      `json:"runs"`
	Complete bool     `json:"complete"`
	Observes []string `json:"observes"` // what complete sources could see
}

// Part is one of the hints that a merged one was made of: one container of the
// pod.
type Part struct {
	Container string `json:"container,omitempty"`
	Image     Image  `json:"image"`
	Hint      string `json:"hint"` // digest of its canonical form
}

// Workload is what the policy applies to. PodSelector is empty when the labels
// are not known; then there is no policy.
type Workload struct {
	Namespace    string            `json:"namespace,omitempty"`
	Name         string            `json:"name"` // of the policy object
	PodSelector  map[string]string `json:"podSelector,omitempty"`
	SelectorFrom string            `json:"selectorFrom,omitempty"` // a Selector... constant
	// HostNetwork pods share the node's addresses: a policy has no effect on
	// them, so there is none.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Containers are all of the pod where they are known, Observed those that
	// the evidence is about. While one is missing there is no policy unless
	// Partial says that this is meant.
	Containers []string `json:"containers,omitempty"`
	Observed   []string `json:"observed,omitempty"`
	Partial    bool     `json:"partial,omitempty"`
}

// Missing are the containers that the evidence is not about.
func (w Workload) Missing() []string {
	observed := make(map[string]bool, len(w.Observed))
	for _, c := range w.Observed {
		observed[c] = true
	}
	var missing []string
	for _, c := range w.Containers {
		if !observed[c] {
			missing = append(missing, c)
		}
	}
	return missing
}

// Direction of a flow, seen from the workload.
type Direction = evaluate.Direction

// The two directions.
const (
	Ingress = evaluate.Ingress
	Egress  = evaluate.Egress
)

// Rule allows the workload to talk with a peer on some ports.
type Rule struct {
	ID        string    `json:"id"` // e- or i- and 16 hex digits of what the rule allows
	Direction Direction `json:"direction"`
	Peer      Peer      `json:"peer"`
	Ports     []Port    `json:"ports"`
	Evidence  Evidence  `json:"evidence"`
	Notes     []string  `json:"notes,omitempty"`
}

// Evidence is why a rule is there.
type Evidence struct {
	Observed    []string     `json:"observed,omitempty"` // addresses with ports as recorded
	Sources     []string     `json:"sources,omitempty"`  // addresses that connected to us
	Executables []Executable `json:"executables,omitempty"`
	Attribution string       `json:"attribution"` // "process", or "unknown" when some of it names no executable
	Count       int64        `json:"count"`
	Runs        int          `json:"runs"`
	First       string       `json:"first,omitempty"` // RFC 3339, UTC
	Last        string       `json:"last,omitempty"`
	Outcome     []string     `json:"outcome,omitempty"` // words of profile.Result...
}

// Executable that made a connection.
type Executable struct {
	Key  string `json:"key"` // see [profile.Key]
	Kept bool   `json:"kept"`
}

// Omission is something observed that the policy denies because of who made
// it.
type Omission struct {
	Direction   Direction `json:"direction"`
	Peer        Peer      `json:"peer"`
	Ports       []Port    `json:"ports"`
	Executables []string  `json:"executables"` // keys
	Reason      string    `json:"reason"`
}

// Ignored is something in the profile that no rule was made of.
type Ignored struct {
	Direction Direction `json:"direction"`
	What      string    `json:"what"`
	Reason    string    `json:"reason"`
}

// Unresolved is an observation whose meaning only an inventory can tell.
type Unresolved struct {
	Direction Direction `json:"direction"`
	What      string    `json:"what"`
	Reason    string    `json:"reason"`
	Action    string    `json:"action"` // "address" (a rule for the address) or "omitted"
}

// Warning is for the person who applies the policy.
type Warning struct {
	Code   string `json:"code"` // a Warn... constant
	Detail string `json:"detail"`
}

// JSON is the canonical form: fields in the order of the format, sorted lists,
// two spaces of indent, a newline at the end.
func (h *Hint) JSON() ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(h); err != nil {
		return nil, fmt.Errorf("encoding hint: %w", err)
	}
	return plainjson.Escape(buf.Bytes()), nil
}

// Restricts reports whether the policy restricts direction d.
func (h *Hint) Restricts(d Direction) bool { return slices.Contains(h.PolicyTypes, d) }

// Allows are the rules of direction d.
func (h *Hint) Allows(d Direction) []Rule {
	var rules []Rule
	for _, r := range h.Rules {
		if r.Direction == d {
			rules = append(rules, r)
		}
	}
	return rules
}
