package sandbox

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	dialTimeout = 30 * time.Second
	udpIdle     = 60 * time.Second // after which a UDP exchange is forgotten
	udpLimit    = 1024             // exchanges at a time
	tcpLimit    = 2048             // connections at a time: each is a descriptor of this process
	datagram    = 64 << 10
)

// routes say where a connection of the container really goes.
type routes struct {
	outbound bool                      // to anywhere
	links    map[netip.AddrPort]string // address in the container → ADDR:PORT
	resolver string                    // of the host, ADDR:PORT; "" without one
	tcpSlots chan struct{}
	udpSlots chan struct{}
}

func newRoutes(o Options) routes {
	r := routes{
		outbound: o.Network.Mode != NetworkNone, links: map[netip.AddrPort]string{},
		tcpSlots: make(chan struct{}, tcpLimit), udpSlots: make(chan struct{}, udpLimit),
	}
	for i, l := range o.Links {
		r.links[netip.AddrPortFrom(LinkAddr(i), l.Port)] = l.Target
	}
	if r.outbound {
		r.resolver = hostResolver("/etc/resolv.conf")
	}
	return r
}

// withheld are addresses behind which machines of clouds find their own
// credentials: link-local ones, as of AWS, Azure, Google Cloud and Oracle, and
// those of Azure's host agent and of Alibaba Cloud. What an image does there is
// done in the name of the machine that records.
func withheld() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("168.63.129.16/32"), netip.MustParsePrefix("100.100.100.200/32"),
	}
}

// leaves tells whether connections to an address are made for a container.
// What is the host's alone, and what goes to more than one, is not.
func leaves(to netip.Addr) bool {
	if to.IsLoopback() || to.IsUnspecified() || to.IsMulticast() || to == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return false
	}
	return !slices.ContainsFunc(withheld(), func(p netip.Prefix) bool { return p.Contains(to) })
}

// target is where to connect for a destination, "" for nowhere.
func (r routes) target(to netip.AddrPort) string {
	if t, ok := r.links[to]; ok {
		return t
	}
	prefix := netip.PrefixFrom(gatewayAddr(), subnetBits)
	switch {
	case to.Addr() == resolverAddr() && to.Port() == 53:
		return r.resolver
	case !r.outbound, prefix.Contains(to.Addr()), !leaves(to.Addr()):
		return ""
	}
	return to.String()
}

// hostResolver is the first name server of the host.
func hostResolver(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			return net.JoinHostPort(fields[1], "53")
		}
	}
	return ""
}

func destination(id stack.TransportEndpointID) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(id.LocalAddress.AsSlice())
	return netip.AddrPortFrom(addr, id.LocalPort)
}

// forwardTCP connects first and accepts afterwards: a peer that refuses is
// refused to the container.
func (n *network) forwardTCP(ctx context.Context, r *tcp.ForwarderRequest) {
	target := n.routes.target(destination(r.ID()))
	if target == "" {
		r.Complete(true)
		return
	}
	select {
	case n.routes.tcpSlots <- struct{}{}:
		defer func() { <-n.routes.tcpSlots }()
	default:
		r.Complete(true)
		return
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	out, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		r.Complete(true)
		return
	}
	var queue waiter.Queue
	end, failed := r.CreateEndpoint(&queue)
	r.Complete(failed != nil)
	if failed != nil {
		_ = out.Close()
		return
	}
	join(ctx, gonet.NewTCPConn(&queue, end), out)
}

// forwardUDP carries one exchange of datagrams, until nobody says anything.
func (n *network) forwardUDP(ctx context.Context, r *udp.ForwarderRequest) {
	target := n.routes.target(destination(r.ID()))
	if target == "" {
		return
	}
	select {
	case n.routes.udpSlots <- struct{}{}:
	default:
		return
	}
	var queue waiter.Queue
	end, failed := r.CreateEndpoint(&queue)
	if failed != nil {
		<-n.routes.udpSlots
		return
	}
	go func() {
		defer func() { <-n.routes.udpSlots }()
		in := gonet.NewUDPConn(&queue, end)
		var dialer net.Dialer
		out, err := dialer.DialContext(ctx, "udp", target)
		if err != nil {
			_ = in.Close()
			return
		}
		exchange(ctx, in, out)
	}()
}

// exchange copies datagrams both ways until both sides are idle.
func exchange(ctx context.Context, a, b net.Conn) {
	defer context.AfterFunc(ctx, func() { _, _ = a.Close(), b.Close() })()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			buffer := make([]byte, datagram)
			for {
				if err := way[0].SetReadDeadline(time.Now().Add(udpIdle)); err != nil {
					return
				}
				size, err := way[0].Read(buffer)
				if err != nil {
					return
				}
				if _, err := way[1].Write(buffer[:size]); err != nil {
					return
				}
			}
		})
	}
	both.Wait()
	_, _ = a.Close(), b.Close()
}

// join copies both ways and hands the end of each side on to the other.
func join(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() { _, _ = a.Close(), b.Close() })
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, err := io.Copy(way[1], way[0])
			half, ok := way[1].(interface{ CloseWrite() error })
			if err != nil || !ok || half.CloseWrite() != nil {
				_, _ = a.Close(), b.Close()
			}
		})
	}
	both.Wait()
	_, _ = a.Close(), b.Close()
}

// listener is a published port.
type listener struct {
	Publish
	socket net.Listener
}

// publish listens on the host for every published port and connects who comes
// to the container.
func (n *network) publish(ctx context.Context, ports []Publish) ([]listener, error) {
	var list []listener
	for _, p := range ports {
		var config net.ListenConfig
		socket, err := config.Listen(ctx, "tcp", p.Host.String())
		if err != nil {
			return nil, errors.Join(err, closeAll(list))
		}
		if addr, ok := socket.Addr().(*net.TCPAddr); ok {
			p.Host = netip.AddrPortFrom(p.Host.Addr(), uint16(addr.Port)) //nolint:gosec // a port
		}
		list = append(list, listener{p, socket})
		go n.serve(ctx, socket, p.Port)
	}
	return list, nil
}

func (n *network) serve(ctx context.Context, socket net.Listener, port uint16) {
	for {
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		go func() {
			timed, cancel := context.WithTimeout(ctx, dialTimeout)
			in, err := n.dial(timed, port)
			cancel()
			if err != nil { // nobody listens: the peer sees a reset
				if t, ok := conn.(*net.TCPConn); ok {
					_ = t.SetLinger(0)
				}
				_ = conn.Close()
				return
			}
			join(ctx, conn, in)
		}()
	}
}

func closeAll(list []listener) error {
	var err error
	for _, l := range list {
		err = errors.Join(err, l.socket.Close())
	}
	return err
}

// hosts is the content of /etc/hosts.
func hosts(o Options, hostname string) string {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	own := o.Network.Mode == NetworkNAT || o.Network.Mode == NetworkNone || o.Network.Mode == ""
	if own {
		b.WriteString(containerAddr().String() + "\t" + hostname + "\n")
	}
	for i, l := range o.Links {
		address := LinkAddr(i).String()
		if host, _, err := net.SplitHostPort(l.Target); !own && err == nil {
			address = host
		}
		b.WriteString(address + "\t" + l.Name + "\n")
	}
	return b.String()
}

// resolvConf is the content of /etc/resolv.conf: the host's searches and
// options, with the resolver that the container can reach.
func resolvConf(host string, own bool) string {
	if !own {
		return host
	}
	lines := []string{"nameserver " + resolverAddr().String()}
	for line := range strings.Lines(host) {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "search" || f[0] == "options" || f[0] == "domain") {
			lines = append(lines, strings.Join(f, " "))
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
