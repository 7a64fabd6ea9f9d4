package netpolicy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"
)

// maxShown bounds a string of the input where it is shown to people.
const maxShown = 120

// clip shortens s to at most n bytes of valid UTF-8.
func clip(s string, n int) string {
	if len(s) <= n {
		return strings.ToValidUTF8(s, "?")
	}
	cut := n - len("...")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strings.ToValidUTF8(s[:cut], "?") + "..."
}

// inline makes s safe to stand in a YAML comment and short: printable ASCII on
// one line, whatever else it held escaped as in a Go string.
func inline(s string, n int) string {
	quoted := strconv.QuoteToASCII(clip(s, n))
	return clip(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), n)
}

// objectName makes a valid object name of a workload's name. A name that is
// valid stays as it is; of any other the hash of the original is a part, so
// that two workloads never share a policy.
func objectName(name string) string {
	if len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	suffix := hex.EncodeToString(sum[:6])
	var b strings.Builder
	for _, r := range strings.ToLower(clip(name, validation.DNS1123LabelMaxLength)) {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	stem := strings.Trim(b.String(), "-")
	if stem == "" {
		return "workload-" + suffix
	}
	return stem + "-" + suffix
}

// selectorName names the policy of a workload whose name is not known after
// its selector, so that two workloads of a namespace never share a policy.
func selectorName(selector map[string]string) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(selector))) // fmt sorts keys; labels hold no space or colon
	return "lathe-" + hex.EncodeToString(sum[:6])
}

// dnsName is a name as DNS compares it: lower case, no dot at the end.
func dnsName(s string) string {
	return strings.ToLower(strings.TrimRight(strings.TrimSpace(s), "."))
}

// withoutSearch removes the names that a resolver made by appending the
// cluster's search domains to another name of the set and that had no answer.
func withoutSearch(names map[string]bool) []string {
	var kept []string
	for name, answered := range names {
		if !answered && expanded(name, names) {
			continue
		}
		kept = append(kept, name)
	}
	return sorted(kept)
}

// expanded reports whether name is a shorter name of the set with a cluster's
// search domain behind it.
func expanded(name string, names map[string]bool) bool {
	stem, ok := strings.CutSuffix(name, ".cluster.local")
	for ok {
		if _, asked := names[stem]; asked {
			return true
		}
		dot := strings.LastIndexByte(stem, '.')
		if dot < 0 || strings.Count(name[dot:], ".") > maxSearchLabels {
			return false
		}
		stem = stem[:dot]
	}
	return false
}

// maxSearchLabels are those of namespace.svc.cluster.local.
const maxSearchLabels = 4
