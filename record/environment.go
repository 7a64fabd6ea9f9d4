package record

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/lathe-build/lathe/record/sandbox"
)

// Environment is what a test finds in its environment besides that of this
// process, for the ports of the container as the host reaches them:
//
//	LATHE_SCENARIO   the name of the test
//	LATHE_HOST       the address of the first port, such as 127.0.0.1
//	LATHE_PORT       the first port on the host
//	LATHE_ADDR       both, such as 127.0.0.1:40123
//	LATHE_PORT_8080  the port on the host of the container's port 8080
//	LATHE_ADDR_8080  its address and port
//	LATHE_PID        the container's first process, on the host
func Environment(scenario string, pid int, ports []sandbox.Port) []string {
	env := []string{"LATHE_SCENARIO=" + scenario, "LATHE_PID=" + strconv.Itoa(pid)}
	for i, p := range ports {
		host := reachable(p.Host)
		if i == 0 {
			env = append(env, "LATHE_HOST="+host.Addr().String(), fmt.Sprintf("LATHE_PORT=%d", host.Port()), "LATHE_ADDR="+host.String())
		}
		env = append(env, fmt.Sprintf("LATHE_PORT_%d=%d", p.Port, host.Port()), fmt.Sprintf("LATHE_ADDR_%d=%s", p.Port, host))
	}
	return env
}

// reachable turns an address that means all into the loopback.
func reachable(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsUnspecified() {
		return a
	}
	if a.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
}
