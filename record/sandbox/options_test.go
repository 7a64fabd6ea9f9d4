package sandbox

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParsePublish(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in, host string
		port     uint16
		err      string
	}{
		{in: "80", host: "127.0.0.1:0", port: 80},
		{in: "8080:80", host: "127.0.0.1:8080", port: 80},
		{in: "127.0.0.1:8080:80/tcp", host: "127.0.0.1:8080", port: 80},
		{in: "127.0.0.1::80", host: "127.0.0.1:0", port: 80},
		{in: "[::1]:8080:80", host: "[::1]:8080", port: 80},
		{in: "0.0.0.0:8080:80", host: "0.0.0.0:8080", port: 80},
		{in: "80/udp", err: "only tcp"},
		{in: "0", err: "from 1 to 65535"},
		{in: "65536", err: "from 1 to 65535"},
		{in: "", err: "from 1 to 65535"},
		{in: "x:80", err: "the host's port"},
		{in: "localhost:8080:80", err: "not an IP address"},
	} {
		got, err := ParsePublish(tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		if want := (Publish{Host: netip.MustParseAddrPort(tt.host), Port: tt.port}); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", tt.in, got, err, want)
		}
	}
}

func TestParseLink(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want Link
		err  string
	}{
		{in: "db=127.0.0.1:5432", want: Link{"db", "127.0.0.1:5432", 5432}},
		{in: "db.shop=[::1]:5432", want: Link{"db.shop", "[::1]:5432", 5432}},
		{in: "db", err: "NAME=ADDR:PORT"},
		{in: "db=:80", err: "NAME=ADDR:PORT"},
		{in: "db=host:0", err: "the port"},
		{in: "a b=host:1", err: "a link's name"},
		{in: "db\n10.0.0.1 evil=host:1", err: "a link's name"},
	} {
		got, err := ParseLink(tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%q: %v, %v; want %v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseMounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in    string
		parse func(string) (Mount, error)
		want  Mount
		err   string
	}{
		{"type=bind,source=/a,target=/b,readonly", ParseMount, Mount{MountBind, "/a", "/b", true}, ""},
		{"type=bind,src=/a,dst=/b,ro=true", ParseMount, Mount{MountBind, "/a", "/b", true}, ""},
		{"source=data,target=/b", ParseMount, Mount{MountVolume, "data", "/b", false}, ""},
		{"type=tmpfs,destination=/run", ParseMount, Mount{MountTmpfs, "", "/run", false}, ""},
		{"type=nfs,target=/b", ParseMount, Mount{}, "the type is"},
		{"type=bind,source=a,target=/b", ParseMount, Mount{}, "absolute path of the host"},
		{"type=bind,source=/a,target=b", ParseMount, Mount{}, "absolute path below /"},
		{"type=bind,source=/a,target=/", ParseMount, Mount{}, "absolute path below /"},
		{"type=volume,source=../a,target=/b", ParseMount, Mount{}, "name of a volume"},
		{"type=tmpfs,source=/a,target=/b", ParseMount, Mount{}, "no source"},
		{"type=bind,size=1,target=/b", ParseMount, Mount{}, `"size" is not known`},
		{"/data", ParseVolume, Mount{MountVolume, "", "/data", false}, ""},
		{"cache:/data:ro", ParseVolume, Mount{MountVolume, "cache", "/data", true}, ""},
		{"/host:/data", ParseVolume, Mount{MountBind, "/host", "/data", false}, ""},
		{"/host:/data:z", ParseVolume, Mount{}, "it is [SOURCE:]"},
	} {
		got, err := tt.parse(tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.in, err, diff)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Network{
		"": {Mode: NetworkNAT}, "nat": {Mode: NetworkNAT}, "none": {Mode: NetworkNone}, "host": {Mode: NetworkHost},
		"netns:/run/netns/a": {Mode: NetworkJoined, Path: "/run/netns/a"},
	} {
		if got, err := ParseNetwork(in); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"bridge", "netns", "netns:", "netns:a"} {
		if _, err := ParseNetwork(in); err == nil {
			t.Errorf("%q is taken", in)
		}
	}
}
