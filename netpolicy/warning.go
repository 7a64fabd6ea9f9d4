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
	WarnAlreadyOpen        = "ALREADY_OPEN"
	WarnAmbiguous          = "ADDRESS_AMBIGUOUS"
	WarnAttributionUnknown = "ATTRIBUTION_UNKNOWN"
	WarnDeclaredOnly       = "DECLARED_ONLY"
	WarnDirectionUnseen    = "DIRECTION_UNSEEN"
	WarnEphemeralListener  = "EPHEMERAL_LISTENER"
	WarnExternalResolver   = "EXTERNAL_RESOLVER"
	WarnExternalWide       = "EXTERNAL_WIDE"
	WarnForeign            = "FOREIGN_EXECUTABLE"
	WarnHostNetwork        = "HOST_NETWORK"
	WarnIncomplete         = "INCOMPLETE_EVIDENCE"
	WarnIngressDenied      = "INGRESS_DENIED"
	WarnIngressSource      = "INGRESS_SOURCE_UNKNOWN"
	WarnMetadata           = "METADATA_SERVICE"
	WarnNothingObserved    = "NOTHING_OBSERVED"
	WarnOutcomeUnknown     = "OUTCOME_UNKNOWN"
	WarnPartlyUnseen       = "PARTLY_UNSEEN"
	WarnPeerRange          = "PEER_WITHOUT_ADDRESS"
	WarnPeersConflict      = "PEERS_CONFLICT"
	WarnProbePort          = "PROBE_PORT"
	WarnProtocol           = "PROTOCOL_UNSUPPORTED"
	WarnScriptUnknown      = "SCRIPT_UNKNOWN"
	WarnSelector           = "SELECTOR_UNUSABLE"
	WarnSourceOmitted      = "INGRESS_SOURCE_OMITTED"
)

// warningTexts are the sentences of the codes; what they are about follows.
func warningTexts() map[string]string {
	return map[string]string{
		WarnAddressChurn:       "names with several addresses: the addresses seen are allowed, others that the name may get are not",
		WarnAddressUnresolved:  "addresses inside the cluster or network that only an inventory can name are allowed one by one and break when a pod or service moves",
		WarnAlreadyOpen:        "connections that were open before the recording began belong to who holds them; who asked for which name, and others that had ended, is not known",
		WarnAmbiguous:          "addresses that several objects of the inventory may have had are not guessed",
		WarnAttributionUnknown: "no executable is known for some of the traffic; allowed, because denying it may break the workload (strict leaves it out)",
		WarnDeclaredOnly:       "ports that are declared but were not seen listening are not opened",
		WarnDirectionUnseen:    "no complete source could see this direction and nothing in it became a rule: it is not restricted",
		WarnEphemeralListener:  "listeners on ports that the kernel chose, or may have chosen, are not opened",
		WarnExternalResolver:   "names were asked of name servers outside the cluster; these are allowed for DNS",
		WarnExternalWide:       "every public address is allowed on the ports that were used",
		WarnForeign:            "executables that the image does not hold made connections; these are denied",
		WarnHostNetwork:        "no labels select what is on a node's network; policies are about addresses there, or have no effect",
		WarnIncomplete:         "no complete source could see this direction: what was missed is denied",
		WarnIngressDenied:      "no source is known and none is allowed",
		WarnIngressSource:      "the sources of connections are not known: listening ports are open to every source",
		WarnMetadata:           "a cloud's metadata or credential service was reached",
		WarnNothingObserved:    "a complete source could see this direction and nothing that stays used it: all of it is denied",
		WarnOutcomeUnknown:     "nobody saw how some connection attempts ended; they are allowed",
		WarnPartlyUnseen:       "no source could see all of this direction; what it could not see is denied",
		WarnPeerRange:          "peers without a single address are left out",
		WarnPeersConflict:      "the mapping by hand and the inventory disagree; the mapping counts",
		WarnProbePort:          "ports of probes on which nobody was seen to listen",
		WarnProtocol:           "protocols that a NetworkPolicy cannot express; whether they pass is up to the network plugin",
		WarnScriptUnknown:      "kept interpreters ran scripts that are dropped; their connections cannot be told from those of kept scripts and are allowed",
		WarnSelector:           "the labels in the profile cannot select the workload; --selector gives them",
		WarnSourceOmitted:      "sources that nothing identifies may not connect, beside those that are identified",
	}
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
	texts := warningTexts()
	for code, what := range w {
		out = append(out, Warning{Code: code, Detail: texts[code] + ": " + some(sorted(what), shownPerWarning)})
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
