package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// socketTableLimit bounds what is read of a table of sockets.
const socketTableLimit = 16 << 20

// tcpListen is the state of a listening socket in /proc/net/tcp (Linux,
// include/net/tcp_states.h).
const tcpListen = "0A"

// parseListening reads the ports of listening sockets from the text of
// /proc/net/tcp or tcp6, and whether they are for others than the loopback.
func parseListening(r io.Reader, into map[uint16]bool) error {
	lines := bufio.NewScanner(io.LimitReader(r, socketTableLimit))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || f[3] != tcpListen {
			continue
		}
		addr, port, _ := strings.Cut(f[1], ":")
		n, err := strconv.ParseUint(port, 16, 16)
		if err != nil {
			return fmt.Errorf("reading a table of sockets: the port %q is no number", port)
		}
		into[uint16(n)] = into[uint16(n)] || !isLoopback(addr)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading a table of sockets: %w", err)
	}
	return nil
}

// isLoopback tells of an address as these tables write it, in words of a machine
// that counts from the lower end: 127.0.0.0/8, the same in IPv6, or ::1.
func isLoopback(addr string) bool {
	v4, mapped := strings.CutPrefix(addr, "0000000000000000FFFF0000")
	if mapped || len(addr) == 8 {
		return strings.HasSuffix(v4, "7F")
	}
	return addr == "00000000000000000000000001000000"
}

func listeningIn(dir string) (map[uint16]bool, error) {
	ports := map[uint16]bool{}
	for _, name := range []string{"tcp", "tcp6"} {
		f, err := os.Open(dir + "/" + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without it, or a process that is gone
		}
		if err != nil {
			return nil, fmt.Errorf("reading a table of sockets: %w", err)
		}
		err = errors.Join(parseListening(f, ports), f.Close())
		if err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// listening are the ports on which somebody listens in a network that was there
// before the container.
func (n *network) listening() (ports map[uint16]bool, err error) {
	if n.ns == nil {
		return listeningIn("/proc/self/net")
	}
	err = inNetNS(n.ns, func() (err error) {
		ports, err = listeningIn("/proc/thread-self/net")
		return err
	})
	return ports, err
}

// Listening are the TCP ports on which the container listens, sorted. Nothing
// is sent to it.
func (c *Container) Listening() ([]uint16, error) {
	now, err := c.listening()
	return slices.Sorted(maps.Keys(now)), err
}

// LoopbackOnly are those of them that are for the container's own loopback alone,
// where no published port leads, sorted.
func (c *Container) LoopbackOnly() ([]uint16, error) {
	now, err := c.listening()
	maps.DeleteFunc(now, func(_ uint16, others bool) bool { return others })
	return slices.Sorted(maps.Keys(now)), err
}

func (c *Container) listening() (map[uint16]bool, error) {
	now, err := c.net.listening()
	for port := range c.before {
		delete(now, port)
	}
	return now, err
}
