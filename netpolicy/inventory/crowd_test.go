package inventory

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// repeat joins n parts.
func repeat(n int, part func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = part(i)
	}
	return strings.Join(parts, ",")
}

// TestCrowds asks about what leads to more places than a policy could name: it is
// said instead of gone through.
func TestCrowds(t *testing.T) {
	t.Parallel()
	shared := func(n int) string {
		return repeat(n, func(i int) string {
			return fmt.Sprintf(`{"kind":"Service","metadata":{"namespace":"a","name":"s%d"},"spec":{"clusterIP":"10.0.0.1","selector":{"app":"x"},"ports":[{"port":%d}]}}`, i, i+1)
		})
	}
	wide := func(addrs, ports int) string {
		service := `{"kind":"Service","metadata":{"namespace":"a","name":"wide"},"spec":{"clusterIP":"None"}},`
		endpoints := repeat(addrs, func(i int) string { return fmt.Sprintf(`{"addresses":["192.0.2.%d"]}`, i+1) })
		numbers := repeat(ports, func(i int) string { return fmt.Sprintf(`{"port":%d}`, i+1) })
		return service + `{"kind":"EndpointSlice","metadata":{"namespace":"a","name":"w","labels":{"kubernetes.io/service-name":"wide"}},"addressType":"IPv4","endpoints":[` + endpoints + `],"ports":[` + numbers + `]}`
	}
	address := func(text string, port uint16) Query {
		return Query{Addr: netip.MustParseAddr(text), Protocol: "TCP", Port: port}
	}
	for name, tt := range map[string]struct {
		items string
		query Query
		want  string // the problem; "" for targets
	}{
		"as many Services as may be":    {shared(maxShared), address("10.0.0.1", 7), ""},
		"too many Services":             {shared(maxShared + 1), address("10.0.0.1", 7), "ambiguous: more than 1000 Services share the address"},
		"as many endpoints as may be":   {wide(100, 100), Query{Protocol: "TCP", Port: 7, Service: "a/wide"}, ""},
		"too many endpoints":            {wide(101, 100), Query{Protocol: "TCP", Port: 7, Service: "a/wide"}, "service a/wide leads to more than 10000 addresses and ports"},
		"as many ports as may be":       {wide(1, maxPlaces-1), address("192.0.2.1", 7), ""},
		"too many ports of one address": {wide(1, maxPlaces), address("192.0.2.1", 7), "ambiguous: endpoints with more than 10000 ports have the address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := read(t, list(tt.items)).Find(tt.query)
			if found.Problem != tt.want || (len(found.Targets) > 0) != (tt.want == "") {
				t.Errorf("%d targets, problem %q; want %q", len(found.Targets), found.Problem, tt.want)
			}
		})
	}
}
