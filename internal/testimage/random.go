package testimage

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Random gives the text of an image with one to four layers in which files are
// replaced, whited out, hard-linked and brought back. Parents are never links,
// so that a naive reading of the layers is the right one; each layer has each
// path once and whiteouts before what else it holds.
func Random(rng *rand.Rand) string {
	names := []string{"a", "b", "c"}
	randomPath := func() string {
		parts := make([]string, 1+rng.IntN(3))
		for i := range parts {
			parts[i] = names[rng.IntN(len(names))]
		}
		return strings.Join(parts, "/")
	}
	kinds := map[string]byte{} // what is at a path now: d, f
	var layers []string
	for n := range 1 + rng.IntN(4) {
		var lines []string
		here := map[string]bool{}
		for range rng.IntN(4) {
			p := randomPath()
			if n == 0 || here[p] {
				continue
			}
			here[p] = true
			if rng.IntN(3) == 0 && kinds[p] == 'd' {
				lines = append(lines, "opaque "+p)
				forget(kinds, p, false)
			} else {
				lines = append(lines, "gone "+p)
				forget(kinds, p, true)
			}
		}
		for i := range 2 + rng.IntN(8) {
			if line, ok := randomEntry(rng, randomPath(), i, kinds, here); ok {
				lines = append(lines, line)
			}
		}
		layers = append(layers, strings.Join(lines, "\n"))
	}
	return strings.Join(layers, "\n---\n")
}

func randomEntry(rng *rand.Rand, p string, i int, kinds map[string]byte, here map[string]bool) (string, bool) {
	if here[p] {
		return "", false
	}
	for d := range parents(p) {
		if kinds[d] == 'f' {
			return "", false
		}
	}
	for q := range here {
		if strings.HasPrefix(q, p+"/") { // something of this layer is below already
			return "", false
		}
	}
	targets := sortedFiles(kinds)
	here[p] = true
	for d := range parents(p) {
		kinds[d] = 'd'
	}
	old := kinds[p]
	switch pick := rng.IntN(6); {
	case pick == 0:
		if old == 'f' {
			forget(kinds, p, true)
		}
		kinds[p] = 'd'
		return fmt.Sprintf("dir %s mode=07%d5", p, rng.IntN(8)), true
	case pick == 1 && len(targets) > 0:
		target := targets[rng.IntN(len(targets))]
		if target != p && !strings.HasPrefix(target, p+"/") && !strings.HasPrefix(p, target+"/") {
			forget(kinds, p, true)
			kinds[p] = 'f'
			return fmt.Sprintf("hard %s -> %s", p, target), true
		}
		fallthrough
	default:
		forget(kinds, p, true)
		kinds[p] = 'f'
		return fmt.Sprintf("file %s = %s %d", p, strings.Repeat("x", rng.IntN(600)), i), true
	}
}

func parents(p string) map[string]bool {
	out := map[string]bool{}
	for i := range p {
		if p[i] == '/' {
			out[p[:i]] = true
		}
	}
	return out
}

func forget(kinds map[string]byte, p string, self bool) {
	for q := range kinds {
		if q == p && self || strings.HasPrefix(q, p+"/") {
			delete(kinds, q)
		}
	}
}

func sortedFiles(kinds map[string]byte) []string {
	var out []string
	for _, a := range []string{"a", "b", "c"} {
		out = walkKinds(kinds, a, out)
	}
	return out
}

func walkKinds(kinds map[string]byte, p string, out []string) []string {
	if kinds[p] == 'f' {
		out = append(out, p)
	}
	if strings.Count(p, "/") < 2 {
		for _, a := range []string{"a", "b", "c"} {
			out = walkKinds(kinds, p+"/"+a, out)
		}
	}
	return out
}
