package harden

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// ParseTrust reads SOURCE=FLAG[,FLAG...]: the id, recorder or format of sources,
// and what they are trusted to have seen all of.
func ParseTrust(s string) (Trust, error) {
	source, flags, ok := strings.Cut(s, "=")
	if !ok {
		return Trust{}, fmt.Errorf("%q is not SOURCE=FLAG,..., such as kubescape=exec,open", s)
	}
	t := Trust{Source: source, From: "--trust"}
	for flag := range strings.SplitSeq(flags, ",") {
		t.Observes = append(t.Observes, strings.TrimSpace(flag))
	}
	return t, t.check()
}

func (t *Trust) check() error {
	if t.Source == "" || strings.TrimSpace(t.Source) != t.Source {
		return fmt.Errorf("the source %q is no id, recorder or format", t.Source)
	}
	if len(t.Observes) == 0 {
		return fmt.Errorf("the source %q is trusted with nothing", t.Source)
	}
	for _, flag := range t.Observes {
		if !profile.IsObserves(flag) {
			return fmt.Errorf("the source %q cannot be trusted with %q: the words are those of observes in a profile, such as exec, mmap and open", t.Source, flag)
		}
	}
	return nil
}

// String is how trust is written on the command line.
func (t Trust) String() string { return t.Source + "=" + strings.Join(t.Observes, ",") }

func (p *Policy) normalTrust() error {
	p.Trust = slices.Clone(p.Trust)
	for i := range p.Trust {
		t := &p.Trust[i]
		if err := t.check(); err != nil {
			return located(t.From, err)
		}
		t.Observes = sortedSet(t.Observes)
	}
	slices.SortStableFunc(p.Trust, func(a, b Trust) int { return strings.Compare(a.String(), b.String()) })
	return nil
}
