package inventory

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// What a mapping file says of itself.
const (
	MappingVersion = "lathe.dev/v1alpha1"
	MappingKind    = "Peers"
)

// Limits of a mapping file.
const (
	MaxMappingBytes = 4 << 20
	maxMappings     = 10_000
)

// Actions of a mapping.
const (
	ActionPods      = "pods"       // the pods of a namespace with some labels
	ActionAddresses = "addresses"  // address blocks, which may be wider than what was seen
	ActionAPIServer = "api-server" // the cluster's API server at the address
	ActionNodes     = "nodes"      // the cluster's nodes at the address
	ActionExternal  = "external"   // outside, although the address is private
	ActionOmit      = "omit"       // no rule
)

// Mapping says by hand what addresses and names are.
type Mapping struct {
	entries []Entry
	byName  map[string]int
	byBlock map[netip.Prefix]int
	lengths []int // of the prefixes in byBlock, longest first
}

// Entry is one line of thought of a mapping.
type Entry struct {
	Name        string            `json:"name"`  // for people
	Match       []string          `json:"match"` // addresses, prefixes or names as observed
	Action      string            `json:"action"`
	Namespace   string            `json:"namespace,omitempty"`   // of pods
	PodSelector map[string]string `json:"podSelector,omitempty"` // of pods
	CIDRs       []string          `json:"cidrs,omitempty"`       // of addresses
	TargetPorts map[string]int    `json:"targetPorts,omitempty"` // of pods: observed port → port of the pods
}

// ReadMapping reads a mapping, YAML or JSON. It is strict: unknown fields,
// unknown actions, entries that contradict each other, blocks with bits beyond
// their length and labels that no server takes are errors that name the entry.
func ReadMapping(r io.Reader) (*Mapping, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxMappingBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading peers: %w", err)
	}
	if len(data) > MaxMappingBytes {
		return nil, fmt.Errorf("reading peers: more than %d bytes", MaxMappingBytes)
	}
	var doc struct {
		APIVersion string  `json:"apiVersion"`
		Kind       string  `json:"kind"`
		Peers      []Entry `json:"peers"`
	}
	if err := yaml.UnmarshalStrict(data, &doc); err != nil {
		return nil, fmt.Errorf("reading peers: %s", oneLine(err))
	}
	if doc.APIVersion != MappingVersion || doc.Kind != MappingKind {
		return nil, fmt.Errorf("reading peers: apiVersion %.60q and kind %.60q are not %q and %q", doc.APIVersion, doc.Kind, MappingVersion, MappingKind)
	}
	if len(doc.Peers) > maxMappings {
		return nil, fmt.Errorf("reading peers: %d entries are more than %d", len(doc.Peers), maxMappings)
	}
	m := &Mapping{entries: doc.Peers, byName: map[string]int{}, byBlock: map[netip.Prefix]int{}}
	for i := range m.entries {
		if err := m.add(i); err != nil {
			return nil, fmt.Errorf("reading peers: peers[%d] %.60q: %w", i, m.entries[i].Name, err)
		}
	}
	slices.SortFunc(m.lengths, func(a, b int) int { return b - a })
	return m, nil
}

func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (m *Mapping) add(i int) error {
	e := &m.entries[i]
	if err := e.check(); err != nil {
		return err
	}
	for _, text := range e.Match {
		text = strings.ToLower(strings.TrimRight(text, "."))
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil {
			p, err = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
		}
		if err != nil {
			if err := m.addName(text, i); err != nil {
				return err
			}
			continue
		}
		if p.Masked() != p || p.Addr().Zone() != "" || p.Addr().Is4In6() {
			return fmt.Errorf("match %.120q has bits beyond its length", text)
		}
		if other, ok := m.byBlock[p]; ok && !m.entries[other].same(*e) {
			return fmt.Errorf("%s is mapped by %.60q to something else", p, m.entries[other].Name)
		}
		m.byBlock[p] = i
		if !slices.Contains(m.lengths, p.Bits()) {
			m.lengths = append(m.lengths, p.Bits())
		}
	}
	return nil
}

func (m *Mapping) addName(name string, i int) error {
	if strings.Contains(name, "/") || name == "" || len(name) > validation.DNS1123SubdomainMaxLength {
		return fmt.Errorf("match %.120q is no address, prefix or name", name)
	}
	if other, ok := m.byName[name]; ok && !m.entries[other].same(m.entries[i]) {
		return fmt.Errorf("%.120q is mapped by %.60q to something else", name, m.entries[other].Name)
	}
	m.byName[name] = i
	return nil
}

// same reports whether two entries say the same of what they match.
func (e Entry) same(o Entry) bool {
	return e.Action == o.Action && e.Namespace == o.Namespace && maps.Equal(e.PodSelector, o.PodSelector) &&
		slices.Equal(e.CIDRs, o.CIDRs) && maps.Equal(e.TargetPorts, o.TargetPorts)
}

func (e Entry) check() error {
	if len(e.Match) == 0 {
		return errors.New("it matches nothing")
	}
	pods, blocks := e.Action == ActionPods, e.Action == ActionAddresses
	switch e.Action {
	case ActionPods, ActionAddresses, ActionAPIServer, ActionNodes, ActionExternal, ActionOmit:
	default:
		return fmt.Errorf("action %.60q is not one of pods, addresses, api-server, nodes, external, omit", e.Action)
	}
	if pods != (len(e.PodSelector) > 0) || pods != (e.Namespace != "") || !pods && len(e.TargetPorts) > 0 {
		return errors.New("namespace, podSelector and targetPorts go with the action pods, and the first two are needed there")
	}
	if blocks != (len(e.CIDRs) > 0) {
		return errors.New("cidrs go with the action addresses and are needed there")
	}
	if pods && len(validation.IsDNS1123Label(e.Namespace)) > 0 {
		return fmt.Errorf("namespace %.120q is no namespace", e.Namespace)
	}
	if err := CheckLabels(e.PodSelector); err != nil {
		return err
	}
	for _, text := range e.CIDRs {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Masked().String() != text || p.Addr().Is4In6() {
			return fmt.Errorf("cidrs: %.120q is no prefix in its one spelling", text)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(e.TargetPorts)) {
		if _, err := portNumber(e.TargetPorts[from]); err != nil {
			return fmt.Errorf("targetPorts %.20q: %w", from, err)
		}
	}
	return nil
}

// Find is the entry for an address, or for one of the names that gave it; the
// longest prefix wins, and names go before.
func (m *Mapping) Find(addr netip.Addr, names []string) (Entry, bool) {
	if m == nil {
		return Entry{}, false
	}
	for _, name := range names {
		if i, ok := m.byName[name]; ok {
			return m.entries[i], true
		}
	}
	if !addr.IsValid() {
		return Entry{}, false
	}
	for _, bits := range m.lengths {
		p, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		if i, ok := m.byBlock[p]; ok {
			return m.entries[i], true
		}
	}
	return Entry{}, false
}
