package netpolicy

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/lathe-build/lathe/profile"
)

// namespace is a network namespace with a thread in it.
type namespace struct {
	work chan func()
	path string
}

func newNamespace(t *testing.T) *namespace {
	t.Helper()
	ns := &namespace{work: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		ns.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		ready <- err
		for f := range ns.work {
			f()
		}
	}()
	if err := <-ready; err != nil {
		close(ns.work)
		t.Skipf("SKIPPED, real packets are not tested: no network namespace: %v", err)
	}
	t.Cleanup(func() { close(ns.work) })
	return ns
}

// do runs f in the namespace.
func (ns *namespace) do(f func() error) error {
	done := make(chan error)
	ns.work <- func() { done <- f() }
	return <-done
}

// run runs a program in the namespace.
func (ns *namespace) run(t *testing.T, input, name string, args ...string) {
	t.Helper()
	err := ns.do(func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// listen accepts connections to an address until the test ends.
func (ns *namespace) listen(t *testing.T, addr string) {
	t.Helper()
	var l net.Listener
	err := ns.do(func() (err error) {
		l, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
}

// reaches reports whether a connection is made. The socket is made and used in
// the namespace's thread.
func (ns *namespace) reaches(addr string) bool {
	to := netip.MustParseAddrPort(addr)
	var family int
	var sa unix.Sockaddr
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	err := ns.do(func() error {
		fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, sa); err != nil && err != unix.EINPROGRESS {
			return err
		}
		return connected(fd)
	})
	return err == nil
}

// getsThrough reports whether a connection is made before long. A link that was
// just brought up carries packets when the kernel has noticed, and a loaded
// machine answers late: one attempt says nothing.
func (ns *namespace) getsThrough(addr string) bool {
	deadline := time.Now().Add(30 * time.Second)
	for !ns.reaches(addr) {
		if time.Now().After(deadline) {
			return false
		}
		_, _ = unix.Poll(nil, 50) // an address that is not ready yet fails at once
	}
	return true
}

// connected waits for a connection, for less than the kernel would.
func connected(fd int) error {
	const patience = 400 // milliseconds
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	n, err := unix.Poll(fds, patience)
	for err == unix.EINTR {
		n, err = unix.Poll(fds, patience)
	}
	if n == 0 {
		return unix.ETIMEDOUT
	}
	if err != nil {
		return err
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	return err
}

// rules writes a policy as rules of nftables, straight from the object that an
// API server would hand to a plugin.
func rules(np *networkingv1.NetworkPolicy) string {
	var b strings.Builder
	b.WriteString("table inet lathe {\n")
	chain := func(hook, word string, each func(add func(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer))) {
		fmt.Fprintf(&b, "chain %s { type filter hook %s priority 0; policy drop;\nct state established,related accept\nmeta l4proto ipv6-icmp accept\n", hook, hook)
		each(func(ports []networkingv1.NetworkPolicyPort, peers []networkingv1.NetworkPolicyPeer) {
			for _, p := range ports {
				match := fmt.Sprintf("%s dport %d", strings.ToLower(string(*p.Protocol)), p.Port.IntVal)
				if p.EndPort != nil {
					match += fmt.Sprintf("-%d", *p.EndPort)
				}
				if len(peers) == 0 {
					fmt.Fprintf(&b, "%s accept\n", match)
				}
				for _, peer := range peers {
					if peer.IPBlock == nil {
						continue // there are no pods here
					}
					family := "ip"
					if strings.Contains(peer.IPBlock.CIDR, ":") {
						family = "ip6"
					}
					fmt.Fprintf(&b, "%s %s %s %s accept\n", family, word, peer.IPBlock.CIDR, match)
				}
			}
		})
		b.WriteString("}\n")
	}
	chain("output", "daddr", func(add func([]networkingv1.NetworkPolicyPort, []networkingv1.NetworkPolicyPeer)) {
		for _, r := range np.Spec.Egress {
			add(r.Ports, r.To)
		}
	})
	chain("input", "saddr", func(add func([]networkingv1.NetworkPolicyPort, []networkingv1.NetworkPolicyPeer)) {
		for _, r := range np.Spec.Ingress {
			add(r.Ports, r.From)
		}
	})
	b.WriteString("}\n")
	return b.String()
}

// TestRealPackets enforces a rendered policy with nftables between two network
// namespaces and connects over IPv4 and IPv6.
func TestRealPackets(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, real packets are not tested: it needs root")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED, real packets are not tested: no %s", tool)
		}
	}
	web, world := newNamespace(t), newNamespace(t)
	web.run(t, "", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	web.run(t, "", "ip", "link", "set", "v1", "netns", world.path)
	addrs := []string{"10.77.0.5/24", "10.77.0.6/24", "169.254.169.254/32", "fd77::5/64", "fd77::6/64"}
	for _, side := range []struct {
		ns    *namespace
		dev   string
		addrs []string
	}{{web, "v0", []string{"10.77.0.1/24", "fd77::1/64"}}, {world, "v1", addrs}} {
		for _, a := range side.addrs {
			args := []string{"addr", "add", a, "dev", side.dev}
			if strings.Contains(a, ":") {
				args = append(args, "nodad")
			}
			side.ns.run(t, "", "ip", args...)
		}
		side.ns.run(t, "", "ip", "link", "set", side.dev, "up")
		side.ns.run(t, "", "ip", "link", "set", "lo", "up")
	}
	web.run(t, "", "ip", "route", "add", "169.254.169.254/32", "dev", "v0")
	for _, port := range []string{":8080", ":8081"} {
		world.listen(t, port)
	}
	world.listen(t, "169.254.169.254:80")
	for _, port := range []string{":9090", ":9091"} {
		web.listen(t, port)
	}
	p := complete(profile.Network{
		Listen: []profile.Listen{listen("::", 9090, app), listen("::", 9091, curl)},
		Connect: []profile.Connect{
			tcp("10.77.0.5", 8080, app), tcp("fd77::5", 8080, app),
			tcp("10.77.0.6", 8080, curl), tcp("169.254.169.254", 80, app),
		},
	})
	text, err := Render(hint(t, p, Options{}), Core)
	if err != nil {
		t.Fatal(err)
	}
	np := &networkingv1.NetworkPolicy{}
	if err := yaml.UnmarshalStrict(text, np); err != nil {
		t.Fatal(err)
	}
	attempts := []struct {
		from *namespace
		to   string
		want bool
	}{
		{web, "10.77.0.5:8080", true},
		{web, "10.77.0.5:8081", false},
		{web, "10.77.0.6:8080", false},
		{web, "169.254.169.254:80", false},
		{web, "[fd77::5]:8080", true},
		{web, "[fd77::5]:8081", false},
		{web, "[fd77::6]:8080", false},
		{world, "10.77.0.1:9090", true},
		{world, "10.77.0.1:9091", false},
		{world, "[fd77::1]:9090", true},
		{world, "[fd77::1]:9091", false},
	}
	for _, a := range attempts {
		want(t, "without a policy: "+a.to, a.from.getsThrough(a.to), true)
	}
	web.run(t, rules(np), "nft", "-f", "-")
	for _, a := range attempts {
		try := a.from.reaches // what is denied is tried once: it cannot come later
		if a.want {
			try = a.from.getsThrough
		}
		want(t, "with the policy: "+a.to, try(a.to), a.want)
	}
}
