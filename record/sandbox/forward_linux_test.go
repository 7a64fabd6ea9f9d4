package sandbox

import (
	"net/netip"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// TestTarget asks where connections of a hostile image would go.
func TestTarget(t *testing.T) {
	t.Parallel()
	o := Options{Links: []Link{{Name: "db", Target: "127.0.0.1:5432", Port: 5432}}}
	nat := newRoutes(o)
	nat.resolver = "127.0.0.53:53"
	o.Network.Mode = NetworkNone
	none := newRoutes(o)
	for _, tt := range []struct{ to, nat, none string }{
		{"192.0.2.1:443", "192.0.2.1:443", ""},
		{"100.100.100.201:80", "100.100.100.201:80", ""},
		{"10.0.2.3:53", "127.0.0.53:53", ""},
		{"10.0.2.3:80", "", ""},
		{"10.0.2.32:5432", "127.0.0.1:5432", "127.0.0.1:5432"},
		{"10.0.2.32:5433", "", ""},
		{"10.0.2.33:5432", "", ""},
		{"10.0.2.2:22", "", ""},
		{"127.0.0.1:22", "", ""},
		{"127.9.9.9:22", "", ""},
		{"0.0.0.0:22", "", ""},
		{"169.254.169.254:80", "", ""},
		{"169.254.170.2:80", "", ""},
		{"168.63.129.16:80", "", ""},
		{"100.100.100.200:80", "", ""},
		{"224.0.0.251:5353", "", ""},
		{"239.255.255.250:1900", "", ""},
		{"255.255.255.255:67", "", ""},
	} {
		to := netip.MustParseAddrPort(tt.to)
		if got := nat.target(to); got != tt.nat {
			t.Errorf("nat: %s leads to %q, want %q", tt.to, got, tt.nat)
		}
		if got := none.target(to); got != tt.none {
			t.Errorf("none: %s leads to %q, want %q", tt.to, got, tt.none)
		}
	}
}

func TestWorkingDir(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		image, asked, want string
		refused            bool
	}{
		{want: "/"},
		{image: "srv", want: "/srv"},
		{image: "/srv", asked: "/data", want: "/data"},
		{image: "/processes", want: "/processes"},
		{image: "/proc/self/fd/8", refused: true},
		{image: "/srv/../proc//self/fd/8/", refused: true},
		{image: "/proc", refused: true},
		{image: "/", asked: "/proc/1/cwd", refused: true},
	} {
		got, err := workingDir(v1.Config{WorkingDir: tt.image}, Options{Dir: tt.asked})
		if got != tt.want || (err != nil) != tt.refused {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
}
