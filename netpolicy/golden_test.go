package netpolicy

import (
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// richProfile has something of everything.
func richProfile() *profile.Profile {
	src := everything()
	src.Subject.Workload = profile.Workload{
		Namespace: "shop", Kind: "Deployment", Name: "web",
		Labels: map[string]string{"app": "web", "tier": "front", "pod-template-hash": "5f7b9"},
	}
	src.Window = profile.Window{Start: at("2026-11-21T20:00:00Z"), End: at("2026-11-21T20:12:31Z")}
	second := src
	second.ID, second.Run = "s-000000000002", "run-2"
	seen := profile.Seen{
		src.ID:    {N: 400, First: at("2026-11-21T20:00:05Z"), Last: at("2026-11-21T20:10:00Z")},
		second.ID: {N: 12, First: at("2026-11-21T20:00:01Z"), Last: at("2026-11-21T20:12:00Z")},
	}
	named := func(c profile.Connect, names ...string) profile.Connect {
		c.Peer.Names, c.Peer.NameSource = names, []string{profile.NameDNSOfProcess}
		c.Seen = seen
		return c
	}
	apt := tcp("203.0.113.80", 80, "/usr/bin/apt-get")
	apt.Peer.Names = []string{"deb.debian.org"}
	refused := tcp("10.0.0.99", 6379, app)
	refused.Results = []string{profile.ResultRefused}
	p := &profile.Profile{
		Sources: []profile.Source{src, second},
		Executables: []profile.Executable{
			{Key: app, Path: app},
			{Key: curl, Path: curl},
			{Key: "/usr/bin/apt-get", Path: "/usr/bin/apt-get"},
			{Key: debug, Path: debug, Origin: []string{profile.OriginAttach}},
		},
		Network: profile.Network{
			Listen: []profile.Listen{
				{Proto: "tcp", Addr: "0.0.0.0", Port: 8080, By: []string{app}, Seen: seen},
				{Proto: "tcp", Addr: "::", Port: 8080, By: []string{app}, Seen: seen},
				{Proto: "tcp", Addr: "127.0.0.1", Port: 9000, By: []string{app}, Seen: seen},
				{Proto: "tcp", Addr: "0.0.0.0", Port: 22, By: []string{"/usr/bin/sshd"}, Seen: seen},
			},
			Accept: []profile.Accept{{Proto: "tcp", Port: 8080, Peer: profile.Peer{IP: "10.42.0.13"}, By: []string{app}, Seen: seen}},
			Connect: []profile.Connect{
				named(tcp("10.0.0.5", 5432, app), "db.shop.svc.cluster.local"),
				named(tcp("140.82.112.3", 443, app), "api.github.com"),
				named(tcp("140.82.112.4", 443, app), "api.github.com"),
				named(tcp("2001:db8:1::1", 8443, app)),
				named(udp("10.96.0.10", 53, app)),
				udp("169.254.20.10", 53, app),
				tcp("169.254.169.254", 80, app),
				tcp("127.0.0.1", 9000, app),
				apt, refused,
				tcp("198.51.100.66", 4444, debug),
			},
			DNS: []profile.DNS{
				{Name: "api.github.com", Type: "A", Answers: []string{"140.82.112.3"}, By: []string{app}, Seen: []string{src.ID}},
				{Name: "api.github.com.shop.svc.cluster.local", Type: "A", By: []string{app}, Seen: []string{src.ID}},
				{Name: "db.shop.svc.cluster.local", Type: "A", Answers: []string{"10.0.0.5"}, By: []string{app}, Seen: []string{src.ID}},
			},
		},
	}
	return p
}

func richHint(t *testing.T) *Hint {
	t.Helper()
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	h, err := New(richProfile(), fates, Options{ImageDigest: digest("a"), SourceDigest: digest("b"), ProfileDigest: digest("c")})
	if err != nil {
		t.Fatal(err)
	}
	checkRendered(t, h)
	return h
}

func TestGolden(t *testing.T) {
	t.Parallel()
	h := richHint(t)
	data, err := h.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "rich.hint.json", data)
	text, err := h.YAML()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "rich.networkpolicy.yaml", text)
	if text, err = Render(h, Cilium); err != nil {
		t.Fatal(err)
	}
	checkOneDocument(t, text)
	golden(t, "rich.networkpolicy.cilium.yaml", text)
}
