package record

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record/sandbox"
)

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := Environment("api", 7, []sandbox.Port{
		{Port: 80, Host: netip.MustParseAddrPort("0.0.0.0:8080")},
		{Port: 443, Host: netip.MustParseAddrPort("[::1]:8443")},
	})
	want := []string{
		"LATHE_SCENARIO=api", "LATHE_PID=7", "LATHE_HOST=127.0.0.1", "LATHE_PORT=8080", "LATHE_ADDR=127.0.0.1:8080",
		"LATHE_PORT_80=8080", "LATHE_ADDR_80=127.0.0.1:8080", "LATHE_PORT_443=8443", "LATHE_ADDR_443=[::1]:8443",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		test, shell, want []string
	}{
		{nil, nil, nil},
		{[]string{"NONE"}, nil, nil},
		{[]string{"CMD", "/check", "-x"}, nil, []string{"/check", "-x"}},
		{[]string{"CMD-SHELL", "a || b"}, nil, []string{"/bin/sh", "-c", "a || b"}},
		{[]string{"CMD-SHELL", "a"}, []string{"/bin/bash", "-ec"}, []string{"/bin/bash", "-ec", "a"}},
		{[]string{"OTHER", "a"}, nil, nil},
	} {
		if diff := cmp.Diff(tt.want, healthcheck(&v1.HealthConfig{Test: tt.test}, tt.shell)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.test, diff)
		}
	}
	if healthcheck(nil, nil) != nil {
		t.Error("no healthcheck has a command line")
	}
}

func TestNameLinks(t *testing.T) {
	t.Parallel()
	links := map[netip.AddrPort]LinkEnd{
		netip.MustParseAddrPort("10.0.2.32:5432"): {"db", "192.0.2.9"},
		netip.MustParseAddrPort("10.0.2.33:6379"): {"cache", "127.0.0.1"},
	}
	connect := func(ip string, port int, names ...string) profile.Connect {
		c := profile.Connect{Proto: "tcp", Port: port, Peer: profile.Peer{IP: ip, Names: names}}
		if names != nil {
			c.Peer.NameSource = []string{profile.NameUser}
		}
		return c
	}
	p := &profile.Profile{Network: profile.Network{Connect: []profile.Connect{
		connect("10.0.2.32", 5432), connect("10.0.2.33", 6379), connect("10.0.2.32", 1), connect("9.9.9.9", 53), {Peer: profile.Peer{Path: "/run/x"}},
	}}}
	nameLinks(p, links)
	want := []profile.Connect{
		connect("192.0.2.9", 5432, "db"), connect("10.0.2.33", 6379, "cache"), connect("10.0.2.32", 1), connect("9.9.9.9", 53), {Peer: profile.Peer{Path: "/run/x"}},
	}
	if diff := cmp.Diff(want, p.Network.Connect); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	all, err := ParseScenarios([]string{"all"})
	if err != nil {
		t.Fatal(err)
	}
	names := func(o Options, volumes bool) (list []string) {
		for _, r := range schedule(o, volumes) {
			list = append(list, r.name)
		}
		return list
	}
	two := []Test{{Name: "a"}, {Name: "b"}}
	for _, tt := range []struct {
		o       Options
		volumes bool
		want    []string
	}{
		{Options{}, true, []string{"start"}},
		{Options{Scenarios: all}, true, []string{"start", "restart", "owner", "tmpfs"}},
		{Options{Scenarios: all}, false, []string{"start", "restart", "tmpfs"}},
		{Options{Tests: two, Scenarios: []string{"tmpfs"}}, true, []string{"a", "b", "tmpfs"}},
	} {
		if diff := cmp.Diff(tt.want, names(tt.o, tt.volumes)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, bad := range [][]string{{"reboot"}, {"all", "restart"}, {"none", "tmpfs"}} {
		if _, err := ParseScenarios(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if none, err := ParseScenarios([]string{"none"}); err != nil || none != nil {
		t.Errorf("none: %v, %v", none, err)
	}
	var o sandbox.Options
	o.Mounts = []sandbox.Mount{{Type: sandbox.MountBind, Source: "/x", Target: "/tmp"}}
	addTmpfs(&o)
	want := []sandbox.Mount{{Type: sandbox.MountBind, Source: "/x", Target: "/tmp"}, {Type: sandbox.MountTmpfs, Target: "/run"}}
	if diff := cmp.Diff(want, o.Mounts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFindParsers(t *testing.T) {
	t.Parallel()
	hex := "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	got, err := parseInspect([]byte(`[{"Id":"abc","Image":"` + hex + `","State":{"Pid":42}}]`))
	want := Found{PID: 42, ID: "abc", Image: profile.Image{ConfigDigest: []string{"sha256:" + hex}}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{``, `{}`, `[]`, `[{"State":{"Pid":0}}]`, `[{},{}]`} {
		if _, err := parseInspect([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	table := "TASK    PID    STATUS\nweb-1234567800    50    RUNNING\nweb-1234567999    51    RUNNING\nold    52    STOPPED\n"
	for id, want := range map[string]int{"web-1234567800": 50, "web-12345678": 50, "web-12345679": 51, "web-1234567": 0, "old": 0, "web": 0} {
		if pid, _, _ := parseTasks(table, id); pid != want {
			t.Errorf("%q: %d, want %d", id, pid, want)
		}
	}
	if pid, full, ok := parseTasks(table, "web-12345678"); !ok || pid != 50 || full != "web-1234567800" {
		t.Errorf("%d %q %v", pid, full, ok)
	}
}

func TestParseImages(t *testing.T) {
	t.Parallel()
	table := "REF TYPE DIGEST SIZE PLATFORMS LABELS\n" +
		"web:1 application/vnd.oci.image.manifest.v1+json sha256:aa 1 MiB linux/amd64 -\n" +
		"web:2 application/vnd.oci.image.index.v1+json sha256:bb 1 MiB linux/amd64,linux/arm64 -\n" +
		"web:3 application/vnd.docker.distribution.manifest.list.v2+json sha256:cc 1 MiB linux/amd64 -\nshort\n"
	for ref, want := range map[string]profile.Image{
		"web:1": {Digest: "sha256:aa"}, "web:2": {IndexDigest: []string{"sha256:bb"}}, "web:3": {IndexDigest: []string{"sha256:cc"}}, "short": {},
	} {
		want.Refs = []string{ref}
		if diff := cmp.Diff(want, parseImages(table, ref)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ref, diff)
		}
	}
}
