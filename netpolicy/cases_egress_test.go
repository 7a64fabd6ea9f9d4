package netpolicy

import (
	"fmt"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

// The numbers of the tests in this and the next files are those of the edge
// cases in the design of the hint.

func TestCase01And02And03And04Addresses(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(
		tcp("2001:db8:1::1", 443, app),
		tcp("::ffff:10.0.0.5", 5432, app), tcp("10.0.0.5", 5432, app),
		tcp("fe80::1%eth0", 443, app), tcp("64:ff9b::c633:6407", 443, app),
		tcp("64:ff9b::a9fe:a9fe", 80, app),
	), Options{})
	want(t, "rules", allowedCIDRs(h), []string{
		"10.0.0.5/32 TCP/5432", "2001:db8:1::1/128 TCP/443", "64:ff9b::c633:6407/128 TCP/443",
	})
	want(t, "ignored", reasons(h), []string{
		"64:ff9b::a9fe:a9fe TCP/80: metadata service, not allowed", "fe80::1 TCP/443: IPv6 link-local address",
	})
	v := policyOf(t, h)
	want(t, "neighbour in the /32", v.egress("2001:db8:2::1", protoTCP, 443), false)
	want(t, "neighbour in the /127", v.egress("2001:db8:1::", protoTCP, 443), false)
	for _, r := range h.Rules {
		if r.Peer.Kind == PeerExternal && r.Peer.CIDRs[0] == "64:ff9b::c633:6407/128" {
			want(t, "notes", r.Notes, []string{"64:ff9b::c633:6407 is the NAT64 address of 198.51.100.7"})
		}
	}
}

func TestCase17NodeLocalResolver(t *testing.T) {
	t.Parallel()
	v := policyOf(t, hint(t, connects(udp("169.254.20.10", 53, app)), Options{}))
	want(t, "UDP 53", v.egress("169.254.20.10", protoUDP, 53), true)
	want(t, "TCP 53", v.egress("169.254.20.10", protoTCP, 53), true)
	want(t, "another port", v.egress("169.254.20.10", protoTCP, 80), false)
	want(t, "metadata", v.egress("169.254.169.254", protoUDP, 53), false)
}

func TestCase18OpenShiftDNS(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(udp("172.30.0.10", 53, app)), Options{ClusterDNS: OpenShiftDNS})
	v := policyOf(t, h)
	pod := map[string]string{"dns.operator.openshift.io/daemonset-dns": "default"}
	want(t, "5353", v.pod("openshift-dns", pod, protoUDP, 5353), true)
	want(t, "53", v.pod("openshift-dns", pod, protoUDP, 53), false)
	want(t, "kube-dns", v.pod("kube-system", map[string]string{"k8s-app": "kube-dns"}, protoUDP, 53), false)
}

func TestCase19BothTransports(t *testing.T) {
	t.Parallel()
	h := hint(t, complete(profile.Network{DNS: []profile.DNS{{Name: "db.shop.svc.cluster.local", Type: "A", By: []string{app}}}}), Options{})
	v := policyOf(t, h)
	pod := map[string]string{"k8s-app": "kube-dns"}
	want(t, "UDP", v.pod("kube-system", pod, protoUDP, 53), true)
	want(t, "TCP", v.pod("kube-system", pod, protoTCP, 53), true)
	want(t, "other namespace", v.pod("default", pod, protoTCP, 53), false)
	want(t, "other pod", v.pod("kube-system", map[string]string{"k8s-app": "x"}, protoTCP, 53), false)
}

func TestCase20NoQuestionsNoRule(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(tcp("203.0.113.9", 443, app)), Options{})
	want(t, "rules", allowedCIDRs(h), []string{"203.0.113.9/32 TCP/443"})
	want(t, "DNS", policyOf(t, h).pod("kube-system", map[string]string{"k8s-app": "kube-dns"}, protoUDP, 53), false)
}

func TestCase21QuestionsOfDropped(t *testing.T) {
	t.Parallel()
	p := complete(profile.Network{
		DNS:     []profile.DNS{{Name: "deb.debian.org", Type: "A", By: []string{curl}}},
		Connect: []profile.Connect{udp("10.96.0.10", 53, curl)},
	})
	h := hint(t, p, Options{})
	want(t, "rules", len(h.Rules), 0)
	want(t, "tightened", tightened(h.Tightened), []string{
		"egress deb.debian.org TCP/53,UDP/53 /usr/bin/curl executable-removed",
		"egress 10.96.0.10/32 UDP/53 /usr/bin/curl executable-removed",
	})
	want(t, "denied", policyOf(t, h).egress("10.96.0.10", protoUDP, 53), false)
	want(t, "codes", codes(h), []string{WarnNothingObserved})
}

func TestCase22SharedPeer(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(
		tcp("203.0.113.80", 80, curl),
		tcp("203.0.113.9", 443, curl), tcp("203.0.113.9", 443, app),
		tcp("203.0.113.10", 443, app, curl),
		udp("10.96.0.10", 53, app), tcp("10.96.0.10", 53, curl),
	), Options{})
	want(t, "tightened", tightened(h.Tightened), []string{"egress 203.0.113.80/32 TCP/80 /usr/bin/curl executable-removed"})
	for _, r := range h.Rules {
		want(t, "executables of "+r.ID, r.Evidence.Executables, []Executable{{Key: app, Kept: true}})
	}
	want(t, "denied", policyOf(t, h).egress("203.0.113.80", protoTCP, 80), false)
}

func TestCase23Applets(t *testing.T) {
	t.Parallel()
	fate := func(key string) Fate {
		if key == "/bin/busybox::wget" {
			return Dropped
		}
		return Kept
	}
	h, err := New(connects(tcp("203.0.113.1", 80, "/bin/busybox::wget"), tcp("203.0.113.2", 80, "/bin/busybox::nc")), fate, Options{Selector: webSelector})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "rules", allowedCIDRs(h), []string{"203.0.113.2/32 TCP/80"})
	want(t, "tightened", tightened(h.Tightened), []string{"egress 203.0.113.1/32 TCP/80 /bin/busybox::wget executable-removed"})
}

func TestCase24Scripts(t *testing.T) {
	t.Parallel()
	p := connects(tcp("203.0.113.1", 443, "/app/python3"), tcp("203.0.113.2", 443, "/usr/bin/certbot"))
	p.Executables = []profile.Executable{{Key: "/app/python3", Path: "/app/python3", Scripts: []profile.Path{"/app/main", "/usr/bin/certbot"}}}
	h := hint(t, p, Options{})
	want(t, "rules", allowedCIDRs(h), []string{"203.0.113.1/32 TCP/443"})
	want(t, "tightened", tightened(h.Tightened), []string{"egress 203.0.113.2/32 TCP/443 /usr/bin/certbot executable-removed"})
	want(t, "warned", hasCode(h, WarnScriptUnknown), true)

	// Named beside its interpreter, a script is who connected.
	p.Network.Connect = append(p.Network.Connect, tcp("203.0.113.3", 443, "/app/python3", "/usr/bin/certbot"), tcp("203.0.113.4", 443, "/app/python3", "/app/main"))
	h = hint(t, p, Options{})
	want(t, "rules by script", allowedCIDRs(h), []string{"203.0.113.1/32 TCP/443", "203.0.113.4/32 TCP/443"})
	p.Network.Connect = p.Network.Connect[:2]

	p.Executables[0].Scripts = []profile.Path{"/app/main"}
	want(t, "not warned", hasCode(hint(t, p, Options{}), WarnScriptUnknown), false)
}

func TestCase25Foreign(t *testing.T) {
	t.Parallel()
	const attached, memfd, mixed = "/app/sh", "/app/memfd", "/app/both"
	p := connects(
		tcp("198.51.100.1", 1, attached), tcp("198.51.100.2", 2, memfd), tcp("198.51.100.3", 3, debug), tcp("198.51.100.4", 4, mixed),
	)
	p.Executables = []profile.Executable{
		{Key: attached, Path: attached, Origin: []string{profile.OriginAttach}},
		{Key: memfd, Path: memfd, Layer: []string{profile.LayerMemfd}},
		{Path: mixed, Origin: []string{profile.OriginAttach, profile.OriginChild}, Layer: []string{profile.LayerImage, profile.LayerUpper}},
	}
	h := hint(t, p, Options{})
	want(t, "rules", allowedCIDRs(h), []string{"198.51.100.4/32 TCP/4"})
	want(t, "foreign", tightened(h.Foreign), []string{
		"egress 198.51.100.1/32 TCP/1 /app/sh executable-attached",
		"egress 198.51.100.2/32 TCP/2 /app/memfd executable-not-in-image",
		"egress 198.51.100.3/32 TCP/3 /tmp/debug executable-not-in-image",
	})
	want(t, "codes", codes(h), []string{WarnForeign, WarnNothingObserved})
	h = hint(t, p, Options{KeepAttached: true})
	want(t, "rules with what people did", allowedCIDRs(h), []string{"198.51.100.1/32 TCP/1", "198.51.100.4/32 TCP/4"})

	p.Executables[0] = profile.Executable{Path: attached, TTY: true} // known by its terminal alone
	h = hint(t, p, Options{})
	want(t, "rules beside a terminal", allowedCIDRs(h), []string{"198.51.100.4/32 TCP/4"})
	want(t, "foreign, on a terminal", tightened(h.Foreign)[0], "egress 198.51.100.1/32 TCP/1 /app/sh executable-attached")
}

func TestCase26OwnAddresses(t *testing.T) {
	t.Parallel()
	p := complete(profile.Network{
		Listen:  []profile.Listen{listen("10.244.1.5", 8080, app)},
		Connect: []profile.Connect{tcp("127.0.0.1", 80, app), tcp("::1", 80, app), tcp("127.8.8.8", 80, app), tcp("10.244.1.5", 8080, app), tcp("0.0.0.0", 80, app), udp("224.0.0.251", 5353, app)},
	})
	h := hint(t, p, Options{})
	want(t, "egress", len(h.Allows(Egress)), 0)
	want(t, "ignored", reasons(h), []string{
		"0.0.0.0 TCP/80: unspecified address", "10.244.1.5 TCP/8080: the pod's own address", "127.0.0.1 TCP/80: loopback",
		"127.8.8.8 TCP/80: loopback", "224.0.0.251 UDP/5353: multicast or broadcast", "::1 TCP/80: loopback",
	})
}

// A stub resolver on loopback stands for the cluster's, unless the workload
// brings its own.
func TestCase26LoopbackResolver(t *testing.T) {
	t.Parallel()
	h := hint(t, connects(udp("127.0.0.53", 53, app)), Options{})
	want(t, "DNS", policyOf(t, h).pod("kube-system", map[string]string{"k8s-app": "kube-dns"}, protoUDP, 53), true)
	want(t, "blocks", allowedCIDRs(h), nil)
	own := complete(profile.Network{
		Listen:  []profile.Listen{{Proto: "udp", Addr: "127.0.0.53", Port: 53, By: []string{app}}},
		Connect: []profile.Connect{udp("127.0.0.53", 53, app)},
	})
	want(t, "own resolver", len(hint(t, own, Options{}).Rules), 0)
	want(t, "of dropped", len(hint(t, connects(udp("127.0.0.53", 53, curl)), Options{}).Rules), 0)
}

func TestCase27And28Outcomes(t *testing.T) {
	t.Parallel()
	with := func(ip string, results ...string) profile.Connect {
		c := udp(ip, 1000, app)
		c.Results = results
		return c
	}
	h := hint(t, connects(
		with("203.0.113.1", profile.ResultProbeOnly), with("203.0.113.2", profile.ResultRefused, profile.ResultTimeout),
		with("203.0.113.3", profile.ResultInProgress, profile.ResultEstablished), with("203.0.113.5", profile.ResultInProgress),
		with("203.0.113.7", profile.ResultRefused), with("203.0.113.7", profile.ResultSent), with("203.0.113.9", profile.ResultDenied),
		with("203.0.113.11"), with("203.0.113.13", profile.ResultProbeOnly, profile.ResultSent),
	), Options{})
	want(t, "rules", allowedCIDRs(h), []string{
		"203.0.113.11/32 UDP/1000", "203.0.113.13/32 UDP/1000", "203.0.113.3/32 UDP/1000", "203.0.113.5/32 UDP/1000", "203.0.113.7/32 UDP/1000",
	})
	want(t, "ignored", reasons(h), []string{
		"203.0.113.1 UDP/1000: UDP connect without a packet", "203.0.113.2 UDP/1000: failed: refused, timeout",
		"203.0.113.7 UDP/1000: failed: refused", "203.0.113.9 UDP/1000: failed: denied",
	})
	want(t, "unknown outcomes", hasCode(h, WarnOutcomeUnknown), true)
}

func TestCase33Metadata(t *testing.T) {
	t.Parallel()
	addrs := []string{"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "169.254.170.2"}
	var list []profile.Connect
	for _, a := range addrs {
		list = append(list, tcp(a, 80, app))
	}
	h := hint(t, connects(list...), Options{})
	want(t, "rules", len(h.Rules), 0)
	want(t, "warned", hasCode(h, WarnMetadata), true)
	allowed := hint(t, connects(list...), Options{AllowMetadata: true})
	want(t, "still warned", hasCode(allowed, WarnMetadata), true)
	for _, a := range addrs {
		want(t, "not allowed: "+a, policyOf(t, h).egress(a, protoTCP, 80), false)
		want(t, "allowed: "+a, policyOf(t, allowed).egress(a, protoTCP, 80), true)
		want(t, "another port: "+a, policyOf(t, allowed).egress(a, protoTCP, 81), false)
	}
	dropped := hint(t, connects(tcp(addrs[0], 80, curl)), Options{AllowMetadata: true})
	want(t, "of dropped", tightened(dropped.Tightened), []string{"egress 169.254.169.254/32 TCP/80 /usr/bin/curl executable-removed"})
}

func TestCase36And37Blocks(t *testing.T) {
	t.Parallel()
	var list []profile.Connect
	for i := range 256 {
		list = append(list, tcp(fmt.Sprintf("10.0.0.%d", i), 443, app))
	}
	want(t, "256", allowedCIDRs(hint(t, connects(list...), Options{})), []string{"10.0.0.0/24 TCP/443"})
	h := hint(t, connects(list[:255]...), Options{})
	want(t, "255: the last", policyOf(t, h).egress("10.0.0.255", protoTCP, 443), false)
	want(t, "255: before", policyOf(t, h).egress("10.0.0.254", protoTCP, 443), true)
	want(t, "255: blocks", len(allowedCIDRs(h)), 8)

	list = nil
	for i := range 5000 {
		c := tcp(fmt.Sprintf("203.%d.%d.%d", i%7, i/200, i%200), 443, app)
		c.Peer.Names = []string{"cdn.example.org"}
		list = append(list, c)
	}
	h = hint(t, connects(list...), Options{})
	want(t, "rules for one name", len(h.Rules), 1)
	want(t, "churn", hasCode(h, WarnAddressChurn), true)
}

func TestCase38Ranges(t *testing.T) {
	t.Parallel()
	var list []profile.Connect
	for _, port := range []int{1, 2, 3, 5, 6, 8, 65534, 65535} {
		list = append(list, tcp("203.0.113.9", port, app))
	}
	list = append(list, udp("203.0.113.9", 4, app))
	h := hint(t, connects(list...), Options{})
	want(t, "rules", len(h.Rules), 1)
	want(t, "ports", portList(h.Rules[0].Ports, 99), "TCP/1-3,TCP/5,TCP/6,TCP/8,TCP/65534,TCP/65535,UDP/4")
	v := policyOf(t, h)
	want(t, "in the range", v.egress("203.0.113.9", protoTCP, 2), true)
	want(t, "behind the range", v.egress("203.0.113.9", protoTCP, 4), false)
}

func TestCase39Names(t *testing.T) {
	t.Parallel()
	c := tcp("203.0.113.9", 443, app)
	c.Peer.Names = []string{"API.Example.ORG.", "api.example.org", "_srv.example.org", "xn--bcher-kva.example", ".", ""}
	p := complete(profile.Network{Connect: []profile.Connect{c}, DNS: []profile.DNS{
		{Name: "other.example.org", Type: "A", Answers: []string{"203.0.113.9", "::ffff:203.0.113.9"}, By: []string{app}},
		{Name: "api.example.org", Type: "A", By: []string{app}},
		{Name: "api.example.org.shop.svc.cluster.local", Type: "A", By: []string{app}},
		{Name: "api.example.org.svc.cluster.local", Type: "A", By: []string{app}},
		{Name: "api.example.org.cluster.local", Type: "A", By: []string{app}},
		{Name: "db.shop.svc.cluster.local", Type: "A", By: []string{app}},
	}})
	h := hint(t, p, Options{})
	var external, asked []string
	for _, r := range h.Rules {
		if r.Peer.Kind == PeerExternal {
			external = r.Peer.Names
		} else {
			asked = r.Peer.Names
		}
	}
	want(t, "external", external, []string{"_srv.example.org", "api.example.org", "other.example.org", "xn--bcher-kva.example"})
	want(t, "asked", asked, []string{"api.example.org", "db.shop.svc.cluster.local", "other.example.org"})
}

func TestCase44Protocols(t *testing.T) {
	t.Parallel()
	sctp := tcp("10.0.0.7", 36412, app)
	sctp.Proto = "sctp"
	ping := profile.Connect{Proto: "icmp", Peer: profile.Peer{IP: "203.0.113.1"}, By: []string{app}}
	unix := profile.Connect{Proto: "unix", Peer: profile.Peer{Path: "/run/nscd/socket"}, By: []string{app}}
	h := hint(t, connects(sctp, ping, unix), Options{})
	want(t, "rules", allowedCIDRs(h), []string{"10.0.0.7/32 SCTP/36412"})
	want(t, "warned", hasCode(h, WarnProtocol), true)
	want(t, "ignored", reasons(h), []string{"/run/nscd/socket: unix socket", "203.0.113.1 icmp: no policy can express the protocol"})
}

func TestCase50And54Redirected(t *testing.T) {
	t.Parallel()
	c := tcp("127.0.0.1", 15001, app)
	c.Via = profile.Via{IP: "203.0.113.9", Port: 443}
	service := tcp("10.244.0.7", 8080, app)
	service.Via = profile.Via{IP: "10.96.5.5", Port: 80, Service: "shop/api"}
	h := hint(t, connects(c, service, tcp("127.0.0.1", 15001, app)), Options{})
	want(t, "rules", allowedCIDRs(h), []string{"10.244.0.7/32 TCP/8080", "203.0.113.9/32 TCP/443"})
	want(t, "ignored", reasons(h), []string{"127.0.0.1 TCP/15001: loopback"})
	want(t, "notes", h.Rules[1].Notes, []string{"asked for 10.96.5.5:80, which was translated"})
}
