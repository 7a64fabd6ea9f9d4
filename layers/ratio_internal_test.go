package layers

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestRatio wants the ratio of what has been read, not of what a header
// promises: a layer may start with a large file.
func TestRatio(t *testing.T) {
	t.Parallel()
	const expanded = RatioFrom + RatioFrom/8
	for _, c := range []struct {
		name       string
		compressed int64
		bomb       bool
	}{
		{"ordinary", expanded / 3, false},
		{"at the limit", expanded / 1000, false},
		{"a bomb", expanded / 2000, true},
	} {
		in := &tee{n: c.compressed}
		r := &ratioReader{r: io.LimitReader(zeros{}, expanded), in: in, limit: 1000}
		_, err := io.Copy(io.Discard, r)
		var limit *LimitError
		if got := errors.As(err, &limit) && limit.What == "ratio"; got != c.bomb || err != nil && !got {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestCleanName wants what path.Clean makes of the name below the root.
func TestCleanName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		".": ".", "./": ".", "/": ".", "//": ".", ".//": ".", "a": "a", "a/": "a", "/a": "a", "./a": "a", ".//a": "a",
		"././a/./b//c/": "a/b/c", "..a/b..": "..a/b..", "/./a": "a", ".a": ".a", "./.a": ".a", strings.Repeat("./", 50) + "a": "a",
	} {
		if got, err := cleanName(name); err != nil || got != want {
			t.Errorf("%q: %q (%v), want %q", name, got, err, want)
		}
	}
}

// TestNodeAt wants the same answer as comparing with the path.
func TestNodeAt(t *testing.T) {
	t.Parallel()
	root := &node{}
	usr := &node{name: "usr", parent: root}
	bin := &node{name: "bin", parent: usr}
	for _, n := range []*node{root, usr, bin} {
		for _, p := range []string{".", "usr", "bin", "usr/bin", "/usr/bin", "x/usr/bin", "usrbin", "xusr/bin", "usr/xbin", "bin/usr", ""} {
			if got, want := n.at(p), n.path() == p; n.parent != nil && got != want || n.parent == nil && got != (p == ".") {
				t.Errorf("%q at %q: %v, want %v", n.path(), p, got, want)
			}
		}
	}
}
