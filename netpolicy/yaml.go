package netpolicy

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	maxComment      = 160 // bytes of a comment line's text
	shownPerRule    = 4   // observed addresses and executables in a rule's comment
	shownOmissions  = 12  // of each kind in the head
	shownNames      = 6   // of a peer
	shownBlocks     = 8   // of a peer on several lines each; more take one line each
	indentUnit      = "  "
	maxPlainScalars = 63
)

// YAML is [Render] in the core form.
func (h *Hint) YAML() ([]byte, error) { return Render(h, Core) }

// core writes a NetworkPolicy.
func (w *yamlWriter) core(h *Hint, np *networkingv1.NetworkPolicy) {
	w.head(h)
	w.meta(np.APIVersion, np.Kind, np.Name, np.Namespace, np.Annotations)
	w.line(0, "spec:")
	w.line(1, "podSelector:")
	w.labels(2, "matchLabels", np.Spec.PodSelector.MatchLabels)
	w.line(1, "policyTypes:")
	for _, t := range np.Spec.PolicyTypes {
		w.line(2, "- "+string(t))
	}
	for _, d := range h.PolicyTypes {
		w.direction(h, np, d)
	}
}

// yamlWriter writes block-style YAML.
type yamlWriter struct{ bytes.Buffer }

func (w *yamlWriter) line(depth int, text string) {
	w.WriteString(strings.Repeat(indentUnit, depth))
	w.WriteString(text)
	w.WriteByte('\n')
}

func (w *yamlWriter) comment(depth int, format string, args ...any) {
	w.line(depth, strings.TrimRight("# "+inline(fmt.Sprintf(format, args...), maxComment), " "))
}

// labels writes a map of strings under key.
func (w *yamlWriter) labels(depth int, key string, set map[string]string) {
	w.line(depth, key+":")
	w.pairs(depth+1, set)
}

func (w *yamlWriter) pairs(depth int, set map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(set)) {
		w.line(depth, scalar(k)+": "+scalar(set[k]))
	}
}

func (w *yamlWriter) meta(apiVersion, kind, name, namespace string, notes map[string]string) {
	w.line(0, "apiVersion: "+apiVersion)
	w.line(0, "kind: "+kind)
	w.line(0, "metadata:")
	w.line(1, "name: "+scalar(name))
	if namespace != "" {
		w.line(1, "namespace: "+scalar(namespace))
	}
	w.labels(1, "annotations", notes)
}

// head says what the policy is made of and what it leaves out.
func (w *yamlWriter) head(h *Hint) {
	w.comment(0, "Network policy made from what the workload was observed to do. Review it before it is applied.")
	if h.Image.Hardened != "" {
		w.comment(0, "image:    %s", h.Image.Hardened)
	}
	complete := "incomplete"
	if h.Profile.Complete {
		complete = "complete"
	}
	w.comment(0, "evidence: %s, %s", counted(h.Profile.Runs, "run"), complete)
	if len(h.Warnings) > 0 {
		w.comment(0, "")
		w.comment(0, "Warnings:")
	}
	for _, warning := range h.Warnings {
		w.wrapped(warning.Code + ": " + warning.Detail)
	}
	w.omissions("Tightened: denied, because only executables that were dropped used it:", h.Tightened)
	w.omissions("Foreign: denied, because executables that the image does not hold used it:", h.Foreign)
	w.omissions("Left out on purpose, although somebody who stays used it:", h.Omitted)
}

// wrapped writes a long text on as many comment lines as it needs.
func (w *yamlWriter) wrapped(text string) {
	const width = 96
	first := "- "
	for rest := inline(text, 1<<10); rest != ""; first = "  " {
		cut := len(rest)
		if cut > width {
			if cut = strings.LastIndexByte(rest[:width], ' '); cut <= 0 {
				cut = width
			}
		}
		w.line(0, "# "+first+strings.TrimSpace(rest[:cut]))
		rest = strings.TrimSpace(rest[cut:])
	}
}

func (w *yamlWriter) omissions(title string, list []Omission) {
	if len(list) == 0 {
		return
	}
	w.comment(0, "")
	w.comment(0, "%s", title)
	for _, o := range list[:min(len(list), shownOmissions)] {
		who := "nobody known"
		if len(o.Executables) > 0 {
			who = some(o.Executables, shownPerRule)
		}
		w.wrapped(fmt.Sprintf("%s %s %s by %s", o.Direction, o.Peer.short(), portList(o.Ports, shownPerRule), who))
	}
	if more := len(list) - shownOmissions; more > 0 {
		w.comment(0, "and %d more, see hint.json", more)
	}
}

// direction writes the rules of d.
func (w *yamlWriter) direction(h *Hint, np *networkingv1.NetworkPolicy, d Direction) {
	rules := h.Allows(d)
	if len(rules) == 0 {
		w.comment(1, "Nothing that stays was observed in this direction: all of it is denied.")
		w.line(1, string(d)+": []")
		return
	}
	w.line(1, string(d)+":")
	for i, r := range rules {
		w.evidence(r)
		if d == Ingress {
			w.rule("from", np.Spec.Ingress[i].From, np.Spec.Ingress[i].Ports)
		} else {
			w.rule("to", np.Spec.Egress[i].To, np.Spec.Egress[i].Ports)
		}
	}
}

// evidence is the comment above a rule.
func (w *yamlWriter) evidence(r Rule) {
	ev := r.Evidence
	keys := make([]string, 0, len(ev.Executables))
	for _, e := range ev.Executables {
		keys = append(keys, e.Key)
	}
	who := "no executable is known"
	if len(keys) > 0 {
		who = some(keys, shownPerRule)
	}
	w.comment(2, "%s: %s", r.ID, who)
	did := "connected to"
	switch r.Peer.Kind {
	case PeerAny:
		did = "listened on"
	case PeerClusterDNS:
		did = "asked for names at"
	default:
		if r.Direction == Ingress {
			did = "listened on"
		}
	}
	if len(ev.Observed) > 0 {
		w.comment(2, "%s %s", did, some(ev.Observed, shownPerRule))
	}
	if len(ev.Sources) > 0 {
		w.comment(2, "connections came from %s", some(ev.Sources, shownPerRule))
	}
	if ev.Count > 0 {
		w.comment(2, "seen %d times in %s", ev.Count, counted(ev.Runs, "run"))
	}
	if len(r.Peer.Names) > 0 {
		w.comment(2, "names: %s", some(r.Peer.Names, shownNames))
	}
	if len(r.Peer.Via) > 0 {
		w.comment(2, "found by %s", some(r.Peer.Via, shownPerRule))
	}
	for _, note := range r.Notes[:min(len(r.Notes), shownPerRule)] {
		w.comment(2, "note: %s", note)
	}
}

// rule writes one rule; peers come under the word for the direction.
func (w *yamlWriter) rule(word string, peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) {
	lead := "- "
	if len(peers) > 0 {
		w.line(2, lead+word+":")
		lead = indentUnit
	}
	for _, p := range peers {
		if len(peers) > shownBlocks && p.IPBlock != nil && len(p.IPBlock.Except) == 0 {
			w.line(4, "- {ipBlock: {cidr: "+scalar(p.IPBlock.CIDR)+"}}")
			continue
		}
		w.peer(p)
	}
	w.line(2, lead+"ports:")
	for _, p := range ports {
		w.line(4, "- protocol: "+string(*p.Protocol))
		if p.Port.Type == intstr.String {
			w.line(5, "port: "+scalar(p.Port.StrVal))
			continue
		}
		w.line(5, fmt.Sprintf("port: %d", p.Port.IntVal))
		if p.EndPort != nil {
			w.line(5, fmt.Sprintf("endPort: %d", *p.EndPort))
		}
	}
}

func (w *yamlWriter) peer(p networkingv1.NetworkPolicyPeer) {
	if p.IPBlock != nil {
		w.line(4, "- ipBlock:")
		w.line(6, "cidr: "+scalar(p.IPBlock.CIDR))
		w.excepts(6, p.IPBlock.Except)
		return
	}
	lead := "- "
	for _, part := range []struct {
		key      string
		selector *metav1.LabelSelector
	}{{"namespaceSelector", p.NamespaceSelector}, {"podSelector", p.PodSelector}} {
		if part.selector == nil {
			continue
		}
		w.line(4, lead+part.key+":")
		w.labels(6, "matchLabels", part.selector.MatchLabels)
		lead = indentUnit
	}
}

func (w *yamlWriter) excepts(depth int, list []string) {
	if len(list) == 0 {
		return
	}
	w.line(depth, "except:")
	for _, e := range list {
		w.line(depth+1, "- "+scalar(e))
	}
}

// scalar writes a string so that every YAML version reads the same string:
// plain where it is an IPv4 prefix or a name with a letter or more that is no
// other type's word, in double quotes otherwise.
func scalar(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil && p.Addr().Is4() && p.String() == s {
		return s
	}
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case ' ' <= r && r < 0x7f:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// plain reports whether s can stand without quotes. Words of YAML 1.1 for truth,
// nothing and numbers cannot, nor anything that does not start with a letter.
func plain(s string) bool {
	if len(s) == 0 || len(s) > maxPlainScalars || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := rune(s[i]); !isLetter(s[i]) && !strings.ContainsRune("0123456789-./_", c) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "e":
		return false
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// counted writes n with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
