package bench

import "testing"

// TestHint: nine of ten peers stay. Peers of one kind that are alike and use the
// same ports are one rule, those with names one each.
func TestHint(t *testing.T) {
	t.Parallel()
	rules, err := Hint(1000)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1000/portsOfPeer/10 + 1; rules != want {
		t.Errorf("%d rules, want %d", rules, want)
	}
}
