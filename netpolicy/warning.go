package netpolicy

import (
	"fmt"
	"slices"
	"strings"
)

// Codes of warnings.
const (
	WarnAddressUnresolved  = "ADDRESS_UNRESOLVED"
	WarnAddressChurn       = "ADDRESS_CHURN"
	WarnAttributionUnknown = "ATTRIBUTION_UNKNOWN"
	WarnDeclaredOnly       = "DECLARED_ONLY"
	WarnDirectionUnseen    = "DIRECTION_UNSEEN"
	WarnEphemeralListener  = "EPHEMERAL_LISTENER"
	WarnExternalResolver   = "EXTERNAL_RESOLVER"
	WarnForeign            = "FOREIGN_EXECUTABLE"
	WarnIncomplete         = "INCOMPLETE_EVIDENCE"
	WarnIngressSource      = "INGRESS_SOURCE_UNKNOWN"
	WarnMetadata           = "METADATA_SERVICE"
	WarnNothingObserved    = "NOTHING_OBSERVED"
	WarnOutcomeUnknown     = "OUTCOME_UNKNOWN"
	WarnPartlyUnseen       = "PARTLY_UNSEEN"
	WarnPeerRange          = "PEER_WITHOUT_ADDRESS"
	WarnProtocol           = "PROTOCOL_UNSUPPORTED"
	WarnScriptUnknown      = "SCRIPT_UNKNOWN"
	WarnSelector           = "SELECTOR_UNUSABLE"
)

// warningText is the sentence of each code; what it is about follows.
func warningText(code string) string {
	switch code {
	case WarnAddressUnresolved:
		return "addresses inside the cluster or network that only an inventory can name are allowed one by one and break when a pod or service moves"
	case WarnAddressChurn:
		return "names with several addresses: the addresses seen are allowed, others that the name may get are not"
	case WarnAttributionUnknown:
		return "no executable is known for some of the traffic; allowed, because denying it may break the workload (strict leaves it out)"
	case WarnDeclaredOnly:
		return "ports that are declared but were not seen listening are not opened"
	case WarnDirectionUnseen:
		return "no complete source could see this direction and nothing in it became a rule: it is not restricted"
	case WarnEphemeralListener:
		return "listeners on ports that the kernel chose, or may have chosen, are not opened"
	case WarnExternalResolver:
		return "names were asked of name servers outside the cluster; these are allowed for DNS"
	case WarnForeign:
		return "executables that the image does not hold made connections; these are denied"
	case WarnIncomplete:
		return "no complete source could see this direction: what was missed is denied"
	case WarnIngressSource:
		return "the sources of connections are not known: listening ports are open to every source"
	case WarnMetadata:
		return "a cloud's metadata or credential service was reached"
	case WarnNothingObserved:
		return "a complete source could see this direction and nothing that stays used it: all of it is denied"
	case WarnOutcomeUnknown:
		return "nobody saw how some connection attempts ended; they are allowed"
	case WarnPartlyUnseen:
		return "no source could see all of this direction; what it could not see is denied"
	case WarnPeerRange:
		return "peers without a single address are left out"
	case WarnProtocol:
		return "protocols that a NetworkPolicy cannot express; whether they pass is up to the network plugin"
	case WarnScriptUnknown:
		return "kept interpreters ran scripts that are dropped; their connections cannot be told from those of kept scripts and are allowed"
	case WarnSelector:
		return "the labels in the profile cannot select the workload; --selector gives them"
	}
	return code
}

// warnings collects what each code is about.
type warnings map[string][]string

// add notes that code applies to what.
func (w warnings) add(code, what string) { w[code] = append(w[code], what) }

// shownPerWarning bounds the examples in one warning; hint.json's lists hold
// all of them.
const shownPerWarning = 3

// list makes one warning of each code, with its first examples.
func (w warnings) list() []Warning {
	out := make([]Warning, 0, len(w))
	for code, what := range w {
		out = append(out, Warning{Code: code, Detail: warningText(code) + ": " + some(sorted(what), shownPerWarning)})
	}
	slices.SortFunc(out, func(a, b Warning) int { return strings.Compare(a.Code, b.Code) })
	return out
}

// some lists the first n of what, shortened, and counts the others.
func some(what []string, n int) string {
	shown := make([]string, 0, n)
	for _, s := range what[:min(n, len(what))] {
		shown = append(shown, clip(s, maxShown))
	}
	text := strings.Join(shown, ", ")
	if more := len(what) - n; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
