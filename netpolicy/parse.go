package netpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits of what [ParseHint] reads.
const (
	MaxHintBytes  = 128 << 20
	maxHintValues = 8 << 20 // keys, values and brackets
	maxHintDepth  = 16
)

// ParseHint reads hint.json. It is strict: unknown, repeated and differently
// spelled fields, another schema, trailing data, and rules that no policy can
// be rendered from are errors that name the place. Spaces do not matter.
func ParseHint(data []byte) (*Hint, error) {
	if len(data) > MaxHintBytes {
		return nil, fmt.Errorf("reading hint: %d bytes are more than %d", len(data), MaxHintBytes)
	}
	if err := checkJSON(data); err != nil {
		return nil, fmt.Errorf("reading hint: %w", err)
	}
	h := &Hint{}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(h); err != nil {
		return nil, fmt.Errorf("reading hint: %w", err)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("reading hint: %w", err)
	}
	return h, nil
}

// checkJSON walks data once for what encoding/json lets pass: keys that repeat
// or are a field's name in another case, data behind the value, and structures
// without bound.
func checkJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	w := &jsonWalk{}
	for entries := 0; entries <= maxHintValues; entries++ {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && len(w.stack) == 0 && entries > 0 {
			return nil
		}
		if err == nil && len(w.stack) == 0 && entries > 0 {
			err = errors.New("data behind the hint")
		}
		if err == nil {
			err = w.next(token)
		}
		if err != nil {
			return fmt.Errorf("byte %d: %w", dec.InputOffset(), err)
		}
	}
	return fmt.Errorf("more than %d values", maxHintValues)
}

// jsonWalk follows the tokens of a JSON document.
type jsonWalk struct {
	stack []jsonLevel
	last  string // key of the value that comes
}

// jsonLevel is an open array or object.
type jsonLevel struct {
	keys map[string]bool // nil in an array
	key  bool            // a key comes next
	free bool            // its keys are labels, not fields
}

func (w *jsonWalk) next(token json.Token) error {
	top := len(w.stack) - 1
	if name, ok := token.(string); ok && top >= 0 && w.stack[top].key {
		w.stack[top].key, w.last = false, name
		return claim(w.stack[top].keys, name, w.stack[top].free)
	}
	switch token {
	case json.Delim('{'):
		w.stack = append(w.stack, jsonLevel{keys: map[string]bool{}, key: true, free: w.last == "podSelector"})
	case json.Delim('['):
		w.stack = append(w.stack, jsonLevel{})
	case json.Delim('}'), json.Delim(']'):
		w.stack = w.stack[:top]
		w.valueDone()
	default:
		w.valueDone()
	}
	if len(w.stack) > maxHintDepth {
		return fmt.Errorf("nested deeper than %d", maxHintDepth)
	}
	return nil
}

// valueDone makes the object around a value expect a key.
func (w *jsonWalk) valueDone() {
	if top := len(w.stack) - 1; top >= 0 && w.stack[top].keys != nil {
		w.stack[top].key = true
	}
}

// claim notes a key of an object. It must be the exact name of a field, because
// encoding/json takes other cases too, unless it is free.
func claim(keys map[string]bool, name string, free bool) error {
	if keys[name] {
		return fmt.Errorf("field %q is there twice", clip(name, maxShown))
	}
	if !free && !isField(name) {
		return fmt.Errorf("unknown field %q", clip(name, maxShown))
	}
	keys[name] = true
	return nil
}

// isField reports whether some object of hint.json has a field of that name.
func isField(name string) bool {
	switch name {
	case "schema", "image", "profile", "workload", "policyTypes", "rules", "tightened", "foreign", "ignored", "unresolved", "warnings",
		"hardened", "source", "parts", "hint", "container", "omitted",
		"digest", "from", "to", "runs", "complete", "observes",
		"namespace", "name", "podSelector", "selectorFrom", "hostNetwork", "containers", "partial",
		"id", "direction", "peer", "ports", "evidence", "notes",
		"kind", "cidrs", "except", "names", "via",
		"protocol", "port", "endPort",
		"observed", "sources", "executables", "attribution", "count", "first", "last", "outcome",
		"key", "kept", "reason", "what", "action", "code", "detail":
		return true
	}
	return false
}

// check reports a hint that no policy can be rendered from.
func (h *Hint) check() error {
	if h.Schema != Schema {
		return fmt.Errorf("schema %q is not %q", clip(h.Schema, maxShown), Schema)
	}
	for _, d := range []string{h.Image.Hardened, h.Image.Source, h.Profile.Digest} {
		if err := checkDigest(d); err != nil {
			return err
		}
	}
	for i, d := range h.PolicyTypes {
		if d != Ingress && d != Egress || slices.Contains(h.PolicyTypes[:i], d) {
			return fmt.Errorf("policyTypes[%d]: %q is unknown or repeated", i, clip(string(d), maxShown))
		}
	}
	if err := h.checkParts(); err != nil {
		return err
	}
	ids := map[string]bool{}
	for i, r := range h.Rules {
		if err := r.check(); err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
		if ids[r.ID] {
			return fmt.Errorf("rules[%d]: id %q is there twice", i, r.ID)
		}
		ids[r.ID] = true
		if !h.Restricts(r.Direction) {
			return fmt.Errorf("rules[%d]: %s is not in policyTypes", i, r.Direction)
		}
	}
	for name, list := range map[string][]Omission{"tightened": h.Tightened, "foreign": h.Foreign, "omitted": h.Omitted} {
		for i, o := range list {
			if o.Direction != Ingress && o.Direction != Egress {
				return fmt.Errorf("%s[%d]: unknown direction %q", name, i, clip(string(o.Direction), maxShown))
			}
		}
	}
	return h.checkPolicy()
}

// checkParts reports parts that are no hints, or not several.
func (h *Hint) checkParts() error {
	if len(h.Parts) == 1 {
		return errors.New("parts: a hint is not made of one other")
	}
	seen := map[string]bool{}
	for i, p := range h.Parts {
		for _, d := range []string{p.Image.Hardened, p.Image.Source, p.Hint} {
			if err := checkDigest(d); err != nil {
				return fmt.Errorf("parts[%d]: %w", i, err)
			}
		}
		if p.Hint == "" || seen[p.Hint] {
			return fmt.Errorf("parts[%d]: the digest of the hint is missing or there twice", i)
		}
		seen[p.Hint] = true
	}
	return nil
}

// checkPolicy validates what h renders to.
func (h *Hint) checkPolicy() error {
	if err := h.unusable(); err != nil {
		if errors.Is(err, ErrTooLarge) {
			return err
		}
		return checkLabels(h.Workload.PodSelector)
	}
	return validate(h.render(digestPrefix + strings.Repeat("0", digestLen-len(digestPrefix))))
}

// check reports a rule whose id is not of what it allows, or whose peer cannot
// be rendered.
func (r Rule) check() error {
	id := ""
	if r.Direction == Ingress || r.Direction == Egress {
		var err error
		if id, err = ruleID(r); err != nil {
			return err
		}
	}
	if id == "" || id != r.ID {
		return fmt.Errorf("id %q is not that of what the rule allows, %q", clip(r.ID, maxShown), id)
	}
	if err := r.Peer.check(r.Direction); err != nil {
		return err
	}
	if len(r.Ports) == 0 {
		return fmt.Errorf("no ports")
	}
	for i, p := range r.Ports {
		if p.Name != "" && r.Peer.Kind != PeerPods {
			return fmt.Errorf("ports[%d]: a name for a peer that is no pod", i)
		}
		if err := validatePort(renderPorts([]Port{{Protocol: p.Protocol, Port: p.Port, EndPort: p.EndPort}})[0]); err != nil {
			return fmt.Errorf("ports[%d]: %w", i, err)
		}
	}
	return validateRule(renderPorts(r.Ports), renderPeer(r.Peer, ""))
}

// check reports a peer whose parts do not go with its kind.
func (p Peer) check(d Direction) error {
	blocks, pods, namespace := len(p.CIDRs) > 0, len(p.PodSelector) > 0, p.Namespace != ""
	switch {
	case p.Kind == PeerNames:
		return fmt.Errorf("a rule cannot be for names alone")
	case p.Kind == PeerAny:
		if d != Ingress || blocks || pods || namespace {
			return fmt.Errorf("peer %q with addresses or labels, or not of ingress", p.Kind)
		}
	case p.Kind == PeerClusterDNS, p.Kind == PeerPods:
		if blocks || !pods || !namespace {
			return fmt.Errorf("peer %q without namespace and labels, or with addresses", p.Kind)
		}
	case p.Kind == PeerNamespace:
		if blocks || pods || !namespace || d != Ingress {
			return fmt.Errorf("peer %q without namespace, or with more than that, or not of ingress", p.Kind)
		}
	case p.Kind.byBlocks():
		if !blocks || pods || namespace {
			return fmt.Errorf("peer %q without addresses, or with labels", p.Kind)
		}
	default:
		return fmt.Errorf("unknown kind of peer %q", clip(string(p.Kind), maxShown))
	}
	seen := map[string]bool{}
	for _, c := range p.CIDRs {
		if seen[c] {
			return fmt.Errorf("the addresses %q are there twice", clip(c, maxShown))
		}
		seen[c] = true
	}
	inside := 0
	for _, list := range exceptsOf(&p) {
		inside += len(list)
	}
	if inside != len(p.Except) {
		return fmt.Errorf("except of other addresses than the peer's")
	}
	return nil
}
