package sandbox

import "testing"

func TestIsOrphan(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]bool{
		"Name:\tnop\nState:\tZ (zombie)\nPPid:\t7\nNSpid:\t812\t14\n": true,
		"Name:\tnop\nState:\tS (sleeping)\nNSpid:\t812\t14\n":         false, // it lives
		"Name:\tinit\nState:\tZ (zombie)\nNSpid:\t812\t1\n":           false, // somebody waits for it
		"Name:\tcrun\nState:\tZ (zombie)\nNSpid:\t812\n":              false, // of this host
		"": false,
	} {
		if got := isOrphan(status); got != want {
			t.Errorf("%q: %t", status, got)
		}
	}
}
