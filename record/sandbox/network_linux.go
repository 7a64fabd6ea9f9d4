package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// The container's network, seen from inside. It exists nowhere else.
const (
	subnetBits  = 24
	nicID       = tcpip.NICID(1)
	mtu         = 1500
	device      = "eth0"
	firstLink   = 32 // last byte of the address of the first link
	linkLimit   = 200
	tcpInFlight = 1024 // connections that are being made at a time
)

func netAddr(last byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 2, last}) }

func gatewayAddr() netip.Addr   { return netAddr(2) }
func resolverAddr() netip.Addr  { return netAddr(3) }
func containerAddr() netip.Addr { return netAddr(15) }

// LinkAddr is the address in the container of the link with this position.
func LinkAddr(i int) netip.Addr { return netAddr(byte(firstLink + i)) } //nolint:gosec // linkLimit bounds it

// network is what a container is connected to.
type network struct {
	ns     *os.File // nil for the host's
	tap    int      // descriptor of the interface, 0 without one
	stack  *stack.Stack
	routes routes
	cancel context.CancelFunc
}

// connect makes the network namespace of a container, and what is behind its
// interface. It is closed by close.
func connect(ctx context.Context, o Options) (*network, error) {
	switch o.Network.Mode {
	case NetworkHost:
		return &network{}, nil
	case NetworkJoined:
		ns, err := os.Open(o.Network.Path)
		if err != nil {
			return nil, fmt.Errorf("opening the network namespace: %w", err)
		}
		return &network{ns: ns}, nil
	case NetworkNAT, NetworkNone, "":
	}
	if len(o.Links) > linkLimit {
		return nil, fmt.Errorf("%d links: %d is the most", len(o.Links), linkLimit)
	}
	ns, err := newNetNS()
	if err != nil {
		return nil, err
	}
	n := &network{ns: ns, routes: newRoutes(o)}
	if o.Network.Mode == NetworkNone && len(o.Links) == 0 && len(o.Publish) == 0 {
		return n, inNetNS(ns, loopbackUp)
	}
	if err := n.plug(ctx); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// plug makes the interface and starts the stack behind it.
func (n *network) plug(ctx context.Context) error {
	err := inNetNS(n.ns, func() (err error) {
		if n.tap, err = openTUN(); err != nil {
			return err
		}
		return errors.Join(loopbackUp(), interfaceUp())
	})
	if err != nil {
		return err
	}
	n.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	link, err := fdbased.New(&fdbased.Options{FDs: []int{n.tap}, MTU: mtu, RXChecksumOffload: true})
	if err != nil {
		return fmt.Errorf("starting the network: %w", err)
	}
	if err := n.stack.CreateNIC(nicID, link); err != nil {
		return fmt.Errorf("starting the network: %s", err)
	}
	addr := tcpip.ProtocolAddress{
		Protocol:          header.IPv4ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: tcpip.AddrFrom4(gatewayAddr().As4()), PrefixLen: subnetBits},
	}
	if err := n.stack.AddProtocolAddress(nicID, addr, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("starting the network: %s", err)
	}
	n.stack.SetPromiscuousMode(nicID, true)
	n.stack.SetSpoofing(nicID, true)
	n.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nicID}})
	ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	n.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(n.stack, 0, tcpInFlight, func(r *tcp.ForwarderRequest) {
		n.forwardTCP(ctx, r)
	}).HandlePacket)
	n.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(n.stack, func(r *udp.ForwarderRequest) {
		n.forwardUDP(ctx, r)
	}).HandlePacket)
	return nil
}

// openTUN makes the container's interface in the current network namespace.
func openTUN() (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("making the container's interface (is the module tun loaded?): %w", err)
	}
	request, err := unix.NewIfreq(device)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("making the container's interface: %w", err), unix.Close(fd))
	}
	return fd, nil
}

func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bringing the loopback up: %w", err)
	}
	return nil
}

// interfaceUp gives the interface its address and the default route.
func interfaceUp() error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("configuring the interface: %w", err)
	}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: containerAddr().AsSlice(), Mask: net.CIDRMask(subnetBits, 32)}}
	if err := netlink.AddrAdd(link, own); err != nil {
		return fmt.Errorf("configuring the interface: %w", err)
	}
	if err := errors.Join(netlink.LinkSetMTU(link, mtu), netlink.LinkSetUp(link)); err != nil {
		return fmt.Errorf("configuring the interface: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Gw: gatewayAddr().AsSlice()}); err != nil {
		return fmt.Errorf("setting the default route: %w", err)
	}
	return nil
}

// dial connects to a port of the container, as a peer on its network would.
func (n *network) dial(ctx context.Context, port uint16) (net.Conn, error) {
	if n.stack != nil {
		from := tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(gatewayAddr().As4())}
		to := tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFrom4(containerAddr().As4()), Port: port}
		return gonet.DialTCPWithBind(ctx, n.stack, from, to, ipv4.ProtocolNumber)
	}
	var dialer net.Dialer
	address := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port).String()
	if n.ns == nil {
		return dialer.DialContext(ctx, "tcp4", address)
	}
	var conn net.Conn
	err := inNetNS(n.ns, func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp4", address)
		return err
	})
	return conn, err
}

// path is the namespace for the runtime.
func (n *network) path() string {
	if n.ns == nil {
		return ""
	}
	return fdPath(n.ns)
}

func (n *network) close() error {
	if n.cancel != nil {
		n.cancel()
	}
	if n.stack != nil {
		n.stack.Destroy()
	}
	var err error
	if n.tap > 0 {
		err = unix.Close(n.tap)
	}
	if n.ns != nil {
		err = errors.Join(err, n.ns.Close())
	}
	if err != nil {
		return fmt.Errorf("closing the network: %w", err)
	}
	return nil
}
