//go:build unix

package netpolicy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lathe-build/lathe/internal/growth"
	"github.com/lathe-build/lathe/profile"
)

// TestLinearInventory asks an inventory about many pods of one owner and one Service
// in a time that grows with them.
func TestLinearInventory(t *testing.T) {
	for name, build := range map[string]func(n int) (items []string, list []profile.Connect){
		"pods of one owner": func(n int) (items []string, list []profile.Connect) {
			for i := range n {
				ip := fmt.Sprintf("10.244.%d.%d", i/250, i%250+1)
				items = append(items, pod("shop", fmt.Sprint("p", i), ip, `"app":"api","v":"1"`, `,"ownerReferences":[{"kind":"ReplicaSet","name":"api-1","controller":true}]},"spec":{}`))
				list = append(list, tcp(ip, 8080, app))
			}
			return items, list
		},
		"ports of one Service": func(n int) (items []string, list []profile.Connect) {
			for i := range n {
				items = append(items, pod("shop", fmt.Sprint("p", i), fmt.Sprintf("10.244.%d.%d", i/250, i%250+1), `"app":"api"`, ""))
				list = append(list, profile.Connect{
					Proto: "tcp", Port: 80, Peer: profile.Peer{IP: "10.96.0.7"}, By: []string{fmt.Sprint("/app/", i)}, Results: []string{profile.ResultEstablished},
				})
			}
			return append(items, service("shop", "api", "10.96.0.7", `"app":"api"`, `{"port":80,"targetPort":"http"}`)), list
		},
	} {
		t.Run(name, func(t *testing.T) {
			growth.Linear(t, 500, func(n int) func() {
				items, list := build(n)
				return func() {
					opts := Options{Selector: webSelector, Namespace: "shop", Cluster: clusterOf(t, items...)}
					if _, err := New(connects(list...), fates, opts); err != nil {
						t.Fatal(err)
					}
				}
			})
		})
	}
}

// TestLedTooFar has an inventory that leads to 1,000 addresses and ports for each
// connection: those that no room is left for are allowed by their address, and the
// hint says why.
func TestLedTooFar(t *testing.T) {
	t.Parallel()
	const addresses, numbers = 100, 10
	var addrs, ports []string
	for i := range addresses {
		addrs = append(addrs, fmt.Sprintf(`{"addresses":["192.0.2.%d"]}`, i+1))
	}
	for i := range numbers {
		ports = append(ports, fmt.Sprintf(`{"port":%d}`, i+1))
	}
	cluster := clusterOf(t,
		`{"kind":"Service","metadata":{"namespace":"shop","name":"wide"},"spec":{"clusterIP":"None"}}`,
		`{"kind":"EndpointSlice","metadata":{"namespace":"shop","name":"w","labels":{"kubernetes.io/service-name":"wide"}},"addressType":"IPv4","endpoints":[`+
			strings.Join(addrs, ",")+`],"ports":[`+strings.Join(ports, ",")+`]}`)
	var list []profile.Connect
	last := 1000 + maxLed/(addresses*numbers-1)
	for port := 1000; port <= last; port++ {
		c := tcp("10.9.8.7", port, app)
		c.Via.Service = "shop/wide"
		list = append(list, c)
	}
	h, err := New(connects(list...), fates, Options{Selector: webSelector, Namespace: "shop", Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, p := range peers(h, Egress) {
		if strings.Contains(p, "10.9.8.7") {
			own = append(own, p)
		}
	}
	if len(own) != 1 || !strings.Contains(own[0], fmt.Sprint(last)) {
		t.Errorf("by address: %q, want port %d alone", own, last)
	}
	if !slices.ContainsFunc(h.Unresolved, func(u Unresolved) bool { return strings.Contains(u.Reason, "more than 300000 addresses and ports") }) {
		t.Errorf("unresolved: %+v", h.Unresolved)
	}
}
