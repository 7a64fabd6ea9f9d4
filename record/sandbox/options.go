package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Defaults of [Options].
const (
	DefaultPIDs  = 4096             // processes and threads in a container
	DefaultGrace = 10 * time.Second // between the stop signal and the kill, as docker has it
)

// Options say how a container is started. The zero value starts what the
// image's config says, with outbound network and nothing published.
type Options struct {
	Entrypoint []string // nil: the image's; empty and not nil: none
	Args       []string // nil: the image's command, unless Entrypoint is set
	Env        []string // NAME=VALUE, over the image's
	User       string   // as in the image's config
	Dir        string   // working directory
	Hostname   string   // "" takes the container's name
	StopSignal string   // such as SIGTERM; "" takes the image's

	Network Network
	Publish []Publish
	Links   []Link
	Mounts  []Mount
	Memory  int64         // bytes; 0: no limit
	PIDs    int64         // 0: DefaultPIDs
	Grace   time.Duration // 0: DefaultGrace

	// VolumeOwner is the user and group that new volumes are given to, 0 for
	// those that the image says.
	VolumeOwner int

	// Created is called when the container exists and nothing of the image
	// has run, with its first process. Its error stops the start.
	Created func(ctx context.Context, pid int) error
}

// BoxOptions say where and with what containers are run.
type BoxOptions struct {
	Runtime string // name or path of runc or crun; "" takes the one that is installed
	Dir     string // where to unpack; "" is the system's directory for temporary files
	State   string // where running containers are listed; "" is /run/lathe
}

// Port is a port of the container and where it is reached on the host.
type Port struct {
	Port uint16
	Host netip.AddrPort
}

// NetworkMode is what a container is connected to.
type NetworkMode string

// The modes.
const (
	NetworkNAT    NetworkMode = "nat"   // outbound, the host's resolver
	NetworkNone   NetworkMode = "none"  // links and published ports only
	NetworkHost   NetworkMode = "host"  // the host's
	NetworkJoined NetworkMode = "netns" // a namespace that is there
)

// Network is a mode and, for NetworkJoined, the path of the namespace.
type Network struct {
	Mode NetworkMode // "" is NetworkNAT
	Path string
}

// Publish is a port of the container that listens on the host.
type Publish struct {
	Host netip.AddrPort // port 0: any free one
	Port uint16         // in the container
}

// Link is a name in the container that leads to an address of the host's.
type Link struct {
	Name   string
	Target string // ADDR:PORT; the host resolves names
	Port   uint16 // of the target, and by which the container calls it
}

// Mount is a file or directory of the host, an anonymous or named volume, or a
// tmpfs.
type Mount struct {
	Type     MountType
	Source   string // of a bind mount the path on the host, of a volume its name
	Target   string // absolute path in the container
	ReadOnly bool
}

// MountType is what is mounted.
type MountType string

// The types of mounts.
const (
	MountBind   MountType = "bind"
	MountVolume MountType = "volume"
	MountTmpfs  MountType = "tmpfs"
)

var errLinkName = errors.New("a link's name is a host name: letters, digits, dots and dashes")

// ParseNetwork reads nat, none, host or netns:PATH.
func ParseNetwork(s string) (Network, error) {
	switch NetworkMode(s) {
	case NetworkNAT, NetworkNone, NetworkHost:
		return Network{Mode: NetworkMode(s)}, nil
	case "":
		return Network{Mode: NetworkNAT}, nil
	case NetworkJoined:
	}
	if name, ok := strings.CutPrefix(s, "netns:"); ok && path.IsAbs(name) {
		return Network{Mode: NetworkJoined, Path: name}, nil
	}
	return Network{}, fmt.Errorf("network %q: it is nat, none, host, netns:/PATH or container:ID", s)
}

// ParsePublish reads [[ADDR:]HOSTPORT:]PORT[/tcp]. Without an address it is
// the loopback: what is recorded is not meant for others.
func ParsePublish(s string) (Publish, error) {
	bad := func(why string) (Publish, error) {
		return Publish{}, fmt.Errorf("publishing %q: %s; it is [[ADDR:]HOSTPORT:]PORT", s, why)
	}
	rest, proto, ok := strings.Cut(s, "/")
	if ok && proto != "tcp" {
		return bad("only tcp can be published")
	}
	host, port := "", rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		host, port = rest[:i], rest[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return bad("the container's port is a number from 1 to 65535")
	}
	p := Publish{Host: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0), Port: uint16(n)}
	if host == "" {
		return p, nil
	}
	addr, hostPort := "", host
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		addr, hostPort = strings.Trim(host[:i], "[]"), host[i+1:]
	}
	at := p.Host.Addr()
	if addr != "" {
		if at, err = netip.ParseAddr(addr); err != nil {
			return bad("the address is not an IP address")
		}
	}
	n = 0
	if hostPort != "" {
		if n, err = strconv.ParseUint(hostPort, 10, 16); err != nil {
			return bad("the host's port is a number up to 65535")
		}
	}
	p.Host = netip.AddrPortFrom(at, uint16(n))
	return p, nil
}

// ParseLink reads NAME=ADDR:PORT.
func ParseLink(s string) (Link, error) {
	name, target, ok := strings.Cut(s, "=")
	i := strings.LastIndexByte(target, ':')
	if !ok || i <= 0 {
		return Link{}, fmt.Errorf("link %q: it is NAME=ADDR:PORT", s)
	}
	n, err := strconv.ParseUint(target[i+1:], 10, 16)
	if err != nil || n == 0 {
		return Link{}, fmt.Errorf("link %q: the port is a number from 1 to 65535", s)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$`).MatchString(name) {
		return Link{}, fmt.Errorf("link %q: %w", s, errLinkName)
	}
	return Link{Name: name, Target: target, Port: uint16(n)}, nil
}

// ParseMount reads type=bind|volume|tmpfs,source=…,target=…[,readonly], as
// docker's --mount has it, with the same short names.
func ParseMount(s string) (Mount, error) {
	m := Mount{Type: MountVolume}
	for part := range strings.SplitSeq(s, ",") {
		key, value, hasValue := strings.Cut(part, "=")
		switch key {
		case "type":
			m.Type = MountType(value)
		case "source", "src":
			m.Source = value
		case "target", "dst", "destination":
			m.Target = value
		case "readonly", "ro":
			m.ReadOnly = !hasValue || value == "true" || value == "1"
		default:
			return Mount{}, fmt.Errorf("mount %q: %q is not known; it is type=, source=, target= or readonly", s, key)
		}
	}
	return m, m.check(s)
}

func (m Mount) check(s string) error {
	switch {
	case m.Type != MountBind && m.Type != MountVolume && m.Type != MountTmpfs:
		return fmt.Errorf("mount %q: the type is bind, volume or tmpfs", s)
	case !path.IsAbs(m.Target) || path.Clean(m.Target) == "/":
		return fmt.Errorf("mount %q: target= is an absolute path below /", s)
	case m.Type == MountBind && !path.IsAbs(m.Source):
		return fmt.Errorf("mount %q: source= is an absolute path of the host", s)
	case m.Type == MountVolume && strings.ContainsAny(m.Source, "/\x00"):
		return fmt.Errorf("mount %q: source= is the name of a volume", s)
	case m.Type == MountTmpfs && m.Source != "":
		return fmt.Errorf("mount %q: a tmpfs has no source", s)
	}
	return nil
}

// ParseVolume reads docker's short form: [SOURCE:]TARGET[:ro].
func ParseVolume(s string) (Mount, error) {
	parts := strings.Split(s, ":")
	m := Mount{Type: MountVolume}
	switch {
	case len(parts) == 1:
		m.Target = parts[0]
	case len(parts) == 2:
		m.Source, m.Target = parts[0], parts[1]
	case len(parts) == 3 && (parts[2] == "ro" || parts[2] == "rw"):
		m.Source, m.Target, m.ReadOnly = parts[0], parts[1], parts[2] == "ro"
	default:
		return Mount{}, fmt.Errorf("volume %q: it is [SOURCE:]TARGET[:ro]", s)
	}
	if path.IsAbs(m.Source) {
		m.Type = MountBind
	}
	return m, m.check(s)
}
