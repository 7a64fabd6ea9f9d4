package profile

import "testing"

func TestByHand(t *testing.T) {
	t.Parallel()
	server := Executable{Path: "/server", Origin: []string{OriginEntrypoint}}
	onTTY := func(origin ...string) Executable { return Executable{Path: "/x", TTY: true, Origin: origin} }
	for name, test := range map[string]struct {
		others []Executable
		x      Executable
		want   bool
	}{
		"attached":                             {nil, Executable{Origin: []string{OriginAttach}}, true},
		"attached, and a child too":            {nil, Executable{Origin: []string{OriginAttach, OriginChild}}, false},
		"attached, and nobody knows":           {nil, Executable{Origin: []string{OriginAttach, OriginUnknown}}, false},
		"no origin":                            {[]Executable{server}, Executable{}, false},
		"a terminal":                           {[]Executable{server}, onTTY(), true},
		"a terminal, of unknown origin":        {[]Executable{server}, onTTY(OriginUnknown), true},
		"a terminal of a probe":                {[]Executable{server}, onTTY(OriginProbe), false},
		"all have a terminal":                  {nil, onTTY(), false},
		"the container has a terminal":         {[]Executable{server, onTTY(OriginEntrypoint)}, onTTY(), false},
		"attached where the container has one": {[]Executable{onTTY(OriginChild)}, onTTY(OriginAttach), true},
	} {
		p := &Profile{Executables: append(test.others, test.x)}
		if got := p.ByHand()(&test.x); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
